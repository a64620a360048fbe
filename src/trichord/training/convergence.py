"""Had the run converged? A verdict from its own validation curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Verdict = Literal["rising", "flat", "falling", "unknown"]

SENTENCES: dict[Verdict, str] = {
    "rising": "validation still rising: too few epochs",
    "flat": "validation flat: converged",
    "falling": "validation falling: it had learnt enough before, later epochs over-fit",
    "unknown": "too few validation points to tell",
}


@dataclass(frozen=True)
class Convergence:
    """A verdict on one stage.

    Args:
        verdict: rising, flat, falling or unknown.
        change: fitted change of the metric over the last third of the curve, in the metric's unit.
        noise: standard deviation around the fitted line there.
        best_epoch: epoch (from 1) with the best value; the first of equals.
        last_epoch: last epoch measured.
    """

    verdict: Verdict
    change: float
    noise: float
    best_epoch: int
    last_epoch: int

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return SENTENCES[self.verdict]


def judge_convergence(
    epochs: Sequence[int], values: Sequence[float], of_range: float = 0.25, of_best: float = 0.02
) -> Convergence:
    """Judge a validation curve (higher is better) by a straight line through its last third.

    The line's change over that third counts as a trend when it exceeds `of_range` times the range of the curve after
    its first third, `of_best` times the best value, and twice its own standard error; otherwise the curve is flat. By
    this rule a straight rise is rising however low it began, 1 - exp(-4 t / T) has converged, and so has a curve that
    moves by less than a fiftieth of what was reached. Fewer than six points: unknown.
    """
    if len(epochs) != len(values):
        raise ValueError(f"one value per epoch: got {len(epochs)} epochs and {len(values)} values")
    if not len(values):
        return Convergence("unknown", 0.0, 0.0, 0, 0)
    y = np.asarray(values, dtype=np.float64)
    best, last = int(epochs[int(np.argmax(y))]), int(epochs[-1])
    count = max(4, len(y) // 3)
    if len(y) < 6:
        return Convergence("unknown", 0.0, 0.0, best, last)
    x, tail = np.asarray(epochs[-count:], dtype=np.float64), y[-count:]
    centred = x - x.mean()
    slope = float(centred @ tail / (centred @ centred))
    residual = tail - tail.mean() - slope * centred
    noise = float(np.sqrt(residual @ residual / (count - 2)))
    error = noise / float(np.sqrt(centred @ centred))
    span = float(x[-1] - x[0])
    least = max(of_range * float(np.ptp(y[len(y) // 3 :])), of_best * abs(float(y.max())))
    significant = abs(slope) > 2 * error and abs(slope * span) > least
    verdict: Verdict = "flat" if not significant else "rising" if slope > 0 else "falling"
    return Convergence(verdict, slope * span, noise, best, last)
