"""Routing one finished run with its adapters, beside whatever else was trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trichord.data import Dataset
from trichord.errors import ConfigError, DataError
from trichord.evaluation import evaluation_set
from trichord.evaluation.choice import Rule
from trichord.evaluation.views import embed_views
from trichord.files import write_json
from trichord.modality import Task, parse_task
from trichord.reports.pairs.page import write_pairs_page
from trichord.reports.pairs.report import PairsReport
from trichord.runs import MeasurementConfig, Model, load
from trichord.runs.adapted import AFTER, TOGETHER
from trichord.runs.routes_file import write_routes
from trichord.runs.unseen import Use, check_unseen, seen_by_adapter, seen_by_run
from trichord.studies.routed_report import Context, Rival, Way, report_routes
from trichord.studies.routing import SeedBanks, Splits, base_routes, find_routes, measure_routes


def route_run(
    base: Path,
    dataset: Dataset,
    out: Path,
    *,
    adapters: Sequence[Path] = (),
    rivals: Sequence[Path] = (),
    validation: str = "val",
    split: str = "test",
    tasks: Sequence[str] = (),
    rule: Rule = "one standard error",
) -> PairsReport:
    """Choose routes on one split, report them on another, and write routes.json, table.json and report.html.

    Args:
        base: run folder.
        dataset: the data.
        out: where to write; made if it does not exist.
        adapters: folders of adapters over this base.
        rivals: run folders to compare with, on the tasks whose modalities they have.
        validation, split: what is chosen on, and what is reported.
        tasks: spelled tasks; none means those of the run.
        rule: how a route is taken.

    Raises:
        ConfigError: the two splits are one, the base or an adapter learnt from one of them, or any model learnt from
            the split that is reported or chose its epochs on it; see `check_unseen`.
        DataError: the data lack a modality of a task.
        RunError: an adapter belongs to another base, or is not what its identity says.
    """
    model = load(base)
    if validation == split:
        raise ConfigError(f"split {split!r} would both choose the routes and be reported; name two splits")
    folders = {name: base / "adapters" / name for name in model.adapters}
    folders |= {model.load_adapter(folder): folder for folder in adapters}
    learnt = seen_by_run(base)
    over = [seen_by_adapter(model.bank.identity(name), folder, learnt) for name, folder in folders.items()]
    reported = Use(split, "be reported", reported=True)
    notes = (
        *check_unseen([learnt, *over], dataset, [Use(validation, "choose the routes"), reported]),
        *check_unseen([seen_by_run(folder) for folder in rivals], dataset, [reported]),
    )
    known = model.config.modalities
    asked = [parse_task(spelling, known) for spelling in tasks or model.config.tasks]
    _check_held(asked, dataset)
    splits = Splits(evaluation_set(dataset, validation), evaluation_set(dataset, split))
    scoring, size = model.config.evaluation.scoring, model.config.evaluation.batch_size
    banks = (SeedBanks(model.config.seed, model.bank, model.bank),)
    routed = find_routes(banks, dataset, asked, splits, scoring=scoring, rule=rule, batch_size=size)
    way = Way(TOGETHER if model.config.adapters else AFTER, banks, routed)
    context = Context(
        title=f"Routes over {base.name} on {dataset.spec.name}",
        dataset=dataset,
        tasks=tuple(asked),
        splits=splits,
        scoring=scoring,
        folders=tuple(str(folder) for folder in (base, *adapters, *rivals)),
        notes=(*notes, "One seed only: the intervals do not hold the variation between seeds."),
    )
    report = report_routes(
        context, [way], [_rival(load(folder), folder, context, model.config.evaluation) for folder in rivals]
    )
    out.mkdir(parents=True, exist_ok=True)
    write_routes(out / "routes.json", routed.file(model.bank))
    write_json(out / "table.json", report.to_dict())
    write_pairs_page(out / "report.html", report)
    return report


def _check_held(tasks: Sequence[Task], dataset: Dataset) -> None:
    held = {modality.name for modality in dataset.modalities}
    for task in tasks:
        missing = sorted({*task.query, *task.gallery} - held)
        if missing:
            raise DataError(
                f"a task asks for {' and '.join(missing)}, which the data {dataset.spec.name} lack",
                file=dataset.path,
                remedy="name tasks of the modalities that are there with --tasks",
            )


def _rival(model: Model, folder: Path, context: Context, settings: MeasurementConfig) -> Rival:
    """Measure another run on the tasks that it can answer, in the way the routed one is measured."""
    measured = context.splits.measured
    able = [task for task in context.tasks if all(model.supports(name) for name in (*task.query, *task.gallery))]
    if not able:
        raise ConfigError(
            f"{folder} has the modalities {list(model.modalities)} and answers none of the tasks; leave it out"
        )
    names = tuple(dict.fromkeys(name for task in able for name in (*task.query, *task.gallery)))
    views = embed_views(
        model.bank,
        context.dataset,
        measured.items,
        modalities=names,
        adapters=(),
        batch_size=settings.batch_size,
    )
    routes = base_routes(able, context.dataset)
    entry = measure_routes(str(folder), [views], [model.config.seed], routes, measured, context.scoring)
    bare = ", its own adapters left out" if model.adapters else ""
    return Rival(entry, f"the run {folder} (order {model.config.order}), sides of several modalities summed{bare}")
