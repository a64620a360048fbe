"""One table of a study: every entry x task x metric with its interval, and every pair of entries compared.

The mean of an entry is over its seeds and queries; its interval comes from a bootstrap that resamples the items of the
gallery and the seeds. Pairs of entries are compared on the same queries. Recalls are in percent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trichord.errors import ConfigError, nearest
from trichord.metrics.retrieval import HIGHER_IS_BETTER
from trichord.reports.curves import StageVerdict
from trichord.reports.settings import SettingDifference

SIGNIFICANCE = 0.05
"""Level below which an adjusted p-value is called significant."""


@dataclass(frozen=True)
class Row:
    """One number.

    Args:
        label: the entry.
        kind: "trained" or "baseline".
        task, metric: what was measured.
        mean: mean over seeds and queries; recalls in percent.
        low, high: its 95 % interval.
        per_seed: seed -> value of that seed alone.
        chance: what ranking at random would score.
        best: whether no entry of the table, baselines included, does better here.
        best_order: whether it is a trained entry and no other trained entry does better here.
        reaches_best: whether it is a baseline and does at least as well as the best order.
        level_with_best: whether it was tested against the best order and is not significantly different from it.

    Where no trained entry was measured, the best baseline stands in for the best order in the last two.
    """

    label: str
    kind: str
    task: str
    metric: str
    mean: float
    low: float
    high: float
    per_seed: dict[int, float]
    chance: float
    best: bool = False
    best_order: bool = False
    reaches_best: bool = False
    level_with_best: bool = False


@dataclass(frozen=True)
class PairedRow:
    """One comparison of two entries on the same queries.

    Args:
        a, b: labels.
        task, metric: what was compared.
        difference: a - b; recalls in percentage points.
        low, high: its 95 % interval.
        p: two-sided p-value of the paired randomisation test.
        p_holm: the same, adjusted for all comparisons of this metric in the table.
    """

    a: str
    b: str
    task: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float

    @property
    def significant(self) -> bool:
        """Whether the adjusted p-value is below `SIGNIFICANCE`."""
        return self.p_holm < SIGNIFICANCE

    @property
    def winner(self) -> str | None:
        """Label of the better entry where the difference is significant, None where it is not."""
        if not self.significant or self.difference == 0:
            return None
        return self.a if (self.difference > 0) == HIGHER_IS_BETTER[self.metric] else self.b


@dataclass(frozen=True)
class Protocol:
    """How a task was measured: plain data, and the fingerprint that two comparable results share."""

    fingerprint: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Note:
    """Something a reader must know.

    Args:
        fact: what was done, in one sentence.
        meaning: what follows from it for the reader; empty where nothing is to be explained.
    """

    fact: str
    meaning: str = ""

    def __str__(self) -> str:
        """Both in one text."""
        return f"{self.fact} {self.meaning}".strip()


@dataclass(frozen=True)
class Table:
    """A finished table.

    Args:
        labels: all entries, trained ones first.
        kinds: label -> "trained" or "baseline".
        seeds: label -> its seeds.
        tasks, metrics: what was measured, in the order of the columns.
        rows: every number.
        paired: every comparison.
        baseline_settings: label of a baseline -> its settings.
        protocols: task -> how it was measured.
        num_queries: task -> number of queries.
        num_missing: task -> queries that an entry could not answer and that count as misses.
        settings: settings in which the entries differ.
        changes: label -> dotted path -> (value of the recipe, value of the run), for overridden fields.
        verdicts: label -> verdicts of its stages and seeds.
        flags: warnings of the results, in words.
        notes: what a reader must know to read the table.
        folders: label -> where its runs lie.
    """

    labels: tuple[str, ...]
    kinds: dict[str, str]
    seeds: dict[str, tuple[int, ...]]
    tasks: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    paired: tuple[PairedRow, ...]
    baseline_settings: dict[str, dict[str, Any]]
    protocols: dict[str, Protocol]
    num_queries: dict[str, int]
    num_missing: dict[str, int]
    settings: tuple[SettingDifference, ...]
    changes: dict[str, dict[str, tuple[Any, Any]]]
    verdicts: dict[str, tuple[StageVerdict, ...]]
    flags: tuple[str, ...]
    notes: tuple[Note, ...]
    folders: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def row(self, label: str, task: str, metric: str) -> Row | None:
        """Return one number, or None where the entry was not measured on the task."""
        found = (row for row in self.rows if (row.label, row.task, row.metric) == (label, task, metric))
        return next(found, None)

    def column(self, task: str, metric: str) -> tuple[Row, ...]:
        """Return the numbers of all entries that were measured.

        Raises:
            ConfigError: the table has no such task or metric.
        """
        for name, known in ((task, self.tasks), (metric, self.metrics)):
            if name not in known:
                raise ConfigError(f"the table has no {name!r}; {nearest(name, known)}")
        return tuple(row for row in self.rows if (row.task, row.metric) == (task, metric))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; baselines stand apart from the orders."""
        trained = [_order_row(row) for row in self.rows if row.kind == "trained"]
        baselines = [_order_row(row) for row in self.rows if row.kind == "baseline"]
        return {
            "rows": trained,
            "paired": [plain_pair(pair) for pair in self.paired],
            "baselines": baselines,
            "baseline_settings": self.baseline_settings,
            "protocol": {
                task: {
                    **protocol.settings,
                    "fingerprint": protocol.fingerprint,
                    "num_queries": self.num_queries[task],
                    "num_missing": self.num_missing[task],
                }
                for task, protocol in self.protocols.items()
            },
            "settings_differences": {difference.path: difference.values for difference in self.settings},
            "changes": {
                label: {path: list(values) for path, values in changes.items()}
                for label, changes in self.changes.items()
            },
            "verdicts": {label: [vars(verdict) for verdict in these] for label, these in self.verdicts.items()},
            "flags": list(self.flags),
            "notes": [str(note) for note in self.notes],
            "folders": {label: list(folders) for label, folders in self.folders.items()},
        }


def plain_row(row: Row, name: str) -> dict[str, Any]:
    """Return a number as plain data; `name` is what its label is called."""
    return {
        name: row.label,
        "task": row.task,
        "metric": row.metric,
        "mean": row.mean,
        "ci95": [row.low, row.high],
        "per_seed": {str(seed): value for seed, value in row.per_seed.items()},
        "chance": row.chance,
    }


def plain_pair(pair: PairedRow) -> dict[str, Any]:
    """Return a comparison as plain data."""
    return {
        "a": pair.a,
        "b": pair.b,
        "task": pair.task,
        "metric": pair.metric,
        "difference": pair.difference,
        "ci95": [pair.low, pair.high],
        "p": pair.p,
        "p_holm": pair.p_holm,
    }


def _order_row(row: Row) -> dict[str, Any]:
    return {**plain_row(row, "order"), "best": row.best, "best_order": row.best_order}
