"""From what a study trained to its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trichord.config import from_dict
from trichord.cotraining.directory import GraphDirectory
from trichord.data import Dataset
from trichord.errors import RunError
from trichord.evaluation.compare import average_seeds, compare_results
from trichord.evaluation.result import RetrievalResult
from trichord.graphs.graph import GraphConfig
from trichord.graphs.text import spell_graph
from trichord.metrics.bootstrap import holm
from trichord.metrics.retrieval import HIGHER_IS_BETTER
from trichord.reports.graphs.lines import (
    Contender,
    GraphComparison,
    GraphVerdict,
    RankedGraph,
    TrialLine,
    TrialState,
)
from trichord.reports.table import SIGNIFICANCE
from trichord.studies.graphs.claim import TrialsFolder
from trichord.studies.graphs.phases import Trained
from trichord.studies.graphs.sameness import nameless
from trichord.studies.graphs.search import drawn_graph
from trichord.studies.graphs.study import GraphStudy
from trichord.studies.graphs.trial import TrialRecord

RECALLS = ("R@1", "R@5", "R@10", "MRR")
OF_CLASSES = ("R@1", "MRR")
STATES: Mapping[str, TrialState] = {"finished": "finished", "pruned": "pruned", "failed": "failed"}


@dataclass(frozen=True)
class Found:
    """A distinct graph of the search.

    Args:
        record: the trial that scored best of those with this graph.
        value: its validation value.
    """

    record: TrialRecord
    value: float


def spell(graph: GraphConfig, dataset: Dataset) -> str:
    """Write the text form of a graph."""
    return spell_graph(graph, tuple(dataset.modalities))


def trial_lines(records: Sequence[TrialRecord], dataset: Dataset) -> tuple[TrialLine, ...]:
    """Return the trials that came to an end, failed ones among them."""
    return tuple(_lines(records, dataset))


def best_graphs(study: GraphStudy, records: Sequence[TrialRecord]) -> tuple[Found, ...]:
    """Return the distinct graphs among the finished trials, the best first; peers in another order make no other graph.

    Raises:
        RunError: no trial was finished.
    """
    kinds = {kind: kind for kind in study.space.kinds}
    found: dict[str, Found] = {}
    for record in records:
        if record.state != "finished" or record.value is None:
            continue
        key = nameless(drawn_graph(study, record.drawn, kinds))
        if key not in found or record.value > found[key].value:
            found[key] = Found(record, record.value)
    if not found:
        raise RunError("no graph of the search was trained to its end, so there is none to choose; raise --trials")
    # A stable sort: among equal ones the graph that comes first in the search, whichever worker was faster.
    return tuple(sorted(found.values(), key=lambda one: (-one.value, one.record.place)))


def trial_results(study: GraphStudy, records: Sequence[TrialRecord], folder: TrialsFolder) -> list[RetrievalResult]:
    """Return what the finished trials score on the selection split, as far as they were trained in this folder."""
    finished = sorted((r for r in records if r.state == "finished"), key=lambda record: record.place)
    graphs = [GraphDirectory(folder.trial(record.place)) for record in finished]
    return [graph.result(study.selection_split) for graph in graphs if graph.finished]


def rank_graphs(study: GraphStudy, trained: Sequence[Trained]) -> list[int]:
    """Return the order of graphs by their mean with fresh seeds, the best first."""
    means = [float(np.mean(one.values(study.selection.metric))) for one in trained]
    return sorted(range(len(trained)), key=lambda place: (-means[place], place))


def ranked_lines(
    study: GraphStudy, found: Sequence[Found], trained: Sequence[Trained], texts: Sequence[str]
) -> tuple[RankedGraph, ...]:
    """Return the ranking of graphs that were trained with fresh seeds."""
    metric = study.selection.metric
    lines = []
    for place, i in enumerate(rank_graphs(study, trained), start=1):
        mean = average_seeds(trained[i].results)[metric]
        lines.append(
            RankedGraph(
                place=place,
                trial=found[i].record.number,
                text=texts[i],
                found=found[i].value,
                values=trained[i].values(metric),
                mean=mean.value,
                low=mean.low,
                high=mean.high,
            )
        )
    return tuple(lines)


def contender_lines(
    study: GraphStudy, final: Sequence[Trained], ranking: Sequence[Trained], texts: Sequence[str]
) -> tuple[Contender, ...]:
    """Return the entries of the final comparison; their validation values are those with the seeds of the ranking."""
    lines = []
    for one, before, text in zip(final, ranking, texts, strict=True):
        metrics = average_seeds(one.results)
        lines.append(
            Contender(
                name=one.entry.name,
                sentence=one.entry.sentence,
                text=text,
                metrics={metric: metrics[metric] for metric in measures(study)},
                validation=float(np.mean(before.values(study.selection.metric))),
                networks=one.entry.networks,
                seconds=one.seconds,
            )
        )
    return tuple(lines)


def compare(study: GraphStudy, best: Trained, rivals: Sequence[Trained]) -> tuple[GraphComparison, ...]:
    """Compare the best graph with every rival, paired on the queries of the reported split.

    p-values are adjusted by Holm's rule over the rivals of a measure.
    """
    lines: list[GraphComparison] = []
    for metric in measures(study):
        comparisons = [compare_results(best.results, rival.results, metric) for rival in rivals]
        adjusted = holm([comparison.p_value for comparison in comparisons])
        for rival, comparison, p in zip(rivals, comparisons, adjusted, strict=True):
            shown = p < SIGNIFICANCE and (comparison.low > 0 or comparison.high < 0)
            ahead = (comparison.difference > 0) == HIGHER_IS_BETTER[metric]
            verdict: GraphVerdict = ("better" if ahead else "worse") if shown else "no difference shown"
            lines.append(GraphComparison(rival.entry.name, metric, comparison, p, verdict))
    return tuple(lines)


def measures(study: GraphStudy) -> tuple[str, ...]:
    """Return the measures of the final comparison, the deciding one first."""
    known = OF_CLASSES if study.space.own.classifies else RECALLS
    decided = study.selection.metric
    return (decided, *(metric for metric in known if metric != decided))


def _lines(records: Sequence[TrialRecord], dataset: Dataset) -> Iterator[TrialLine]:
    for record in records:
        if record.state not in STATES or record.withdrawn or not record.graph:
            continue  # it is waiting or running, or its worker died before there was a graph
        graph: GraphConfig = from_dict(record.graph)
        yield TrialLine(
            number=record.number,
            graph=graph,
            text=spell(graph, dataset),
            state=STATES[record.state],
            value=record.value,
            curve=record.curve,
            retry_of=record.retry_of,
            seconds=record.seconds,
            sampled=dict(record.drawn),
            message=record.message,
        )
