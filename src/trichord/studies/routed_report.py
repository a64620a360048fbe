"""From routed banks and their rivals to the record of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from trichord.adapters.lora import plain_state
from trichord.adapters.settings import BASE
from trichord.data import Dataset
from trichord.evaluation import EvaluationConfig
from trichord.metrics.retrieval import METRICS
from trichord.modality import Task, spell_task
from trichord.reports.build import entry_rows
from trichord.reports.curves import StageVerdict
from trichord.reports.entries import Entry
from trichord.reports.modalities.build import SeedViews, build_modality_report
from trichord.reports.modalities.build import Splits as ModalitySplits
from trichord.reports.modalities.question import Question
from trichord.reports.modalities.report import ModalityReport
from trichord.reports.notes import collect_flags
from trichord.reports.paired import PAIRED_METRICS, Effort
from trichord.reports.pairs.answers import write_answers
from trichord.reports.pairs.report import METRIC, ROUTED, SAME_FUSION, AdapterLine, PairsReport, RouteLine, WayLine
from trichord.studies.routing import (
    Routed,
    SeedBanks,
    Splits,
    base_routes,
    build_matrix,
    compare_with_rivals,
    measure_routes,
    same_fusion,
)


@dataclass(frozen=True)
class Way:
    """One way of learning adapters over a base: "after the base", and what it came to."""

    name: str
    banks: tuple[SeedBanks, ...]
    routed: Routed


@dataclass(frozen=True)
class Rival:
    """Something the routed model is compared with: measured routes, and what it is in words."""

    entry: Entry
    about: str


@dataclass(frozen=True)
class Context:
    """What a report is about.

    Args:
        title: of the page.
        dataset: the data.
        tasks: what was asked.
        splits: the items.
        scoring: captions and effort.
        verdicts: label of a run -> convergence of its stages.
        folders: what was read or written.
        notes: what else must be known.
    """

    title: str
    dataset: Dataset
    tasks: tuple[Task, ...]
    splits: Splits
    scoring: EvaluationConfig
    verdicts: Mapping[str, tuple[StageVerdict, ...]] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def report_routes(context: Context, ways: Sequence[Way], rivals: Sequence[Rival] = ()) -> PairsReport:
    """Measure the routes of the best way, its base, the other ways and what they are compared with; compare; report.

    The way with the highest mean reciprocal rank on validation is the one that is called routed.

    Args:
        context: the data, and what was asked of them.
        ways: ways of learning adapters, one or more, routed on validation.
        rivals: what else the routed model is compared with.
    """
    chosen = max(ways, key=lambda way: way.routed.validation_mrr)
    evaluated, scoring, effort = context.splits.measured, context.scoring, Effort()
    found = chosen.routed

    def measured(label: str, way: Way, routes: str) -> Entry:
        kinds = {
            "routed": way.routed.routes(),
            "fusion": same_fusion(way.routed),
            "base": base_routes(context.tasks, context.dataset),
        }
        return measure_routes(label, way.routed.measured, way.routed.seeds, kinds[routes], evaluated, scoring)

    main, base, fusion = (
        measured(label, chosen, kind) for label, kind in ((ROUTED, "routed"), (BASE, "base"), (SAME_FUSION, "fusion"))
    )
    others = [
        Rival(base, "the base of the routed model, sides of several modalities summed"),
        Rival(fusion, "the same base with the fusion of each route and no adapter"),
        *(
            Rival(measured(f"routed, {way.name}", way, "routed"), f"adapters learnt {way.name}, routed alike")
            for way in ways
            if way is not chosen
        ),
        *rivals,
    ]
    entries = [main, *(rival.entry for rival in others)]
    spelled = [spell_task(task, context.dataset.modalities) for task in context.tasks]
    rows = tuple(row for entry in entries for task in spelled for row in entry_rows(entry, task, METRICS, effort))
    comparisons = (
        *compare_with_rivals(main, [base, fusion], PAIRED_METRICS, effort, same_models=True),
        *compare_with_rivals(main, [rival.entry for rival in others[2:]], PAIRED_METRICS, effort),
        *compare_with_rivals(fusion, [base], PAIRED_METRICS, effort, same_models=True),
    )
    matrix, served = build_matrix(found, context.dataset, context.tasks, evaluated, scoring)
    first = main.results[0]
    report = PairsReport(
        title=context.title,
        dataset=evaluated.dataset,
        fingerprint=evaluated.fingerprint,
        split=evaluated.split,
        validation=context.splits.choosing.split,
        seeds=found.seeds,
        tasks=tuple(spelled),
        metrics=METRICS,
        labels=tuple(entry.label for entry in entries),
        about={
            ROUTED: f"the base with adapters learnt {chosen.name}, every task by the route that validation chose",
            **{rival.entry.label: rival.about for rival in others},
        },
        rows=rows,
        routes=tuple(_route_line(found, task, context.dataset) for task in spelled),
        comparisons=comparisons,
        matrix=matrix,
        serves=served,
        ways=tuple(WayLine(way.name, way.routed.validation_mrr, way is chosen) for way in ways),
        adapters=tuple(line for way in ways for line in _adapter_lines(way)),
        modalities=tuple(_modality_reports(context, chosen)),
        chance={task: first[task].chance[METRIC] for task in spelled},
        num_queries={task: first[task].num_queries for task in spelled},
        verdicts=context.verdicts,
        flags=collect_flags(entries, spelled),
        notes=(*context.notes, *_notes(context, found, effort, len(spelled))),
        folders=context.folders,
    )
    answers = write_answers(report.labels, report.tasks, report.comparisons, report.rows, report.modalities)
    return replace(report, answers=answers)


def _route_line(routed: Routed, task: str, dataset: Dataset) -> RouteLine:
    choice = routed.choices[task]
    return RouteLine(
        task=task,
        description=choice.candidate.route.describe(dataset.modalities),
        kind=choice.candidate.kind,
        adapted=choice.candidate.adapted,
        validation_mrr=choice.mrr,
        best_mrr=choice.best_mrr,
        base_mrr=choice.base_mrr,
        base_description=choice.base.route.describe(dataset.modalities),
        num_tried=choice.num_tried,
        adapters=tuple(choice.candidate.route.adapters),
    )


def _adapter_lines(way: Way) -> list[AdapterLine]:
    bank = way.banks[0].measured
    base = sum(tensor.numel() for tensor in plain_state(bank.encoder).values())
    mixed = {mixture.name for mixture in way.routed.mixtures}
    lines = []
    for name in bank.names:
        identity, number = bank.identity(name), bank.saved(name).num_parameters
        lines.append(
            AdapterLine(name, way.name, identity.describe_sides(), number, number / base, mixture=name in mixed)
        )
    return lines


def _modality_reports(context: Context, way: Way) -> list[ModalityReport]:
    """Report on every task with several modalities on one side: under the base, and under adapters of the pairs."""
    routed, known = way.routed, context.dataset.modalities
    seeds = [SeedViews(seed, "", {}, measured) for seed, measured in zip(routed.seeds, routed.measured, strict=True)]
    splits = ModalitySplits(context.splits.choosing, context.splits.measured)
    pairs = tuple(name for name, identity in routed.identities.items() if identity.left)
    return [
        build_modality_report(
            f"{BASE} with adapters" if adapters else BASE,
            Question(task, known),
            seeds,
            context.dataset,
            splits,
            adapters=adapters,
            config=context.scoring,
            scorers=routed.scorers,
        )
        for task in context.tasks
        if len(task.query) + len(task.gallery) > 2 and 1 in (len(task.query), len(task.gallery))
        for adapters in dict.fromkeys(((), pairs))
    ]


def _notes(context: Context, routed: Routed, effort: Effort, num_tasks: int) -> list[str]:
    resampled = "items and seeds" if len(routed.seeds) > 1 else "items"
    return [
        f"Routes were chosen by mean reciprocal rank on split {context.splits.choosing.split}, one for all seeds; "
        f"split {context.splits.measured.split} was measured once, after that.",
        f"Intervals: 95 %, percentile bootstrap over {resampled}, {effort.num_resamples} resamples. Tests: two-sided "
        f"paired randomisation over items; p adjusted by Holm's rule over the {num_tasks} tasks, for each rival apart.",
        "Sides of several modalities: the base adds their unit vectors; a route may weight and fuse scores or ranks "
        "instead. What fusing alone brings is the difference between the base and the base with the same fusion; what "
        "adapters bring is the difference between that and the routed model.",
    ]
