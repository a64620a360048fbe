"""Routing: choose every task's route on validation, measure it once, and tell fusion and adapters apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from trichord.adapters.bank import AdapterBank
from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.mixing import MixtureConfig
from trichord.adapters.settings import BASE
from trichord.data import Dataset
from trichord.evaluation import EvaluationConfig, EvaluationSet, RetrievalResult
from trichord.evaluation.candidates import Candidate, lifted, without_adapters
from trichord.evaluation.choice import Choice, Rule, choose_route
from trichord.evaluation.compare import compare_matched, compare_results
from trichord.evaluation.route import RouteConfig
from trichord.evaluation.routes import RouteScorer, evaluate_route
from trichord.evaluation.views import Views, embed_views
from trichord.metrics.bootstrap import holm
from trichord.modality import Task, spell_task
from trichord.reports.build import entry_rows
from trichord.reports.entries import Entry
from trichord.reports.paired import Effort
from trichord.reports.table import PairedRow, Row
from trichord.runs.routes_file import Routes
from trichord.runs.routing import alone

Results = Mapping[str, RetrievalResult]
MIXTURE_WEIGHTS: Mapping[str, tuple[float, float]] = {"+": (1.0, 1.0), "+half": (0.5, 0.5)}


@dataclass(frozen=True)
class SeedBanks:
    """One base with its adapters, twice.

    Args:
        seed: its seed.
        choosing: learnt without the validation split; routes are chosen with it.
        measured: what is reported, of the same adapters: the same bank, or one learnt from more data.
    """

    seed: int
    choosing: AdapterBank
    measured: AdapterBank


@dataclass(frozen=True)
class Splits:
    """The items routes are chosen on, and those that are reported."""

    choosing: EvaluationSet
    measured: EvaluationSet


@dataclass(frozen=True)
class Fold:
    """A base with its adapters that was learnt without some items, and these items: one fold of a cross-validation."""

    bank: AdapterBank
    dataset: Dataset
    items: EvaluationSet


@dataclass(frozen=True)
class Routed:
    """A bank with its routes, over seeds.

    Args:
        seeds: the seeds.
        choices: task -> what validation chose.
        scorers: what routes were chosen with: the validation split under each seed, or the folds.
        measured: vectors per seed of the split that is reported.
        identities: adapter -> identity, of the first seed as it is reported; mixtures too.
        mixtures: how the mixtures among them are made.
    """

    seeds: tuple[int, ...]
    choices: Mapping[str, Choice]
    scorers: tuple[RouteScorer, ...]
    measured: tuple[Views, ...]
    identities: Mapping[str, AdapterIdentity]
    mixtures: tuple[MixtureConfig, ...]

    @property
    def validation_mrr(self) -> float:
        """Mean over tasks of the routes' mean reciprocal rank on validation."""
        return float(np.mean([choice.mrr for choice in self.choices.values()]))

    def routes(self) -> dict[str, RouteConfig]:
        """Return task -> route."""
        return {task: choice.candidate.route for task, choice in self.choices.items()}

    def file(self, bank: AdapterBank) -> Routes:
        """Return what routes.json holds for a bank of one seed: the routes, and the adapters they need."""
        needed = {name for route in self.routes().values() for name in route.adapters if name != BASE}
        for mixture in reversed(self.mixtures):  # one may be made of others, which come before it
            needed |= set(mixture.members) if mixture.name in needed else set()
        mixtures = tuple(mixture for mixture in self.mixtures if mixture.name in needed)
        mixed = {mixture.name for mixture in mixtures}
        return Routes(
            base=bank.base,
            routes=self.routes(),
            mixtures=mixtures,
            adapters={name: bank.identity(name) for name in bank.names if name in needed - mixed},
        )


def default_mixtures(bank: AdapterBank) -> tuple[MixtureConfig, ...]:
    """Return concatenations, whole and halved, of every two pair adapters that share a modality and can be mixed."""
    pairs = [
        name
        for name in bank.names
        if len((*bank.identity(name).left, *bank.identity(name).right)) == 2 and bank.mixable(name)
    ]
    return tuple(
        MixtureConfig(name=f"{a}{mark}{b}", members=(a, b), weights=weights)
        for a, b in combinations(pairs, 2)
        if set(bank.sides(a)) & set(bank.sides(b))
        for mark, weights in MIXTURE_WEIGHTS.items()
    )


def find_routes(
    seeds: Sequence[SeedBanks],
    dataset: Dataset,
    tasks: Sequence[Task],
    splits: Splits,
    *,
    scoring: EvaluationConfig,
    rule: Rule = "one standard error",
    batch_size: int = 1024,
    mix: Callable[[AdapterBank], tuple[MixtureConfig, ...]] = default_mixtures,
    usable: Callable[[Candidate], bool] = lambda _: True,
    folds: Sequence[Fold] = (),
) -> Routed:
    """Choose every task's route on the validation split, one for all seeds.

    Where there are folds they choose instead: every item of theirs asks once, under a model that did not learn from it.

    Args:
        seeds: the banks, once per seed, of the same adapters.
        dataset: the data.
        tasks: what is asked.
        splits: the items.
        scoring: captions and effort.
        rule: how the best is taken.
        batch_size: instances encoded at once.
        mix: which mixtures are added to a bank; they are candidates as adapters are.
        usable: candidates it is false for are left out.
        folds: a cross-validation to choose by, of the same adapters.
    """
    known = dataset.modalities
    mixtures = mix(seeds[0].measured)
    wanted = {name for task in tasks for name in (*task.query, *task.gallery)}
    names = [modality.name for modality in known if modality.name in wanted]

    def embed(bank: AdapterBank, data: Dataset, items: np.ndarray) -> Views:
        for mixture in mixtures:
            if mixture.name not in bank.names:
                bank.mix(mixture)
        return embed_views(bank, data, items, modalities=names, adapters=bank.names, batch_size=batch_size)

    chosen_by = folds or [Fold(seed.choosing, dataset, splits.choosing) for seed in seeds]
    scorers = [
        RouteScorer(embed(fold.bank, fold.dataset, fold.items.items), fold.items.items, scoring) for fold in chosen_by
    ]
    measured = [embed(seed.measured, dataset, splits.measured.items) for seed in seeds]
    identities = {name: seeds[0].measured.identity(name) for name in seeds[0].measured.names}
    choices = [choose_route(scorers, task, identities, known, rule, usable) for task in tasks]
    return Routed(
        tuple(seed.seed for seed in seeds),
        {choice.task: choice for choice in choices},
        tuple(scorers),
        tuple(measured),
        identities,
        mixtures,
    )


def measure_routes(
    label: str,
    views: Sequence[Views],
    seeds: Sequence[int],
    routes: Mapping[str, RouteConfig],
    evaluated: EvaluationSet,
    scoring: EvaluationConfig,
) -> Entry:
    """Measure routes on the reported split; one result per seed and task."""
    results = tuple(
        {task: evaluate_route(of_seed, route, evaluated, scoring) for task, route in routes.items()}
        for of_seed in views
    )
    described = {task: route.describe(evaluated.known) for task, route in routes.items()}
    return Entry(label, "trained", results, tuple(seeds), (), {"routes": described})


def base_routes(tasks: Sequence[Task], dataset: Dataset) -> dict[str, RouteConfig]:
    """Return task -> the base alone, sides of several modalities summed, as `trichord evaluate` measures."""
    return {spell_task(task, dataset.modalities): alone(task, BASE) for task in tasks}


def same_fusion(routed: Routed) -> dict[str, RouteConfig]:
    """Return task -> the route's fusion over the base, without adapters."""
    return {task: without_adapters(route) for task, route in routed.routes().items()}


def own_fusion(routed: Routed) -> dict[str, RouteConfig]:
    """Return task -> the best way without adapters that validation found for the base."""
    return {task: choice.base.route for task, choice in routed.choices.items()}


def fused_only(routes: Mapping[str, RouteConfig]) -> dict[str, RouteConfig]:
    """Return the routes that are not the sum of whole sides: they fuse rankings, or leave a modality out."""
    return {
        task: route
        for task, route in routes.items()
        if any((leg.query, leg.gallery) != (route.query, route.gallery) for leg in route.active)
    }


def one_modality(routed: Routed, tasks: Sequence[Task], dataset: Dataset) -> dict[str, RouteConfig]:
    """Return, for tasks of several modalities, the route of the best of its parts: what they are worth alone.

    The parts' routes are those that were chosen for them; which part is best is asked on validation too.
    """
    known, routes = dataset.modalities, {}
    for task in tasks:
        if len(task.query) * len(task.gallery) == 1:
            continue
        parts = [Task((q,), (g,)) for q in task.query for g in task.gallery]
        found = [routed.choices[name] for part in parts if (name := spell_task(part, known)) in routed.choices]
        if found:
            best = max(found, key=lambda choice: choice.mrr)
            routes[spell_task(task, known)] = lifted(best.candidate.route, task)
    return routes


def build_matrix(
    routed: Routed, dataset: Dataset, tasks: Sequence[Task], evaluated: EvaluationSet, scoring: EvaluationConfig
) -> tuple[tuple[Row, ...], dict[str, tuple[str, ...]]]:
    """Measure every adapter on every task, whole sides at once; also off the diagonal.

    Returns:
        Rows of R@10 labelled by adapter, the base first, and adapter -> tasks between the two sides of its pair, none
        for a mixture. A cell whose adapter changes nothing in the task has the base's number.
    """
    known = dataset.modalities
    base = {spell_task(task, known): alone(task, BASE) for task in tasks}
    entries = [measure_routes(BASE, routed.measured, routed.seeds, base, evaluated, scoring)]
    served: dict[str, tuple[str, ...]] = {BASE: ()}
    for name, identity in routed.identities.items():
        changing = [task for task in tasks if set(identity.sides) & {*task.query, *task.gallery}]
        routes = {spell_task(task, known): alone(task, name) for task in changing}
        measured = measure_routes(name, routed.measured, routed.seeds, routes, evaluated, scoring)
        filled = tuple({**first, **more} for first, more in zip(entries[0].results, measured.results, strict=True))
        entries.append(replace(measured, results=filled))
        own = {identity.left, identity.right}
        served[name] = tuple(spell_task(task, known) for task in changing if {task.query, task.gallery} == own)
    effort = Effort()
    rows = [row for entry in entries for task in base for row in entry_rows(entry, task, ["R@10"], effort)]
    return tuple(rows), served


def compare_with_rivals(
    routed: Entry, rivals: Sequence[Entry], metrics: Sequence[str], effort: Effort, *, same_models: bool = False
) -> tuple[PairedRow, ...]:
    """Compare an entry, the routed model, with every rival on every task that both were measured on.

    p-values are adjusted by Holm's rule over the tasks, for each rival and metric apart: the question is whether the
    routed model differs from this rival anywhere.

    Args:
        routed: the entry.
        rivals: what it is compared with.
        metrics: means over queries.
        effort: how much is drawn.
        same_models: whether they are other ways of using the very models of the entry, seed by seed; see
            `compare_matched`.
    """
    compare = compare_matched if same_models else compare_results
    rows: list[PairedRow] = []
    for rival in rivals:
        for metric in metrics:
            tasks = [task for task in routed.results[0] if rival.of_task(task)]
            found = [
                compare(
                    routed.of_task(task),
                    rival.of_task(task),
                    metric,
                    num_resamples=effort.num_resamples,
                    num_draws=effort.draws(len(tasks)),
                )
                for task in tasks
            ]
            adjusted = holm([comparison.p_value for comparison in found])
            rows += [
                PairedRow(routed.label, rival.label, task, metric, c.difference, c.low, c.high, c.p_value, p)
                for task, c, p in zip(tasks, found, adjusted, strict=True)
            ]
    return tuple(rows)
