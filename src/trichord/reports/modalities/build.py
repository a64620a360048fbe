"""Building the report: single modalities, their sum, fitted weights, tests, queries won and lost, and the space."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trichord.adapters.settings import BASE
from trichord.data.dataset import Dataset
from trichord.errors import RunError
from trichord.evaluation.choice import mean_reciprocal_rank
from trichord.evaluation.compare import average_seeds
from trichord.evaluation.result import RetrievalResult
from trichord.evaluation.route import RouteConfig
from trichord.evaluation.routes import RouteScorer, evaluate_route
from trichord.evaluation.settings import EvaluationConfig, EvaluationSet
from trichord.evaluation.space import SpaceReport, describe_pair
from trichord.evaluation.views import Views
from trichord.modality import TEXT, Pair, Task
from trichord.reports.modalities.answer import write_answer
from trichord.reports.modalities.changes import find_changes, stores_captions
from trichord.reports.modalities.differences import compare_ways
from trichord.reports.modalities.question import Question
from trichord.reports.modalities.report import METRIC, SHOWN, Difference, ModalityReport, WayRow
from trichord.reports.modalities.ways import Adapters, Fusion, Way, adapters_of, serving, way_alone, way_fused, way_sum
from trichord.reports.modalities.weights import GRID, FittedWeights, fit_weights
from trichord.reports.numbers import counted, listed
from trichord.reports.paired import Effort

FUSIONS: tuple[Fusion, ...] = ("scores", "ranks")


@dataclass(frozen=True)
class SeedViews:
    """One trained model of several that differ in their seed only.

    Args:
        seed: its seed.
        measured: its vectors of the split that is reported.
        folder: where it was read from; None where it is part of something larger.
    """

    seed: int
    measured: Views
    folder: str | None = None


@dataclass(frozen=True)
class Choosing:
    """What weights and the best single modality are chosen with; it is never what is reported.

    Args:
        scorers: models, each with items that it did not learn from. Those of other items (another fold of a
            cross-validation) add their queries; those of the same items are averaged.
        on: in short, for labels and the answer: "val", "train+val in 5 folds".
        described: in full, for the notes: "val (30 items), averaged over 2 seeds".
    """

    scorers: tuple[RouteScorer, ...]
    on: str
    described: str

    @classmethod
    def over_seeds(cls, scorers: Sequence[RouteScorer], evaluated: EvaluationSet) -> Choosing:
        """Choose on the same items under each seed's model."""
        number = counted(len(evaluated.items), "item")
        described = f"{evaluated.split} ({number}), averaged over {counted(len(scorers), 'seed')}"
        return cls(tuple(scorers), evaluated.split, described)

    def score(self, way: Way) -> float:
        """Return the mean reciprocal rank of a way."""
        return mean_reciprocal_rank(self.scorers, way.candidate)


def build_modality_report(
    label: str,
    question: Question,
    seeds: Sequence[SeedViews],
    dataset: Dataset,
    choosing: Choosing,
    measured: EvaluationSet,
    *,
    adapters: Adapters | None = None,
    config: EvaluationConfig | None = None,
    effort: Effort | None = None,
    grid: tuple[float, ...] = GRID,
    notes: Sequence[str] = (),
) -> ModalityReport:
    """Answer whether further modalities help on one task.

    Everything that is chosen (weights, the best single modality) is chosen with `choosing`; the split that is reported
    only measures.

    Args:
        label: what the model is called.
        question: the task, and what is added to what.
        seeds: the model, once per seed.
        dataset: gives ids, captions, and which items hold what.
        choosing: what weights and the best single modality are chosen with.
        measured: the items that are reported.
        adapters: name -> identity of what legs may take: each takes that of its own pair where it is here, and the base
            otherwise. Those that no leg takes are left out.
        config: choices of the evaluation; None takes the defaults.
        effort: how much is drawn for intervals and tests.
        grid: candidate weights of a further modality, ascending from 0.
        notes: what else must be known to read the report.

    Raises:
        RunError: no seed, or one twice.
        ProtocolError: vectors are missing, or no item holds both sides of the task.
    """
    _check_seeds(seeds)
    effort, config = effort or Effort(), config or EvaluationConfig()
    config = replace(config, num_resamples=effort.num_resamples)
    given, adapters = adapters or {}, serving(question, adapters or {})

    def fit(fusion: Fusion) -> FittedWeights:
        return fit_weights(
            question, lambda weights: choosing.score(way_fused(question, fusion, weights, adapters)), grid
        )

    alone = [way_alone(question, name, adapters) for name in question.several]
    weights = {fusion: fit(fusion) for fusion in FUSIONS}
    fused = [way_fused(question, fusion, fitted.weights, adapters) for fusion, fitted in weights.items()]
    best = max(alone, key=choosing.score).name
    ways = [*alone, way_sum(question, adapters), *fused]
    results = {way.name: [evaluate_route(seed.measured, way.route, measured, config) for seed in seeds] for way in ways}
    differences = compare_ways(results, list(pairs_compared(ways, alone[0].name, best)), effort)
    before, after = (results[name] for name in (alone[0].name, fused[0].name))
    first = before[0]
    return ModalityReport(
        label=label,
        question=question,
        dataset=measured.dataset,
        fingerprint=measured.fingerprint,
        split=measured.split,
        validation=choosing.on,
        protocol=first.protocol.fingerprint(),
        seeds=tuple(seed.seed for seed in seeds),
        folders=tuple(seed.folder for seed in seeds if seed.folder is not None),
        adapters=tuple(adapters),
        num_items=len(measured.items),
        num_queries=first.num_queries,
        lacking={name: int((~dataset.has(name)[measured.items]).sum()) for name in question.several},
        ways=tuple(_row(way, results[way.name], seeds, effort) for way in ways),
        chance={metric: first.chance[metric] for metric in SHOWN},
        best_alone=best,
        weights=weights,
        differences=differences,
        changes=find_changes(before, after, dataset, text_asks=question.task.query == (TEXT.name,)),
        captions_stored=stores_captions(dataset),
        space=tuple(
            (seed.seed, report)
            for seed in seeds
            for report in describe_space(seed.measured, question, measured, adapters)
        ),
        answer=write_answer(
            question,
            weights["scores"],
            choosing.on,
            _find(differences, fused[0].name, alone[0].name),
            _find(differences, ways[len(alone)].name, alone[0].name),
        ),
        notes=(*notes, *_twins(given, adapters), *_notes(seeds, choosing, measured, effort, len(differences) // 2)),
    )


def describe_space(
    views: Views, question: Question, evaluated: EvaluationSet, adapters: Collection[str]
) -> Iterator[SpaceReport]:
    """Describe every pair among a question's modalities under the base, and those that an adapter changes under it."""
    names = [*question.other, *question.several]
    pairs = [Pair((a,), (b,)) for place, a in enumerate(names) for b in names[place + 1 :]]
    pairs.append(Pair(question.other, question.several))
    for adapter in (BASE, *adapters):
        for pair in pairs:
            held = (*pair.left, *pair.right)
            moved = any(not np.array_equal(views[adapter][n].vectors, views[BASE][n].vectors) for n in held)
            if adapter == BASE or moved:
                yield describe_pair(views[adapter], pair, evaluated.items, adapter=adapter)


def pairs_compared(ways: Sequence[Way], first: str, best: str) -> Iterator[tuple[str, str]]:
    """Yield what is compared: every other way with the first modality alone, and with the best one alone.

    A way whose weights left one modality only is that modality's own way, and is not compared with it.
    """
    route_of = {way.name: way.route for way in ways}
    for rival in dict.fromkeys((first, best)):
        for way in ways:
            if way.name == rival or (rival == best and way.name == first):
                continue
            if _answers(way.route) != _answers(route_of[rival]):
                yield way.name, rival


def _answers(route: RouteConfig) -> object:
    """Return what decides a route's order: of a single leg, neither its weight nor the kind of fusion does."""
    legs = route.active
    return (legs[0].adapter, legs[0].query, legs[0].gallery) if len(legs) == 1 else route


def _row(way: Way, results: Sequence[RetrievalResult], seeds: Sequence[SeedViews], effort: Effort) -> WayRow:
    estimates = average_seeds(results, num_resamples=effort.num_resamples)
    return WayRow(
        way.name,
        way.kind,
        way.legs,
        {metric: estimates[metric] for metric in SHOWN},
        {seed.seed: result.metrics[METRIC].value for seed, result in zip(seeds, results, strict=True)},
        tuple(dict.fromkeys(flag for result in results for flag in result.flags)),
    )


def _find(differences: Sequence[Difference], a: str, b: str) -> Difference | None:
    return next((d for d in differences if (d.a, d.b, d.metric) == (a, b, METRIC)), None)


def _check_seeds(seeds: Sequence[SeedViews]) -> None:
    numbers = [seed.seed for seed in seeds]
    if not numbers or len(set(numbers)) != len(numbers):
        raise RunError(f"a report is of one model with one or several distinct seeds, got the seeds {numbers}")


def _twins(given: Adapters, taken: Adapters) -> Iterator[str]:
    """Say which adapters were left out because others of their pair come first."""
    for name, identity in taken.items():
        twins = [twin for twin in adapters_of(Task(identity.left, identity.right), given) if twin != name]
        if twins:
            yield f"Of the adapters of one pair, {listed([name, *twins])}, legs take the first, {name}."


def _notes(
    seeds: Sequence[SeedViews], choosing: Choosing, measured: EvaluationSet, effort: Effort, num_pairs: int
) -> Iterator[str]:
    resampled = "items and seeds" if len(seeds) > 1 else "items"
    yield (
        f"Weights and the best single modality were chosen on {choosing.described}, by mean reciprocal rank; weight 0 "
        f"was a candidate. Split {measured.split} only measures."
    )
    yield (
        f"Intervals: 95 %, percentile bootstrap over {resampled}, {effort.num_resamples} resamples. Tests: two-sided "
        f"paired randomisation over items, {effort.draws(num_pairs)} draws, p adjusted by Holm's rule over the "
        f"{counted(num_pairs, 'comparison')} of each metric in this report."
    )
    if len(seeds) == 1:
        yield "One seed only: the intervals do not hold the variation between trainings."
