"""Two effects that must never be confused: what fusing several rankings gains, and what adapters add to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from trichord.adapters.settings import BASE
from trichord.reports.pairs.report import METRIC, OWN_FUSION, ROUTED
from trichord.reports.table import PairedRow, Row

Verdict = Literal["better", "worse", "level", "same", "untested"]


@dataclass(frozen=True)
class Effect:
    """What one entry is ahead of another on a task.

    Args:
        a, b: labels.
        task, metric: what was measured.
        difference: a - b.
        pair: the paired test; None where there was none, so that only the means can be told apart.
        alike: whether every measure of every seed is exactly the same on both sides.
    """

    a: str
    b: str
    task: str
    metric: str
    difference: float
    pair: PairedRow | None
    alike: bool = False

    @property
    def verdict(self) -> Verdict:
        """How it came out; "same" where nothing tells the two apart, tested or not."""
        if self.alike:
            return "same"
        if self.pair is None:
            return "untested"
        if self.pair.winner is None:
            return "level"
        return "better" if self.pair.winner == self.a else "worse"


@dataclass(frozen=True)
class TaskEffects:
    """The two effects on one task and both together; each None where an entry was not measured.

    Args:
        task: the task.
        fusion: the base by the best way that validation finds for it without adapters, against the base as it is.
        adapters: the routed model, against the base by that way.
        both: the routed model, against the base.
    """

    task: str
    fusion: Effect | None
    adapters: Effect | None
    both: Effect | None


def find_effects(
    tasks: Sequence[str], comparisons: Sequence[PairedRow], rows: Sequence[Row], metric: str
) -> tuple[TaskEffects, ...]:
    """Return the effects on every task; from paired tests where there are some, and from means elsewhere."""

    def effect(a: str, b: str, task: str) -> Effect | None:
        return find_effect(a, b, task, metric, comparisons, rows)

    return tuple(
        TaskEffects(task, effect(OWN_FUSION, BASE, task), effect(ROUTED, OWN_FUSION, task), effect(ROUTED, BASE, task))
        for task in tasks
    )


def find_effect(
    a: str, b: str, task: str, metric: str, comparisons: Sequence[PairedRow], rows: Sequence[Row]
) -> Effect | None:
    """Return what a is ahead of b; None where one of them was not measured."""
    pair = find_comparison(comparisons, a, b, task, metric)
    scores = {(row.label, row.metric): row for row in rows if row.task == task and row.label in (a, b)}
    if pair is None and not {(a, metric), (b, metric)} <= set(scores):
        return None
    difference = scores[a, metric].mean - scores[b, metric].mean if pair is None else pair.difference
    return Effect(a, b, task, metric, difference, pair, difference == 0 and _alike(a, b, pair, scores))


def _alike(a: str, b: str, pair: PairedRow | None, scores: Mapping[tuple[str, str], Row]) -> bool:
    """Whether all measures of all seeds agree; an interval of two sets of seeds drawn apart does not show it."""
    shared = [metric for label, metric in scores if label == a and (b, metric) in scores]
    if not shared:
        return pair is not None and pair.low == pair.high == 0
    return all(scores[a, metric].per_seed == scores[b, metric].per_seed for metric in shared)


def find_comparison(comparisons: Sequence[PairedRow], a: str, b: str, task: str, metric: str) -> PairedRow | None:
    """Return the comparison a - b in this direction."""
    return next((c for c in comparisons if (c.a, c.b, c.task, c.metric) == (a, b, task, metric)), None)


def rivals_of(labels: Sequence[str], comparisons: Sequence[PairedRow]) -> tuple[str, ...]:
    """Return what the routed model was compared with, in the order of the entries."""
    found = {comparison.b for comparison in comparisons if comparison.a == ROUTED}
    return tuple(label for label in labels if label in found)


def told_metric(comparisons: Sequence[PairedRow], rows: Sequence[Row]) -> str:
    """Return the metric that sentences and figures are about: R@10, or the first one that there is."""
    known = dict.fromkeys([*(comparison.metric for comparison in comparisons), *(row.metric for row in rows)])
    return METRIC if METRIC in known or not known else next(iter(known))
