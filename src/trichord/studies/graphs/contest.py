"""From the trials of a search to what is reported: ranking with fresh seeds, rivals, the final comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trichord.runs import RunOptions
from trichord.studies.graphs.assemble import Found, best_graphs, rank_graphs
from trichord.studies.graphs.experiments import Planner
from trichord.studies.graphs.phases import Alone, Phases, Trained, strongest_kind
from trichord.studies.graphs.rivals import BEST, find_rivals, found_graph
from trichord.studies.graphs.trial import TrialRecord


@dataclass(frozen=True)
class Contest:
    """What became of the best graphs of a search.

    Args:
        found: the best distinct graphs, in the order of the search.
        ranking: each of them with fresh seeds, in the same order.
        first: place in `found` of the graph that ranked first.
        rivals: its rivals with the seeds of the ranking.
        final: that graph and its rivals with the seeds of the report, on the reported split.
    """

    found: tuple[Found, ...]
    ranking: tuple[Trained, ...]
    first: int
    rivals: tuple[Trained, ...]
    final: tuple[Trained, ...]

    @property
    def drawn(self) -> Mapping[str, Any]:
        """The draws of the graph that is reported."""
        return self.found[self.first].record.drawn

    @property
    def ranked(self) -> tuple[Trained, ...]:
        """All that was trained with the seeds of the ranking."""
        return (*self.ranking, *self.rivals)


def hold_contest(
    planner: Planner, phases: Phases, alone: Alone, records: Sequence[TrialRecord], options: RunOptions
) -> Contest:
    """Rank the best graphs of a search with fresh seeds, and hold the first of them against its rivals.

    Raises:
        RunError: no trial was finished, or a training failed.
    """
    study = planner.study
    found = best_graphs(study, records)[: study.num_best]
    ranking = phases.rank(
        [
            found_graph(study, one.record.drawn, f"trial {one.record.place:04d}", "A graph of the search.")
            for one in found
        ]
    )
    first = rank_graphs(study, ranking)[0]
    winner = found[first].record
    best = found_graph(study, winner.drawn, BEST, "The graph that ranked first with fresh seeds.")
    rivals = find_rivals(study, best, winner.drawn, strongest_kind(planner, alone, options))
    ranked_rivals = phases.rank(rivals, winner.place)
    final = phases.compare((best, *rivals), winner.place)
    return Contest(found, tuple(ranking), first, tuple(ranked_rivals), tuple(final))
