"""The study of pairs: base, orders, adapters, specialists, and the route that wins each task.

1. Selection: base and orders of every seed are trained on the fitting splits, adapters learnt after the base and
   together with it, and each pair's encoders fine-tuned as a specialist. Validation chooses epochs, every task's route,
   and which way of learning adapters is reported. One seed is enough where folds choose and no epoch is chosen.
2. Folds, where the validation split is small: base and adapters are trained once more for each part of the fitting and
   validation splits, without that part, and the parts together choose routes and way in place of the validation split.
3. Refit: the same as in 1 again on fitting and validation splits together, for as many epochs. Nothing is chosen from
   here on.
4. Measurement on the reported split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trichord.adapters.bank import AdapterBank
from trichord.adapters.settings import adapter_name
from trichord.curricula import parse_order
from trichord.data import Dataset
from trichord.data.folds import HELD, LEARNT, write_folds
from trichord.errors import ConfigError
from trichord.evaluation import evaluation_set
from trichord.evaluation.choice import Rule
from trichord.files import write_json
from trichord.modality import Pair, parse_task
from trichord.recipes import Recipe
from trichord.recipes.adapt import Adaptation, adapt, specialise, together
from trichord.reports.curves import StageVerdict
from trichord.reports.entries import load_entries
from trichord.reports.pairs.page import write_pairs_page
from trichord.reports.pairs.report import PairsReport
from trichord.runs import ExperimentConfig, Model, RunDirectory, RunOptions, check_data, load
from trichord.runs.adapted import AFTER, TOGETHER
from trichord.runs.routes_file import write_routes
from trichord.studies.machine import PlannedRun, run_planned
from trichord.studies.orders import changed, check_changes, refitted
from trichord.studies.pairs_rivals import able_tasks, order_rivals, specialists_rival
from trichord.studies.routed_report import Context, Way, report_routes
from trichord.studies.routing import Fold, SeedBanks, Splits, find_routes, own_fusion

BASE_LABEL, TOGETHER_LABEL = "base", "together"
Runs = dict[str, Sequence[RunDirectory]]


@dataclass(frozen=True, kw_only=True)
class PairsStudy:
    """What is studied.

    Args:
        base: spelled order of the shared base.
        orders: spelled orders it is compared with.
        pairs: pairs that get an adapter each, and a specialist.
        num_seeds: seeds 0, 1, ...
        recipe: the recipe of base and orders.
        changes: dotted path -> value, applied to every order that has the path.
        adaptation: how adapters are learnt.
        rule: how a route is taken on validation.
        refit: train again on fitting and validation splits together.
        folds: parts of the cross-validation that chooses routes; 0: the validation split alone does.
        with_together: also learn adapters together with the base.
        with_specialists: also fine-tune each pair's encoders whole.
    """

    base: str
    orders: tuple[str, ...]
    pairs: tuple[Pair, ...]
    num_seeds: int
    recipe: Recipe
    changes: Mapping[str, Any]
    adaptation: Adaptation = Adaptation()
    rule: Rule = "one standard error"
    refit: bool = True
    folds: int = 0
    with_together: bool = True
    with_specialists: bool = True

    def __post_init__(self) -> None:
        if self.num_seeds < 1:
            raise ConfigError(f"a study needs at least one seed, got {self.num_seeds}")
        if self.folds < 0 or self.folds == 1:
            raise ConfigError(f"a cross-validation has two folds or more, or there is none (0); got {self.folds}")
        if self.folds and not self.refit:
            raise ConfigError("folds hold out what a refit learns from; leave folds out, or refit")
        sides = [frozenset((frozenset(pair.left), frozenset(pair.right))) for pair in self.pairs]
        if not sides or len(set(sides)) != len(sides):
            raise ConfigError(f"a study of pairs needs at least one pair, each once, got {list(self.pairs)}")
        if self.base in self.orders or len(set(self.orders)) != len(self.orders):
            raise ConfigError(f"orders stand beside the base {self.base}, each once; got {list(self.orders)}")


@dataclass(frozen=True)
class PairsOutcome:
    """A finished study: its report, and where the page and the routes lie."""

    report: PairsReport
    page: Path
    routes: Path


def run_pairs_study(
    study: PairsStudy, dataset: Dataset, out: Path, *, workers: int | None = None, options: RunOptions | None = None
) -> PairsOutcome:
    """Carry out a study; finished runs are skipped, interrupted ones go on.

    Args:
        study: what is studied.
        dataset: the data.
        out: folder of the study: selection/, runs/, table.json, routes.json, report.html.
        workers: runs at once; None decides by model and machine.
        options: choices that do not change the numbers.

    Raises:
        ConfigError, DataError: before anything is trained, when a setting or the data do not fit.
        RunError: some runs failed; the others are kept.
    """
    options = options or RunOptions()
    originals = _plan_bases(study, dataset)
    planned = {label: [_changed(study, config) for config in configs] for label, configs in originals.items()}
    check_changes(study.changes, [configs[0] for configs in planned.values()])
    for configs in planned.values():
        check_data(configs[0], dataset)
    first = planned[BASE_LABEL][0]
    if first.selection.split is None:
        raise ConfigError("routes are chosen on a validation split: name one in selection.split")
    _check_pairs(study, first, dataset)
    refit = study.refit
    worker = _Worker(study, dataset, out, workers, options)
    looked_at = _one_seed(planned) if study.folds and _keeps_last(planned) else planned
    chosen = worker.carry_out("selection" if refit else "runs", looked_at, originals, None)
    folds = worker.carry_out_folds(planned, chosen) if study.folds else []
    final = worker.carry_out("runs", planned, originals, chosen) if refit else chosen
    report, ways = _report(study, dataset, out, first, chosen, final, folds)
    best = next(way for way, line in zip(ways, report.ways, strict=True) if line.chosen)
    for banks in best.banks:
        folder = out if banks.seed == 0 else out / "routes" / f"seed-{banks.seed}"
        folder.mkdir(parents=True, exist_ok=True)
        write_routes(folder / "routes.json", best.routed.file(banks.measured))
    write_json(out / "table.json", report.to_dict())
    write_pairs_page(out / "report.html", report)
    return PairsOutcome(report, out / "report.html", out / "routes.json")


def _changed(study: PairsStudy, config: ExperimentConfig) -> ExperimentConfig:
    """Make the changes; of the tasks that are named, an order of fewer modalities takes those that it has."""
    changes = dict(study.changes)
    letters = {*config.letters.values(), ">", "+"}
    for path in {"evaluation.tasks", "selection.tasks"} & set(changes):
        changes[path] = tuple(task for task in changes[path] if set(task) <= letters or config.order == study.base)
    return changed(config, changes)


def _keeps_last(planned: Mapping[str, Sequence[ExperimentConfig]]) -> bool:
    """Whether validation chooses no epoch anywhere."""
    return all(stage.keep == "last" for configs in planned.values() for config in configs for stage in config.stages)


def _one_seed(planned: Mapping[str, Sequence[ExperimentConfig]]) -> dict[str, Sequence[ExperimentConfig]]:
    """Return the experiments of the first seed: enough for a verdict on convergence, where folds choose routes."""
    return {label: configs[:1] for label, configs in planned.items()}


def _check_pairs(study: PairsStudy, base: ExperimentConfig, dataset: Dataset) -> None:
    """Raise unless every pair, and every rival, has modalities of the base; before anything is trained."""
    known = {modality.name for modality in base.modalities}
    for pair in study.pairs:
        strangers = sorted({*pair.left, *pair.right} - known)
        if strangers:
            raise ConfigError(
                f"the pair {adapter_name(pair, dataset.modalities)} needs {' and '.join(strangers)}, which the base "
                f"{study.base} does not learn; name pairs of its modalities, or another base"
            )
    for order in study.orders:
        held = {name for stage in parse_order(order, dataset.modalities) for name in stage.modalities}
        if not able_tasks(base.tasks, held, dataset):
            raise ConfigError(f"the order {order} answers none of the base's tasks {list(base.tasks)}; leave it out")


def _plan_bases(study: PairsStudy, dataset: Dataset) -> dict[str, list[ExperimentConfig]]:
    """Return label -> the experiments that start from random weights, one per seed."""
    seeds = range(study.num_seeds)
    planned = {BASE_LABEL: [study.recipe(dataset.spec, study.base, seed) for seed in seeds]}
    if study.with_together:
        singles = [pair for pair in study.pairs if len(pair.left) == len(pair.right) == 1]
        try:
            planned[TOGETHER_LABEL] = [
                together(config, singles, study.adaptation.low_rank) for config in planned[BASE_LABEL]
            ]
        except ConfigError as error:
            raise ConfigError(
                f"adapters together with the base {study.base}: {error}. Leave them out (with_together=False, "
                "--no-together), or name another base or other pairs"
            ) from error
    return planned | {order: [study.recipe(dataset.spec, order, seed) for seed in seeds] for order in study.orders}


@dataclass(frozen=True)
class _Worker:
    """Trains the runs of one phase after the other."""

    study: PairsStudy
    dataset: Dataset
    out: Path
    workers: int | None
    options: RunOptions

    def carry_out(
        self,
        phase: str,
        planned: Mapping[str, Sequence[ExperimentConfig]],
        originals: Mapping[str, Sequence[ExperimentConfig]],
        selected: Runs | None,
    ) -> Runs:
        """Train bases and orders, and then what starts from the bases; refit where `selected` runs are given.

        Returns:
            Label -> runs, one per seed: "base", "together", the orders, "adapter VT", "specialist VT", ...
        """

        def again(label: str, configs: Sequence[ExperimentConfig]) -> list[ExperimentConfig]:
            return list(configs) if selected is None else [refitted(config, selected[label]) for config in configs]

        plans = {
            label: [
                PlannedRun(self.out / phase / label / f"seed-{config.seed}", config, original)
                for config, original in zip(again(label, configs), again(label, originals[label]), strict=False)
            ]
            for label, configs in planned.items()
        }
        runs = self._run(plans, f"{phase}: bases")
        models = [load(run.path) for run in runs[BASE_LABEL]]
        earlier = models if selected is None else [load(run.path) for run in selected[BASE_LABEL]]
        earlier = [earlier[min(seed, len(earlier) - 1)] for seed in range(len(models))]
        plans = {}
        for label, configs in self._over_bases(earlier).items():
            started = [
                replace(config, initial=model.identity)
                for config, model in zip(again(label, configs), models, strict=True)
            ]
            plans[label] = [
                PlannedRun(
                    self.out / phase / label.replace(" ", "-") / f"seed-{c.seed}", c, c, runs[BASE_LABEL][i].path
                )
                for i, c in enumerate(started)
            ]
        return runs | self._run(plans, f"{phase}: pairs")

    def carry_out_folds(
        self, planned: Mapping[str, Sequence[ExperimentConfig]], selected: Runs
    ) -> list[tuple[Dataset, Runs]]:
        """Train bases and adapters once for every fold, without it, with a seed of its own.

        Returns:
            (data of the fold, label -> its one run) for every fold.
        """
        first = planned[BASE_LABEL][0]
        assert first.selection.split is not None, "checked before"
        splits = (*first.fit_splits, first.selection.split)
        folds = write_folds(self.dataset, self.out / "folds" / "data", splits, self.study.folds)
        labels = [label for label in (BASE_LABEL, TOGETHER_LABEL) if label in planned]

        def without(config: ExperimentConfig, label: str, fold: int) -> ExperimentConfig:
            stopped = refitted(config, selected[label])
            measured = replace(config.evaluation, split=HELD)
            return replace(stopped, seed=fold, fit_splits=(LEARNT,), evaluation=measured)

        def plan(label: str, fold: int, config: ExperimentConfig, initial: Path | None = None) -> PlannedRun:
            folder = self.out / "folds" / f"fold-{fold}" / label.replace(" ", "-")
            return PlannedRun(folder, config, config, initial, folds[fold])

        plans = {
            f"{label} {fold}": [plan(label, fold, without(planned[label][0], label, fold))]
            for label in labels
            for fold in range(len(folds))
        }
        bases = self._run(plans, "folds: bases")
        earlier = load(selected[BASE_LABEL][0].path)
        plans = {}
        for fold in range(len(folds)):
            (base,) = bases[f"{BASE_LABEL} {fold}"]
            initial = load(base.path).identity
            for label, (config, *_) in self._over_bases([earlier]).items():
                if label.startswith("adapter "):
                    mine = replace(without(config, label, fold), initial=initial)
                    plans[f"{label} {fold}"] = [plan(label, fold, mine, base.path)]
        done = {**bases, **self._run(plans, "folds: adapters")}
        return [
            (data, {label.removesuffix(f" {fold}"): runs for label, runs in done.items() if label.endswith(f" {fold}")})
            for fold, data in enumerate(folds)
        ]

    def _over_bases(self, models: Sequence[Model]) -> dict[str, list[ExperimentConfig]]:
        study, spec = self.study, self.dataset.spec
        planned: dict[str, list[ExperimentConfig]] = {}
        for pair in study.pairs:
            name = adapter_name(pair, self.dataset.modalities)
            planned[f"adapter {name}"] = [
                adapt(model, spec, pair, seed, study.adaptation) for seed, model in enumerate(models)
            ]
            if study.with_specialists:
                planned[f"specialist {name}"] = [
                    specialise(model, spec, pair, seed, study.adaptation) for seed, model in enumerate(models)
                ]
        return planned

    def _run(self, plans: Mapping[str, Sequence[PlannedRun]], description: str) -> Runs:
        flat = [plan for of_label in plans.values() for plan in of_label]
        done = iter(
            run_planned(flat, self.dataset, workers=self.workers, options=self.options, description=description)
        )
        return {label: [next(done) for _ in of_label] for label, of_label in plans.items()}


def _report(
    study: PairsStudy,
    dataset: Dataset,
    out: Path,
    first: ExperimentConfig,
    chosen: Runs,
    final: Runs,
    folds: Sequence[tuple[Dataset, Runs]],
) -> tuple[PairsReport, list[Way]]:
    assert first.selection.split is not None
    choosing = evaluation_set(dataset, first.selection.split)
    if folds:
        dealt = evaluation_set(dataset, *first.fit_splits, first.selection.split)
        choosing = replace(dealt, split=f"{dealt.split} in {len(folds)} folds")
    splits = Splits(choosing, evaluation_set(dataset, first.evaluation.split))
    tasks = [parse_task(spelling, dataset.modalities) for spelling in first.tasks]
    scoring, size = first.evaluation.scoring, first.evaluation.batch_size
    names = [adapter_name(pair, dataset.modalities) for pair in study.pairs]
    ways = []
    for way in (AFTER, TOGETHER):
        if way == TOGETHER and TOGETHER_LABEL not in final:
            continue
        same = chosen is final or bool(folds)  # folds choose in place of the selection runs
        sides = [_banks(runs, names, together=way == TOGETHER) for runs in (final if same else chosen, final)]
        banks = tuple(SeedBanks(seed, a, a if same else b) for seed, (a, b) in enumerate(zip(*sides, strict=True)))
        held = [
            Fold(bank, data, evaluation_set(data, HELD))
            for data, runs in folds
            for bank in _banks(runs, names, together=way == TOGETHER)
        ]
        routed = find_routes(
            banks, dataset, tasks, splits, scoring=scoring, rule=study.rule, batch_size=size, folds=held
        )
        ways.append(Way(way, banks, routed))
    fusion = own_fusion(ways[0].routed)
    rivals = [
        rival for order in study.orders for rival in order_rivals(order, final[order], dataset, splits, first, fusion)
    ]
    if study.with_specialists:
        of_pair = {pair: final[f"specialist {adapter_name(pair, dataset.modalities)}"] for pair in study.pairs}
        rivals.append(specialists_rival(of_pair, dataset, tasks, splits, first))
    context = Context(
        title=f"Adapters and routes on {dataset.spec.name}",
        dataset=dataset,
        tasks=tuple(tasks),
        splits=splits,
        scoring=scoring,
        verdicts=_verdicts(chosen),
        folders=(str(out),),
    )
    return report_routes(context, ways, rivals), ways


def _banks(runs: Runs, names: Sequence[str], *, together: bool) -> list[AdapterBank]:
    """Return the bank of every seed: the base with its adapters loaded."""
    if together:
        return [load(run.path).bank for run in runs[TOGETHER_LABEL]]
    banks = []
    for seed, run in enumerate(runs[BASE_LABEL]):
        model = load(run.path)
        for name in names:
            model.load_adapter(runs[f"adapter {name}"][seed].path)
        banks.append(model.bank)
    return banks


def _verdicts(runs: Runs) -> dict[str, tuple[StageVerdict, ...]]:
    """Return label -> verdicts of the runs that chose, which have validation curves."""
    found = {}
    for label, of_label in runs.items():
        entries = load_entries([run.path for run in of_label])
        found[label] = tuple(verdict for entry in entries for of_seed in entry.verdicts for verdict in of_seed)
    return found
