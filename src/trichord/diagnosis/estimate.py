"""How many epochs a validation curve would have needed: an estimate by a saturating exponential."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAST_POINTS = 6
LEAST_EXPLAINED = 0.9
# An exponential whose time constant is longer than this many times the curve is a straight line to it.
LONGEST_CONSTANT = 2.0
REACHED = 0.95


def epochs_needed(epochs: Sequence[int], values: Sequence[float]) -> int | None:
    """Estimate after how many epochs 95 % of the attainable rise would be reached.

    Fits a - b exp(-t / c) by least squares, c on a grid of 200 values, and returns -c log(0.05). It is an estimate of
    the same schedule going on; a cosine that ends earlier or later bends the curve.

    Returns:
        The epochs; None where the curve does not permit an estimate: fewer than six points, a fit that explains less
        than 90 % of the variance, a curve that falls, or a time constant above twice its length.
    """
    if len(epochs) < LEAST_POINTS:
        return None
    t, y = np.asarray(epochs, np.float64), np.asarray(values, np.float64)
    spread = float(((y - y.mean()) ** 2).sum())
    if spread == 0:
        return None
    span = float(t[-1] - t[0])
    constants = np.geomspace(span / 50, span * LONGEST_CONSTANT, 200)
    fits = [_fit(t, y, float(constant)) for constant in constants]
    best = int(np.argmin([error for _, error in fits]))
    rise, error = fits[best]
    if best == len(constants) - 1 or rise <= 0 or 1 - error / spread < LEAST_EXPLAINED:
        return None
    return int(np.ceil(-float(constants[best]) * np.log(1 - REACHED)))


def _fit(t: np.ndarray, y: np.ndarray, constant: float) -> tuple[float, float]:
    """Return b of the best a - b exp(-t / constant), and the sum of its squared errors."""
    basis = np.stack([np.ones_like(t), -np.exp(-t / constant)], axis=1)
    solution = np.linalg.lstsq(basis, y, rcond=None)[0]
    return float(solution[1]), float(((basis @ solution - y) ** 2).sum())
