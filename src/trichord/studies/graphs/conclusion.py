"""What picking the best promised too much, and what became of the promise, in numbers and in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trichord.errors import ProtocolError
from trichord.evaluation.result import RetrievalResult
from trichord.reports.graphs.lines import Contender, Optimism, RankedGraph
from trichord.reports.graphs.words import show_spread, spoken_metric
from trichord.reports.numbers import counted, show
from trichord.studies.graphs.optimism import corrected_value, expected_luck, query_noise, seed_noise
from trichord.studies.graphs.phases import Trained
from trichord.studies.graphs.study import GraphStudy
from trichord.studies.graphs.trial import TrialRecord


def find_optimism(
    study: GraphStudy,
    records: Sequence[TrialRecord],
    results: Sequence[RetrievalResult],
    ranking: Sequence[Trained],
) -> Optimism:
    """Return what picking the best of the finished trials promises too much.

    Args:
        study: the study.
        records: all trials, in whichever folder they were trained.
        results: of the finished trials that were trained in this folder, on the selection split.
        ranking: graphs that were trained in this folder with the same seeds.
    """
    metric = study.selection.metric
    finished = [record.value for record in records if record.state == "finished" and record.value is not None]
    of_seeds = seed_noise(np.array([one.values(metric) for one in ranking]))
    noise = float(np.hypot(of_seeds, query_noise(*_per_query([one.results[0] for one in ranking], metric))))
    here = len(results) == len(finished)
    corrected = corrected_value(*_per_query(results, metric), seed=study.seed) if here and results else None
    expected = expected_luck(max(1, len(finished)), noise)
    counts = (len(finished), len(results), sum(record.state == "pruned" for record in records))
    apparent = max(finished)
    sentence = _sentence(study, counts, Optimism(len(finished), apparent, corrected, expected, noise, ""))
    return Optimism(len(finished), apparent, corrected, expected, noise, sentence)


def conclude(
    study: GraphStudy,
    optimism: Optimism,
    ranked: Sequence[RankedGraph],
    contenders: Sequence[Contender],
    reference: float,
    times_reported: int,
) -> str:
    """Say in sentences what became of the promise of the search.

    Args:
        study: the study.
        optimism: what the search promised.
        ranked: the best graphs with fresh seeds.
        contenders: the entries of the final comparison, the best graph first.
        reference: validation value of the target alone, with the seed of the search.
        times_reported: for how many graphs the reported split was measured, this one among them.
    """
    metric, (best, *rivals) = study.selection.metric, contenders
    independent = next(rival for rival in rivals if rival.name == "independent")
    found, alone = show(metric, optimism.apparent), show(metric, reference)
    fresh, fresh_alone = show(metric, ranked[0].mean), show(metric, independent.validation)
    final, final_alone = (show(metric, one.metrics[metric].value) for one in (best, independent))
    name = spoken_metric(metric, of_classes=study.space.own.classifies)
    unseen = "which nothing was chosen by, " if times_reported == 1 else ""
    return (
        f"The best of {counted(optimism.trials, 'finished graph')} scored {name} {found} on {study.selection_split}, "
        f"the target alone {alone}. With fresh seeds the graph in first place scored {fresh} there, the target alone "
        f"{fresh_alone}. On {study.report_split}, {unseen}it scored {final}, the target alone "
        f"{final_alone}, over {counted(study.num_seeds, 'seed')}."
    )


def _per_query(results: Sequence[RetrievalResult], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (graphs, queries) values and (queries,) the item of each query."""
    groups = results[0].query_items
    if any(not np.array_equal(result.query_items, groups) for result in results):
        raise ProtocolError("graphs of one study were measured on different queries; their folders were changed")
    return np.stack([result.per_query(metric) for result in results]), groups


def _sentence(study: GraphStudy, counts: tuple[int, int, int], found: Optimism) -> str:
    """Write it in words; counts are of trials that were finished, finished in this folder, and stopped early."""
    metric, (finished, here, pruned) = study.selection.metric, counts
    luck, moved = show_spread(metric, found.expected), show_spread(metric, found.noise)
    movers = "seeds and queries move" if study.ranking_seeds > 1 else "queries alone move"
    said = (
        f"Were all {counted(finished, 'finished graph')} equally good, the best of them would still be expected to "
        f"look {luck} better than their mean, by luck alone: {movers} one value by {moved}."
    )
    if study.ranking_seeds == 1:
        said += " What seeds add to this cannot be told from a ranking with one seed."
    if pruned:
        were, are, them = ("was", "is", "it") if pruned == 1 else ("were", "are", "them")
        said += f" {counted(pruned, 'graph')} that {were} stopped early {are} not counted, though luck decided about "
        said += f"{them} too."
    if found.corrected is not None:
        return (
            f"{said} Picked on some queries and measured on others, the best scores {show(metric, found.corrected)} "
            f"(BBC-CV) instead of {show(metric, found.apparent)}."
        )
    were = "was" if here == 1 else "were"
    reason = "" if here == finished else f": of {finished} finished graphs only {here} {were} trained in this folder"
    return f"{said} What the best would score on new queries cannot be told{reason}."
