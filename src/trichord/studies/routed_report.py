"""From routed banks and their rivals to the record of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from trichord.adapters.settings import BASE
from trichord.adapters.targets import num_parameters
from trichord.data import Dataset
from trichord.evaluation import EvaluationConfig
from trichord.evaluation.route import RouteConfig
from trichord.metrics.retrieval import METRICS
from trichord.modality import Task, spell_task
from trichord.reports.build import entry_rows
from trichord.reports.curves import StageVerdict
from trichord.reports.entries import Entry
from trichord.reports.modalities.build import Choosing, SeedViews, build_modality_report
from trichord.reports.modalities.question import Question
from trichord.reports.modalities.report import ModalityReport
from trichord.reports.modalities.ways import serving
from trichord.reports.notes import collect_flags
from trichord.reports.numbers import counted
from trichord.reports.paired import PAIRED_METRICS, Effort
from trichord.reports.pairs.answers import write_answers
from trichord.reports.pairs.report import (
    METRIC,
    ONE_ALONE,
    OWN_FUSION,
    ROUTED,
    SAME_FUSION,
    AdapterLine,
    PairsReport,
    RouteLine,
    WayLine,
)
from trichord.runs.adapted import AFTER
from trichord.studies.routing import (
    Routed,
    SeedBanks,
    Splits,
    base_routes,
    build_matrix,
    compare_with_rivals,
    measure_routes,
    one_modality,
    own_fusion,
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
    """Measure the routes of the best way, the base, the other ways and what they are compared with; compare; report.

    The way with the highest mean reciprocal rank on validation is the one that is called routed. The base is always the
    one that was trained by itself, where there is one: what adapters bring is told against it, whatever way won, with
    the best fusion that validation finds for it. The fusion that suits vectors under adapters need not suit it.

    Args:
        context: the data, and what was asked of them.
        ways: ways of learning adapters, one or more, routed on validation.
        rivals: what else the routed model is compared with.
    """
    chosen = max(ways, key=lambda way: way.routed.validation_mrr)
    evaluated, effort, found = context.splits.measured, Effort(), chosen.routed
    entries = _measure_entries(context, ways, chosen, rivals)
    others = entries.others
    spelled = [spell_task(task, context.dataset.modalities) for task in context.tasks]
    rows = tuple(row for entry in entries.all for task in spelled for row in entry_rows(entry, task, METRICS, effort))
    same, apart = ([rival.entry for rival in of] for of in (entries.same, entries.apart))
    comparisons = (
        *compare_with_rivals(entries.routed, same, PAIRED_METRICS, effort, same_models=True),
        *compare_with_rivals(entries.routed, apart, PAIRED_METRICS, effort),
        *compare_with_rivals(entries.own, [entries.base], PAIRED_METRICS, effort, same_models=True),
    )
    matrix, served = build_matrix(found, context.dataset, context.tasks, evaluated, context.scoring)
    first = entries.routed.results[0]
    report = PairsReport(
        title=context.title,
        dataset=evaluated.dataset,
        fingerprint=evaluated.fingerprint,
        split=evaluated.split,
        validation=context.splits.choosing.split,
        seeds=found.seeds,
        tasks=tuple(spelled),
        metrics=METRICS,
        labels=tuple(entry.label for entry in entries.all),
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
        flags=collect_flags(entries.all, spelled),
        notes=(*context.notes, *_notes(context, found, effort, len(spelled))),
        folders=context.folders,
    )
    answers = write_answers(report.labels, report.tasks, report.comparisons, report.rows, report.modalities)
    return replace(report, answers=answers)


@dataclass(frozen=True)
class _Entries:
    """What is measured.

    Args:
        routed: the routed model.
        base, own: the base as it is, and with its own fusion.
        others: everything but the routed model, in the order it is shown in.
        same: those of them that use the very models of the routed one, seed by seed.
    """

    routed: Entry
    base: Entry
    own: Entry
    others: tuple[Rival, ...]
    same: tuple[Rival, ...]

    @property
    def apart(self) -> list[Rival]:
        """Those of other models than the routed one's."""
        return [rival for rival in self.others if all(rival is not one for one in self.same)]

    @property
    def all(self) -> list[Entry]:
        """The routed model and everything else."""
        return [self.routed, *(rival.entry for rival in self.others)]


def _measure_entries(context: Context, ways: Sequence[Way], chosen: Way, rivals: Sequence[Rival]) -> _Entries:
    """Measure the routed model, the base three times, one modality alone, shared weights, and the other ways."""
    found = chosen.routed
    joint = next((way for way in ways if way.name == AFTER), chosen)

    def measured(label: str, way: Way, routes: Mapping[str, RouteConfig]) -> Entry:
        routed = way.routed
        return measure_routes(label, routed.measured, routed.seeds, routes, context.splits.measured, context.scoring)

    said = "the base" if joint.name == AFTER else "the weights that all pairs share, learnt with the adapters"
    base = measured(BASE, joint, base_routes(context.tasks, context.dataset))
    own = measured(OWN_FUSION, joint, own_fusion(joint.routed))
    controls = [
        Rival(base, f"{said}, sides of several modalities summed"),
        Rival(own, f"{said}, by the best way without adapters that validation finds"),
        Rival(
            measured(SAME_FUSION, joint, same_fusion(found)), f"{said}, with the fusion of each route and no adapter"
        ),
    ]
    inside: list[Rival] = []
    alone = one_modality(found, context.tasks, context.dataset)
    if alone:
        about = "for tasks of several modalities, the route of the best of them alone"
        inside.append(Rival(measured(ONE_ALONE, chosen, alone), about))
    if chosen is not joint:
        shared = measured("shared weights, same fusion", chosen, same_fusion(found))
        about = "the weights of the routed model that all pairs share, with its fusion, no adapter"
        inside.append(Rival(shared, about))
    other_ways = [
        Rival(measured(f"routed, {way.name}", way, way.routed.routes()), f"adapters learnt {way.name}, routed alike")
        for way in ways
        if way is not chosen
    ]
    return _Entries(
        routed=measured(ROUTED, chosen, found.routes()),
        base=base,
        own=own,
        others=(*controls, *inside, *other_ways, *rivals),
        same=(*inside, *(controls if chosen is joint else ())),
    )


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
    base = num_parameters(bank.encoder)
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
    seeds = [SeedViews(seed, measured) for seed, measured in zip(routed.seeds, routed.measured, strict=True)]
    choosing = Choosing.over_seeds(routed.scorers, context.splits.choosing)
    if len({scorer.items.tobytes() for scorer in routed.scorers}) > 1:
        number = counted(len(context.splits.choosing.items), "item")
        choosing = replace(choosing, described=f"{choosing.on} ({number}), one model each")
    wide = [task for task in context.tasks if len(task.query) + len(task.gallery) > 2]
    questions = [Question(task, known) for task in wide if 1 in (len(task.query), len(task.gallery))]
    return [
        build_modality_report(
            f"{BASE} with adapters" if adapters else BASE,
            question,
            seeds,
            context.dataset,
            choosing,
            context.splits.measured,
            adapters=adapters,
            config=context.scoring,
        )
        for question in questions
        for adapters in (({}, routed.identities) if serving(question, routed.identities) else ({},))
    ]


def _notes(context: Context, routed: Routed, effort: Effort, num_tasks: int) -> list[str]:
    resampled = "items and seeds" if len(routed.seeds) > 1 else "items"
    return [
        f"Routes were chosen by mean reciprocal rank on {context.splits.choosing.split}, one for all seeds; nothing "
        f"was chosen on {context.splits.measured.split}.",
        f"Intervals: 95 %, percentile bootstrap over {resampled}, {effort.num_resamples} resamples. Tests: two-sided "
        f"paired randomisation over items; p adjusted by Holm's rule over the {num_tasks} tasks, for each rival apart.",
        "Sides of several modalities: the base adds their unit vectors; a route may weight and fuse scores or ranks "
        "instead. What fusing alone brings is the difference between the base and the base with its own fusion, the "
        "best that validation finds for it; what adapters bring is the difference between that and the routed model.",
    ]
