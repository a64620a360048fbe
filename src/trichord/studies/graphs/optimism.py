"""What picking the best of many graphs promises too much: expected luck, and a corrected validation value.

Two answers to one question. `expected_luck` supposes that all graphs are alike: how far ahead is the best of n values
that differ by noise alone? `corrected_value` supposes nothing about the graphs: BBC-CV (Tsamardinos, Greasidou,
Borboudakis, Machine Learning 2018) repeats the choice on resampled queries and measures what was chosen on the queries
that were left out.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch

from trichord.errors import ProtocolError
from trichord.randomness import numpy_generator
from trichord.shapes import Float, Int

REACH, POINTS = 12.0, 24001
MOST_PAIRS = 200


def expected_maximum(number: int) -> float:
    """Return the expected largest of independent standard normal values: 0, 0.564, 0.846, 1.029, ...

    E[max] = int_0^inf (1 - Phi(x)^n - Phi(-x)^n) dx, by the trapezoid rule on a grid that reaches to 12 standard
    deviations; the error is below 1e-9 for every n up to 10^12.
    """
    if number < 1:
        raise ProtocolError(f"the largest of {number} values does not exist; give at least one")
    grid = torch.linspace(0.0, REACH, POINTS, dtype=torch.float64)
    above = torch.special.log_ndtr(grid) * number
    below = torch.special.log_ndtr(-grid) * number
    return float(torch.trapezoid(-torch.expm1(above) - below.exp(), grid))


def expected_luck(number: int, noise: float) -> float:
    """Return how far the best of several graphs that are all alike is expected to lie above their common mean.

    Args:
        number: graphs among which the best is taken.
        noise: standard deviation of one validation value; the values are taken to be independent and normal. Where the
            graphs' values depend on each other, this is too much.
    """
    return noise * expected_maximum(number)


def seed_noise(values: Float[np.ndarray, "graphs seeds"]) -> float:
    """Return the standard deviation that a seed puts between graphs, per graph.

    All trials of a search share one seed. What a seed does to all graphs alike (the target's weights and batches are
    the same in each of them) makes none the best, so that the mean of every seed is taken out as well as that of every
    graph: the root mean square of what remains, on (graphs - 1) (seeds - 1) degrees of freedom.

    Args:
        values: value of each graph with each seed; 0 is returned where there are not two of either.
    """
    graphs, seeds = values.shape
    if graphs < 2 or seeds < 2:
        return 0.0
    left = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    return float(np.sqrt((left**2).sum() / ((graphs - 1) * (seeds - 1))))


def query_noise(
    values: Float[np.ndarray, "graphs queries"], groups: Int[np.ndarray, " queries"], *, seed: int = 0
) -> float:
    """Return the standard deviation that the choice of queries puts between graphs, per graph.

    What all graphs share (easy and hard queries) moves them together and makes none the best. Therefore it is the
    differences of two graphs whose mean is looked at, each item with all its queries: their standard error, root mean
    square over pairs of graphs, divided by the root of 2. It is that of the bootstrap over items with as many
    resamples as one likes, in closed form.

    Args:
        values: value of each query under each graph.
        groups: item of each query; items are what was sampled.
        seed: of the pairs, where there are more than 200.
    """
    sums, sizes = _per_item(values, groups)
    pairs = list(combinations(range(len(values)), 2))
    if not pairs:
        return 0.0
    if len(pairs) > MOST_PAIRS:
        drawn = numpy_generator(seed, "pairs of graphs").choice(len(pairs), MOST_PAIRS, replace=False)
        pairs = [pairs[i] for i in drawn]
    variances = [_variance_of_mean(sums[a] - sums[b], sizes) for a, b in pairs]
    return float(np.sqrt(np.mean(variances) / 2.0))


def corrected_value(
    values: Float[np.ndarray, "graphs queries"],
    groups: Int[np.ndarray, " queries"],
    *,
    num_resamples: int = 1000,
    seed: int = 0,
) -> float | None:
    """Return what the best graph is expected to score on new queries, by BBC-CV.

    A resample draws items with replacement, each with all its queries. The graph that is best on what was drawn is
    measured on the items that were not; the mean over resamples is the answer. Graphs that are equally good on a
    resample share it. Published for predictions out of sample from a cross-validation; here those of one validation
    split, on which nothing was fitted, take their place.

    Args:
        values: value of each query under each graph; more is better.
        groups: item of each query.
        num_resamples: resamples.
        seed: of the resamples.

    Returns:
        The corrected value; None with fewer than two items, where none can be left out.
    """
    sums, sizes = _per_item(values, groups)
    items = len(sizes)
    if items < 2:
        return None
    drawn = numpy_generator(seed, "optimism").integers(0, items, (num_resamples, items))
    offsets = np.arange(num_resamples)[:, None] * items
    weights = np.bincount((drawn + offsets).reshape(-1), minlength=num_resamples * items).reshape(num_resamples, items)
    left_out = (weights == 0).astype(np.float64)
    usable = left_out.any(axis=1)  # all items drawn at once happens with very few of them
    weights, left_out = weights[usable].astype(np.float64), left_out[usable]
    inside = (weights @ sums.T) / (weights @ sizes)[:, None]
    outside = (left_out @ sums.T) / (left_out @ sizes)[:, None]
    best = np.isclose(inside, inside.max(axis=1, keepdims=True), rtol=0.0, atol=1e-12)
    return float(((outside * best).sum(axis=1) / best.sum(axis=1)).mean())


def _per_item(values: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (graphs, items) sums of the values of each item's queries, and (items,) how many queries it has."""
    if values.size == 0:
        raise ProtocolError(f"there is nothing to look at without a graph and a query, got values {values.shape}")
    _, item_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    item_of = item_of.reshape(-1)
    sums = [np.bincount(item_of, weights=row.astype(np.float64), minlength=len(sizes)) for row in values]
    return np.stack(sums), sizes.astype(np.float64)


def _variance_of_mean(sums: np.ndarray, sizes: np.ndarray) -> float:
    """Return the variance of a mean over the queries of items that are drawn with replacement, to first order."""
    mean = sums.sum() / sizes.sum()
    return float(((sums - mean * sizes) ** 2).sum() / sizes.sum() ** 2)
