"""The study of orders: the same model trained in several orders, chosen on validation, refitted, and measured once.

1. Selection: every order and seed is trained on the fitting splits; validation finds the best epoch of every stage.
2. Refit: every order and seed is trained again on fitting and validation splits together, with the same schedule, and
   stopped at the median best epoch of its order (stages that keep their last weights: at its end). Nothing is chosen
   from here on.
3. Measurement on the reported split, the linear baseline beside it, one table.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trichord.config import has_path, replaced
from trichord.data import Dataset
from trichord.errors import ConfigError
from trichord.evaluation.cca_baseline import CcaGrid
from trichord.modality import parse_task
from trichord.recipes import Recipe
from trichord.reports import Entry, Table, build_table, load_entries, write_page, write_table
from trichord.runs import ExperimentConfig, RunDirectory, RunOptions, check_data
from trichord.studies.baselines import linear_baseline
from trichord.studies.machine import PlannedRun, run_planned

Configs = Mapping[str, Sequence[ExperimentConfig]]


@dataclass(frozen=True, kw_only=True)
class OrdersStudy:
    """What is studied.

    Args:
        orders: spelled orders.
        num_seeds: seeds 0, 1, ... of each.
        recipe: the recipe.
        changes: dotted path -> value, applied to every order that has the path.
        refit: train again on fitting and validation splits together, for the number of epochs validation chose.
        baseline: what is tried for the linear baseline; None leaves it out.
    """

    orders: tuple[str, ...]
    num_seeds: int
    recipe: Recipe
    changes: Mapping[str, Any]
    refit: bool = True
    baseline: CcaGrid | None = CcaGrid()

    def __post_init__(self) -> None:
        if not self.orders or len(set(self.orders)) != len(self.orders):
            raise ConfigError(f"a study names each order once, at least one; got {self.orders}")
        if self.num_seeds < 1:
            raise ConfigError(f"a study needs at least one seed, got {self.num_seeds}")


@dataclass(frozen=True)
class StudyOutcome:
    """A finished study: its table, the rows behind it, and where the page lies."""

    table: Table
    entries: tuple[Entry, ...]
    page: Path


def run_orders_study(
    study: OrdersStudy, dataset: Dataset, out: Path, *, workers: int | None = None, options: RunOptions | None = None
) -> StudyOutcome:
    """Carry out a study; finished runs are skipped, interrupted ones go on.

    Args:
        study: what is studied.
        dataset: the data.
        out: folder of the study: selection/, runs/, baselines/, table.json, table.md, table.csv, report.html.
        workers: runs at once; None decides by model and machine.
        options: choices that do not change the numbers.

    Raises:
        ConfigError, DataError: before anything is trained, when a setting or the data do not fit.
        RunError: some runs failed; the others are kept.
    """
    options = options or RunOptions()
    recipes = {
        order: [study.recipe(dataset.spec, order, seed) for seed in range(study.num_seeds)] for order in study.orders
    }
    planned = {order: [changed(config, study.changes) for config in configs] for order, configs in recipes.items()}
    check_changes(study.changes, [configs[0] for configs in planned.values()])
    first = planned[study.orders[0]][0]
    refit = study.refit and first.selection.split is not None
    for configs in planned.values():
        check_data(configs[0], dataset)

    def carry_out(folder: str, configs: Configs, originals: Configs) -> dict[str, Sequence[RunDirectory]]:
        plans = [
            PlannedRun(out / folder / order / f"seed-{config.seed}", config, original)
            for order in study.orders
            for config, original in zip(configs[order], originals[order], strict=True)
        ]
        done = run_planned(plans, dataset, workers=workers, options=options, description=folder)
        grouped = [done[i : i + study.num_seeds] for i in range(0, len(done), study.num_seeds)]
        return dict(zip(study.orders, grouped, strict=True))

    selected = carry_out("selection" if refit else "runs", planned, recipes)
    final = selected
    if refit:
        again, original = (
            {order: [refitted(config, selected[order]) for config in configs[order]] for order in study.orders}
            for configs in (planned, recipes)
        )
        final = carry_out("runs", again, original)
    folders = [directory.path for directories in final.values() for directory in directories]
    if study.baseline is not None and first.selection.split is not None:
        folders.append(
            linear_baseline(
                dataset,
                out / "baselines" / "linear-cca",
                [parse_task(task, first.modalities) for task in first.tasks],
                study.baseline,
                fit=first.fit_splits,
                select=first.selection.split,
                test=first.evaluation.split,
                scoring=first.evaluation.scoring,
                progress=options.progress,
            )
        )
    entries = load_entries(folders)
    if refit:
        entries = with_curves(entries, load_entries([run.path for runs in selected.values() for run in runs]))
    table = build_table(entries)
    write_table(out, table)
    write_page(out / "report.html", table, entries, title=f"Orders of learning on {dataset.spec.name}")
    return StudyOutcome(table, entries, out / "report.html")


def with_curves(entries: Sequence[Entry], selection: Sequence[Entry]) -> tuple[Entry, ...]:
    """Give refitted entries the curves and verdicts of the selection runs that decided how long they were trained."""
    found = {entry.label: entry for entry in selection}
    return tuple(
        replace(entry, curves=found[entry.label].curves, verdicts=found[entry.label].verdicts)
        if entry.label in found
        else entry
        for entry in entries
    )


def changed(config: ExperimentConfig, changes: Mapping[str, Any]) -> ExperimentConfig:
    """Return the configuration with those changes applied whose path it has."""
    result: ExperimentConfig = replaced(config, {path: v for path, v in changes.items() if has_path(config, path)})
    return result


def check_changes(changes: Mapping[str, Any], configs: Sequence[ExperimentConfig]) -> None:
    """Raise `ConfigError` for a change that no order has a place for, or that the study itself makes."""
    for path, option in {"seed": "--seeds", "order": "--orders", "recipe": "--recipe"}.items():
        if path in changes:
            raise ConfigError(f"--set.{path}: a study sets this itself, run by run; say {option} instead")
    for path in changes:
        if not any(has_path(config, path) for config in configs):
            raise ConfigError(f"--set.{path}: none of the orders {[c.order for c in configs]} has this field")


def refitted(config: ExperimentConfig, selected: Sequence[RunDirectory]) -> ExperimentConfig:
    """Return the configuration of the refit: validation is learnt from too, and every stage stops where it was best.

    The epoch of a stage is the median over seeds of the best epoch of the selection runs, the lower one of two. A
    stage that keeps its last weights goes to the end of its schedule, as in the selection runs.
    """
    assert config.selection.split is not None, "without a validation split there is nothing to refit"
    epochs = [[stage["best_epoch"] for stage in directory.status()["stages"]] for directory in selected]
    stages = tuple(
        replace(stage, stop_epoch=int(statistics.median_low(best)), keep="last") if stage.keep == "best" else stage
        for stage, *best in zip(config.stages, *epochs, strict=True)
    )
    return replace(
        config,
        stages=stages,
        fit_splits=(*config.fit_splits, config.selection.split),
        selection=replace(config.selection, split=None),
    )
