"""Which of two sides is better on one metric: paired on the same queries, under the same protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trichord.errors import ProtocolError
from trichord.evaluation.estimates import estimate_metrics
from trichord.evaluation.protocol import require_same
from trichord.evaluation.result import RetrievalResult
from trichord.metrics.bootstrap import Comparison, Estimate, paired_comparison
from trichord.metrics.retrieval import METRICS


def compare_results(
    a: Sequence[RetrievalResult],
    b: Sequence[RetrievalResult],
    metric: str,
    *,
    num_resamples: int = 2000,
    num_draws: int = 10000,
    seed: int = 0,
) -> Comparison:
    """Compare two sides, each one result per seed, on the values per query of a metric (recalls in percent).

    Raises:
        ProtocolError: protocols or queries differ (the difference is named), or the metric is no mean over queries.
    """
    _check_alike([*a, *b])
    if not a or not b:
        raise ProtocolError("a comparison needs at least one result on either side")
    left, right = (np.stack([result.per_query(metric) for result in side]) for side in (a, b))
    groups = a[0].query_items
    return paired_comparison(left, right, groups, num_resamples=num_resamples, num_draws=num_draws, seed=seed)


def compare_matched(
    a: Sequence[RetrievalResult],
    b: Sequence[RetrievalResult],
    metric: str,
    *,
    num_resamples: int = 2000,
    num_draws: int = 10000,
    seed: int = 0,
) -> Comparison:
    """Compare two ways of using the same models, one result per seed on either side, in one order of seeds.

    As `compare_results`, but a resample draws each seed on both sides at once: both ways of a seed share its model, so
    their difference varies less over seeds than that of two models trained apart. The p-value is the same.
    """
    found = compare_results(a, b, metric, num_resamples=num_resamples, num_draws=num_draws, seed=seed)
    if len(a) == 1:
        return found
    values = np.stack([one.per_query(metric) - other.per_query(metric) for one, other in zip(a, b, strict=True)])
    nothing = np.zeros((1, values.shape[1]))
    groups = a[0].query_items
    return paired_comparison(values, nothing, groups, num_resamples=num_resamples, num_draws=num_draws, seed=seed)


def average_seeds(
    results: Sequence[RetrievalResult], *, num_resamples: int = 2000, seed: int = 0
) -> dict[str, Estimate]:
    """Return every metric averaged over results of several seeds; intervals resample items and seeds."""
    if not results:
        raise ProtocolError("an average needs at least one result")
    _check_alike(results)
    groups = results[0].query_items
    names = [name for name in METRICS if name != "MedR"]
    stacked = np.stack([[result.per_query(name) for result in results] for name in names])
    ranks = np.stack([result.scores.rank for result in results])
    return estimate_metrics(dict(zip(names, stacked, strict=True)), ranks, groups, num_resamples, seed)


def _check_alike(results: Sequence[RetrievalResult]) -> None:
    for other in results[1:]:
        first = results[0]
        require_same(first.protocol, other.protocol)
        same = np.array_equal(first.query_items, other.query_items)
        if not same or not np.array_equal(first.query_instances, other.query_instances):
            raise ProtocolError(
                f"{first.task}: the results have different queries, or in another order ({first.num_queries} and "
                f"{other.num_queries}); a paired comparison needs the same ones. Evaluate both on the same items"
            )
