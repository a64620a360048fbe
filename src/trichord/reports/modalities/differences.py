"""Two ways of answering compared on the same queries and the same models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trichord.evaluation.compare import compare_results
from trichord.evaluation.result import RetrievalResult
from trichord.metrics.bootstrap import Comparison, holm, paired_comparison
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
        compared = [compare_matched(results[a], results[b], metric, effort.num_resamples, draws) for a, b in pairs]
        adjusted = holm([comparison.p_value for comparison in compared])
        found += [
            Difference(a, b, metric, c.difference, c.low, c.high, c.p_value, p_holm)
            for (a, b), c, p_holm in zip(pairs, compared, adjusted, strict=True)
        ]
    return tuple(found)


def compare_matched(a: Results, b: Results, metric: str, num_resamples: int, num_draws: int) -> Comparison:
    """Compare two ways of the same models: as `compare_results`, but a resample draws each seed on both sides at once.

    Both ways of a seed share its model, so their difference varies less over seeds than two models trained apart do.
    """
    found = compare_results(a, b, metric, num_resamples=num_resamples, num_draws=num_draws)
    if len(a) == 1:
        return found
    values = np.stack([one.per_query(metric) - other.per_query(metric) for one, other in zip(a, b, strict=True)])
    nothing = np.zeros((1, values.shape[1]))
    return paired_comparison(values, nothing, a[0].query_items, num_resamples=num_resamples, num_draws=num_draws)
