"""Intervals of a mean over strata: each stratum keeps its number of items, and items are resampled within it."""

from __future__ import annotations

import numpy as np

from trichord.errors import ProtocolError
from trichord.metrics.bootstrap import CONFIDENCE, Estimate
from trichord.randomness import numpy_generator
from trichord.shapes import Float, Int

CELLS_AT_ONCE = 2**22


def mean_over_strata(
    parts: Float[np.ndarray, "measures items"],
    wholes: Float[np.ndarray, "measures items"],
    strata: Int[np.ndarray, " items"],
    *,
    num_resamples: int = 2000,
    seed: int = 0,
) -> list[Estimate]:
    """Mean over strata of (sum of parts / sum of wholes), one per measure, with percentile bootstrap 95 % intervals.

    With wholes of 1 a stratum's value is the mean of its parts; otherwise a ratio of sums. All measures share their
    resamples. The intervals speak of other items of the same strata, never of other strata; a stratum of one item adds
    no width at all.

    Args:
        parts, wholes: of each item; wholes are positive.
        strata: number of each item's stratum.
        num_resamples: bootstrap resamples.
        seed: seed of the resamples.

    Raises:
        ProtocolError: there is no item, a whole is not positive, a value is not finite, or num_resamples < 1.
    """
    if not parts.size or not (np.isfinite(parts).all() and np.isfinite(wholes).all() and (wholes > 0).all()):
        raise ProtocolError("a mean over strata needs at least one item, finite parts, and finite wholes above zero")
    if num_resamples < 1:
        raise ProtocolError(f"an interval needs at least one resample, got {num_resamples}")
    numbers = np.unique(strata)
    centre, replicates = np.zeros(len(parts)), np.zeros((num_resamples, len(parts)))
    for stratum in numbers.tolist():
        rows = np.flatnonzero(strata == stratum)
        part, whole = parts[:, rows], wholes[:, rows]
        centre += part.sum(axis=1) / whole.sum(axis=1) / len(numbers)
        generator = numpy_generator(seed, "bootstrap within strata", stratum)
        step = max(1, CELLS_AT_ONCE // len(rows))
        for first in range(0, num_resamples, step):
            number = min(step, num_resamples - first)
            drawn = generator.integers(0, len(rows), (number, len(rows))) + np.arange(number)[:, None] * len(rows)
            weights = np.bincount(drawn.reshape(-1), minlength=number * len(rows)).reshape(number, len(rows))
            replicates[first : first + number] += (weights @ part.T) / (weights @ whole.T) / len(numbers)
    tail = (1.0 - CONFIDENCE) / 2.0
    bounds = np.quantile(replicates, [tail, 1.0 - tail], axis=0)
    return [Estimate(float(c), float(low), float(high)) for c, low, high in zip(centre, *bounds, strict=True)]
