"""Every pair of entries compared on the same queries, with p-values adjusted for the number of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from trichord.evaluation.compare import compare_results
from trichord.metrics.bootstrap import holm
from trichord.reports.entries import Entry
from trichord.reports.table import PairedRow

PAIRED_METRICS = ("R@10", "MRR")


@dataclass(frozen=True)
class Effort:
    """How much is drawn for intervals and tests.

    Args:
        num_resamples: bootstrap resamples of every interval.
        num_draws: draws of every randomisation test; no p-value is smaller than 1 / (1 + num_draws). None takes 10,000,
            or as many as an adjusted p-value of 0.01 needs where there are many comparisons.
    """

    num_resamples: int = 2000
    num_draws: int | None = None

    def draws(self, num_comparisons: int) -> int:
        """Draws of each of a number of comparisons that are adjusted together."""
        return max(10_000, 100 * num_comparisons) if self.num_draws is None else self.num_draws


def compare_pairs(
    entries: Sequence[Entry], tasks: Sequence[str], metrics: Sequence[str], effort: Effort
) -> tuple[PairedRow, ...]:
    """Compare all pairs of entries on every task that both were measured on.

    p-values are adjusted by Holm's rule over all comparisons of one metric, those of all tasks together.
    """
    rows: list[PairedRow] = []
    for metric in metrics:
        found = [
            (a, b, task) for task in tasks for a, b in combinations(entries, 2) if a.of_task(task) and b.of_task(task)
        ]
        comparisons = [
            compare_results(
                a.of_task(task),
                b.of_task(task),
                metric,
                num_resamples=effort.num_resamples,
                num_draws=effort.draws(len(found)),
            )
            for a, b, task in found
        ]
        adjusted = holm([comparison.p_value for comparison in comparisons])
        rows += [
            PairedRow(a.label, b.label, task, metric, c.difference, c.low, c.high, c.p_value, p_holm)
            for (a, b, task), c, p_holm in zip(found, comparisons, adjusted, strict=True)
        ]
    return tuple(rows)
