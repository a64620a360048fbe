"""Two ways of answering compared on the same queries and the same models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trichord.evaluation.compare import compare_matched
from trichord.evaluation.result import RetrievalResult
from trichord.metrics.bootstrap import holm
from trichord.reports.modalities.report import Difference
from trichord.reports.paired import PAIRED_METRICS, Effort

Results = Sequence[RetrievalResult]


def compare_ways(
    results: Mapping[str, Results],
    pairs: Sequence[tuple[str, str]],
    effort: Effort,
    metrics: Sequence[str] = PAIRED_METRICS,
) -> tuple[Difference, ...]:
    """Compare pairs of ways on every metric; p-values are adjusted by Holm's rule over all pairs of one metric.

    Args:
        results: way -> one result per seed, the seeds in one order.
        pairs: names of the ways that are compared.
        effort: how much is drawn.
        metrics: means over queries.

    Raises:
        ProtocolError: ways were measured under unlike protocols or on other queries.
    """
    draws = effort.draws(len(pairs))
    found: list[Difference] = []
    for metric in metrics:
        compared = [
            compare_matched(results[a], results[b], metric, num_resamples=effort.num_resamples, num_draws=draws)
            for a, b in pairs
        ]
        adjusted = holm([comparison.p_value for comparison in compared])
        found += [
            Difference(a, b, metric, c.difference, c.low, c.high, c.p_value, p_holm)
            for (a, b), c, p_holm in zip(pairs, compared, adjusted, strict=True)
        ]
    return tuple(found)
