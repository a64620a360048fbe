"""Who wins a column of a table: among all entries, or among the orders, whom a report is about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from trichord.errors import ConfigError
from trichord.metrics.retrieval import HIGHER_IS_BETTER
from trichord.reports.table import PairedRow, Row, Table


@dataclass(frozen=True)
class Winners:
    """The outcome of one column among some of its entries.

    Args:
        best: labels with the best mean; more than one only when they are exactly equal.
        beats: labels that the best is significantly better than.
        level: other labels, from which the best is not significantly different.
        untested: other labels, when the metric was not compared in pairs.
    """

    task: str
    metric: str
    best: tuple[str, ...]
    beats: tuple[str, ...]
    level: tuple[str, ...]
    untested: tuple[str, ...]


def winners(table: Table, task: str, metric: str, among: Collection[str] | None = None) -> Winners:
    """Say who wins a column, whom the winner beats significantly (after Holm), and with whom it is level.

    Entries with exactly the same mean share the first place; a rival counts as beaten only when every one of them
    beats it.

    Args:
        table: where the numbers are.
        task, metric: the column.
        among: labels of the entries that take part; None takes all that were measured. `contenders` gives the orders.

    Raises:
        ConfigError: the table has no such column, or none of the entries was measured on the task.
    """
    column = [row for row in table.column(task, metric) if among is None or row.label in among]
    if not column:
        raise ConfigError(f"none of {sorted(among or ())} was measured on {task}; name entries that were")
    best = leaders(column)
    beats, level, untested = [], [], []
    for row in column:
        if row.label in best:
            continue
        tests = [find_pair(table, label, row.label, task, metric) for label in best]
        if any(pair is None for pair in tests):
            untested.append(row.label)
        elif all(pair is not None and pair.winner in best for pair in tests):
            beats.append(row.label)
        else:
            level.append(row.label)
    return Winners(task, metric, best, tuple(beats), tuple(level), tuple(untested))


def contenders(table: Table, task: str) -> tuple[str, ...]:
    """Return whom a report of orders compares on a task: trained entries; where none was measured, the baselines."""
    measured = [row.label for row in table.column(task, table.metrics[0])]
    trained = [label for label in measured if table.kinds[label] == "trained"]
    return tuple(trained or measured)


def leaders(column: Sequence[Row]) -> tuple[str, ...]:
    """Return the labels with the best mean of a column; more than one only when they are exactly equal."""
    means = [row.mean for row in column]
    top = max(means) if HIGHER_IS_BETTER[column[0].metric] else min(means)
    return tuple(row.label for row in column if row.mean == top)


def find_pair(table: Table, a: str, b: str, task: str, metric: str) -> PairedRow | None:
    """Return the comparison a - b, turned round where the table holds b - a; None where it was not made."""
    for pair in table.paired:
        if (pair.task, pair.metric) != (task, metric):
            continue
        if (pair.a, pair.b) == (a, b):
            return pair
        if (pair.a, pair.b) == (b, a):
            return replace(pair, a=a, b=b, difference=-pair.difference, low=-pair.high, high=-pair.low)
    return None
