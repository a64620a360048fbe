"""How a baseline stands against the best order of every task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trichord.reports.numbers import listed, show, show_difference
from trichord.reports.outcomes import contenders, find_pair, winners
from trichord.reports.table import PairedRow, Row, Table

Verdict = Literal["better", "level", "worse", "untested"]

PHRASES: dict[Verdict, str] = {
    "better": "significantly better than",
    "level": "not significantly different from",
    "worse": "significantly worse than",
    "untested": "not tested against",
}


@dataclass(frozen=True)
class Standing:
    """A baseline against the best order of one column.

    Args:
        row: the number of the baseline.
        pair: the comparison baseline - best order; None where the metric was not compared in pairs.
        verdict: how it came out. Where several orders share the first place, all must be beaten, or beat the baseline.
    """

    row: Row
    pair: PairedRow | None
    verdict: Verdict

    @property
    def words(self) -> str:
        """The value with how far it is ahead: "56.2 (+0.5, p = 0.730)"."""
        value = show(self.row.metric, self.row.mean)
        return value if self.pair is None else f"{value} ({show_difference(self.pair, self.row.label)})"


def stand_against(table: Table, label: str, task: str, metric: str) -> Standing | None:
    """Compare a baseline with the best order; None where the baseline or every order was not measured on the task."""
    row = table.row(label, task, metric)
    rivals = contenders(table, task)
    if row is None or label in rivals:
        return None
    best = winners(table, task, metric, rivals).best
    pairs = [find_pair(table, label, other, task, metric) for other in best]
    verdict: Verdict = "level"
    if any(pair is None for pair in pairs):
        verdict = "untested"
    elif all(pair is not None and pair.winner == label for pair in pairs):
        verdict = "better"
    elif all(pair is not None and pair.winner in best for pair in pairs):
        verdict = "worse"
    return Standing(row, pairs[0], verdict)


def baseline_sentence(table: Table, label: str, metric: str) -> str:
    """Say on which tasks a baseline is better than, level with, and worse than the best order."""
    tasks: dict[Verdict, list[str]] = {verdict: [] for verdict in PHRASES}
    for task in table.tasks:
        standing = stand_against(table, label, task, metric)
        if standing is not None:
            tasks[standing.verdict].append(task)
    parts = [f"{PHRASES[verdict]} the best order on {listed(found)}" for verdict, found in tasks.items() if found]
    if not parts:
        return f"The baseline {label} was measured on no task of an order."
    first, *others = parts
    others = [part.replace("the best order", "it", 1) for part in others]
    return f"The baseline {label} is {'; it is '.join([first, *others])}."
