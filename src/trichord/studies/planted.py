"""Were the winners the planted ones? The verdict of the demo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trichord.reports import Table


@dataclass(frozen=True)
class PlantedVerdict:
    """One task of the planted corpus.

    Args:
        task: spelled task.
        planted: the order that had to win, known before training.
        found: the order with the best mean.
        clear: whether it beats every other order by a paired test, corrected for the number of comparisons.
    """

    task: str
    planted: str
    found: str
    clear: bool

    @property
    def holds(self) -> bool:
        """Whether the planted order won, clearly."""
        return self.planted == self.found and self.clear

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.holds:
            return f"{self.task:<5} planted {self.planted:<5} won, ahead of every other order by a paired test"
        if self.planted == self.found:
            return f"{self.task:<5} planted {self.planted:<5} has the best mean, but not by a paired test"
        return f"{self.task:<5} planted {self.planted:<5} did NOT win: {self.found} did"


def judge_winners(table: Table, planted: Mapping[str, str], metric: str = "R@10") -> tuple[PlantedVerdict, ...]:
    """Compare the winners of a table (trained orders only) with the planted ones."""
    return tuple(_judge(table, task, order, metric) for task, order in planted.items() if task in table.tasks)


def _judge(table: Table, task: str, order: str, metric: str) -> PlantedVerdict:
    trained = [row for row in table.column(task, metric) if row.kind == "trained"]
    found = max(trained, key=lambda row: row.mean).label
    rivals = {row.label for row in trained} - {found}
    beaten = {
        pair.a if pair.winner == pair.b else pair.b
        for pair in table.paired
        if (pair.task, pair.metric, pair.winner) == (task, metric, found)
    }
    return PlantedVerdict(task, order, found, rivals <= beaten)
