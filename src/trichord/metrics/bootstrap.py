"""Intervals and paired tests that respect what was sampled: items (all captions of one together), and seeds.

Legend: values (seeds, queries); groups (queries,) item numbers; a resample draws items with replacement, which gives
every item a whole weight; with more than one seed, seeds are drawn with replacement too (two-way bootstrap).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trichord.errors import ProtocolError
from trichord.metrics.resampling import average_drawn_seeds, item_weights, random_signs
from trichord.shapes import Float, Int

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value and its percentile bootstrap 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """A difference a - b with its 95 % interval and the p-value of a two-sided paired randomisation test."""

    difference: float
    low: float
    high: float
    p_value: float
    num_queries: int


def bootstrap_mean(
    values: Float[np.ndarray, "seeds queries"],
    groups: Int[np.ndarray, " queries"],
    *,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Mean over seeds and queries, with its interval (see `bootstrap_means`)."""
    return bootstrap_means(values[None], groups, num_resamples=num_resamples, seed=seed)[0]


def bootstrap_means(
    values: Float[np.ndarray, "measures seeds queries"],
    groups: Int[np.ndarray, " queries"],
    *,
    num_resamples: int = 2000,
    seed: int = 0,
) -> list[Estimate]:
    """Means of several measures of the same queries, with intervals from the same resamples."""
    _check(values, groups, num_resamples)
    measures, seeds, _ = values.shape
    item_of, sizes = _items(groups)
    sums = _per_item(values.reshape(measures * seeds, -1), item_of, len(sizes))
    replicates = []
    for weights in item_weights(len(sizes), num_resamples, seed):
        means = (weights @ sums.T) / (weights @ sizes)[:, None]
        replicates.append(means.reshape(-1, measures, seeds))
    centre = values.mean(axis=2).mean(axis=1)
    return intervals(centre, average_drawn_seeds(np.concatenate(replicates), seed))


def never_certain(estimate: Estimate, num_items: int, top: float = 1.0) -> Estimate:
    """Return a share's estimate, with an exact interval where resampling has none: all items scored 0, or all `top`.

    Resampled, such values never vary. With n independent items the exact (Clopper-Pearson) interval reaches from 0 to
    1 - (alpha/2)^(1/n), and from (alpha/2)^(1/n) to 1, in units of `top`.
    """
    reach = top * ((1.0 - CONFIDENCE) / 2.0) ** (1.0 / num_items)
    if estimate.high <= 0.0:
        return Estimate(estimate.value, 0.0, top - reach)
    return Estimate(estimate.value, reach, top) if estimate.low >= top else estimate


def bootstrap_median(
    values: Float[np.ndarray, "seeds queries"],
    groups: Int[np.ndarray, " queries"],
    *,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Median over queries, averaged over seeds, with its interval."""
    _check(values[None], groups, num_resamples)
    item_of, sizes = _items(groups)
    ordered = [np.argsort(row, kind="stable") for row in values]
    replicates = []
    for weights in item_weights(len(sizes), num_resamples, seed):
        columns = [
            _weighted_medians(row[order], weights[:, item_of[order]])
            for row, order in zip(values, ordered, strict=True)
        ]
        replicates.append(np.stack(columns, axis=1)[:, None, :])
    centre = np.median(values, axis=1).mean(keepdims=True)
    return intervals(centre, average_drawn_seeds(np.concatenate(replicates), seed))[0]


def paired_comparison(
    a: Float[np.ndarray, "seeds_a queries"],
    b: Float[np.ndarray, "seeds_b queries"],
    groups: Int[np.ndarray, " queries"],
    *,
    num_resamples: int = 2000,
    num_draws: int = 10000,
    seed: int = 0,
) -> Comparison:
    """Compare two sides on the same queries.

    The difference is that of the means over seeds and queries. Its interval resamples items, the same ones on both
    sides, and the seeds of each side on its own. The p-value flips the sign of each item's difference (summed over its
    queries, averaged over seeds) at random; under the null hypothesis both signs are as likely. It is
    (1 + draws at least as extreme) / (1 + draws), two-sided, so never zero.
    """
    _check(a[None], groups, num_resamples)
    _check(b[None], groups, num_resamples)
    item_of, sizes = _items(groups)
    sums_a, sums_b = _per_item(a, item_of, len(sizes)), _per_item(b, item_of, len(sizes))
    replicates = []
    for weights in item_weights(len(sizes), num_resamples, seed):
        totals = (weights @ sizes)[:, None]
        replicates.append(np.concatenate([weights @ sums_a.T / totals, weights @ sums_b.T / totals], axis=1))
    means = np.concatenate(replicates)
    left = average_drawn_seeds(means[:, None, : len(a)], seed, "seeds of a")
    right = average_drawn_seeds(means[:, None, len(a) :], seed, "seeds of b")
    [estimate] = intervals(np.array([a.mean() - b.mean()]), left - right)
    p_value = sign_flip_p(sums_a.mean(axis=0) - sums_b.mean(axis=0), num_draws=num_draws, seed=seed)
    return Comparison(estimate.value, estimate.low, estimate.high, p_value, a.shape[1])


def sign_flip_p(differences: Float[np.ndarray, " items"], *, num_draws: int = 10000, seed: int = 0) -> float:
    """Two-sided p-value of the sum of differences under random signs, by the add-one rule."""
    if num_draws < 1:
        raise ProtocolError(f"a randomisation test needs at least one draw, got {num_draws}")
    # Draws that equal the observed sum up to rounding count as extreme: the order of summation must not decide.
    threshold = abs(float(differences.sum())) - 1e-9 * float(np.abs(differences).sum())
    extreme = sum(
        int((np.abs(signs @ differences) >= threshold).sum())
        for signs in random_signs(len(differences), num_draws, seed)
    )
    return (1 + extreme) / (1 + num_draws)


def holm(p_values: list[float] | tuple[float, ...]) -> list[float]:
    """Adjust p-values of one family of comparisons by Holm's step-down rule, in the order given."""
    if any(not 0.0 <= p <= 1.0 for p in p_values):
        raise ProtocolError(f"p-values lie in [0, 1], got {list(p_values)}")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def _check(values: np.ndarray, groups: np.ndarray, num_resamples: int) -> None:
    if values.size == 0:
        raise ProtocolError(f"an interval needs at least one seed and one query, got values of shape {values.shape}")
    if values.shape[-1] != len(groups):
        raise ProtocolError(f"every query needs its item: {values.shape[-1]} queries, {len(groups)} items")
    if not np.isfinite(values).all():
        raise ProtocolError("a per-query value is not finite; look for the fault where it was computed")
    if num_resamples < 1:
        raise ProtocolError(f"an interval needs at least one resample, got {num_resamples}")


def _items(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (queries,) position of each query's item among the distinct ones, and (items,) number of queries."""
    _, item_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return item_of.reshape(-1), sizes.astype(np.float64)


def _per_item(values: np.ndarray, item_of: np.ndarray, num_items: int) -> np.ndarray:
    return np.stack([np.bincount(item_of, weights=row, minlength=num_items) for row in values])


def _weighted_medians(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the median of ascending values for each row of whole weights."""
    cumulated = np.cumsum(weights, axis=1)
    total = cumulated[:, -1:]
    lower = values[np.argmax(cumulated > (total - 1) // 2, axis=1)]
    upper = values[np.argmax(cumulated > total // 2, axis=1)]
    medians: np.ndarray = (lower + upper) / 2.0
    return medians


def intervals(
    centre: Float[np.ndarray, " measures"], replicates: Float[np.ndarray, "resamples measures"]
) -> list[Estimate]:
    """Return each measure with its percentile 95 % interval.

    Args:
        centre: (measures,) the values themselves.
        replicates: (resamples, measures) the values of the resamples.
    """
    tail = (1.0 - CONFIDENCE) / 2.0
    bounds = np.quantile(replicates, [tail, 1.0 - tail], axis=0)
    return [Estimate(float(c), float(low), float(high)) for c, low, high in zip(centre, *bounds, strict=True)]
