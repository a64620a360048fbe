"""A training step of MCN at published proportions: ours in float32 and in bfloat16, beside the reference's way."""

from __future__ import annotations

from statistics import median
from typing import Literal

import torch

from benchmarks.hardware import bfloat16_support
from benchmarks.outcome import Outcome, compared, not_applicable
from benchmarks.timing import in_turns, spread
from benchmarks.training_data import PUBLISHED_REFRESH, StepSize, draw_features
from benchmarks.training_ours import build_both

# The published batch and memory; on a CPU a quarter of the published width.
ON_A_CPU = StepSize(batch_size=4096, dim=1536)
ON_A_GPU = StepSize(batch_size=4096, dim=6144)
QUICK = StepSize(batch_size=256, dim=768)
ORDINARY_STEPS = 6


def training_step_float32(quick: bool) -> Outcome:
    """Ours in float32: must not be slower."""
    return measure("training step, float32", _size(quick), "float32", 1.0)


def training_step_bfloat16(quick: bool) -> Outcome:
    """Ours in bfloat16: must be four times as fast, where the hardware computes in it."""
    name, size = "training step, bfloat16", _size(quick)
    if bfloat16_support() is None:
        return not_applicable(name, size.describe(), ">= 4x", "no bfloat16 matrix products on this hardware")
    return measure(name, size, "bfloat16", 4.0)


def measure(name: str, size: StepSize, precision: Literal["float32", "bfloat16"], target: float) -> Outcome:
    """Take one step of each side in turns: a few ordinary ones, then one that refreshes the centroids.

    The seconds are those of an average step: the median of the ordinary steps, and the refresh at its share.
    """
    plain, ours, device = build_both(size, precision)
    features = [{name: values.to(device) for name, values in draw_features(size, step).items()} for step in range(4)]
    counters = {"plain": 0, "ours": 0}

    def take(side: Literal["plain", "ours"]) -> None:
        trainer = plain if side == "plain" else ours
        trainer.step(features[counters[side] % len(features)])
        counters[side] += 1

    # Step 0 refreshes the centroids and warms up.
    sides = {"plain": lambda: take("plain"), "ours": lambda: take("ours")}
    in_turns(sides, 1)
    times = in_turns(sides, ORDINARY_STEPS)
    plain.go_to_refresh()
    ours.go_to_refresh()
    refreshes = in_turns(sides, 1)
    times = {side: times[side] + refreshes[side] for side in sides}
    theirs, mine = (_average_step(times[side]) for side in ("plain", "ours"))
    extra = (
        f"step without refresh {median(times['plain'][:-1]):.3f} s and {median(times['ours'][:-1]):.3f} s, with "
        f"{times['plain'][-1]:.2f} s and {times['ours'][-1]:.2f} s; without refresh, "
        f"{spread(times['plain'][:-1], times['ours'][:-1])}"
    )
    if precision == "bfloat16":
        extra += f"; a matrix product alone {product_ratio(size, device):.2f}"
    return compared(name, size.describe(), theirs, mine, target, extra)


def product_ratio(size: StepSize, device: torch.device) -> float:
    """Return how much faster bfloat16 is at the largest matrix product of the step."""
    left, right = torch.rand(size.batch_size, size.dim, device=device), torch.rand(size.dim, size.dim, device=device)
    half_left, half_right = left.bfloat16(), right.bfloat16()
    times = in_turns({"full": lambda: left @ right, "half": lambda: half_left @ half_right}, 10)
    return min(times["full"]) / min(times["half"])


def _average_step(times: list[float]) -> float:
    *ordinary, refresh = times
    return (median(ordinary) * (PUBLISHED_REFRESH - 1) + refresh) / PUBLISHED_REFRESH


def _size(quick: bool) -> StepSize:
    if quick:
        return QUICK
    return ON_A_GPU if torch.cuda.is_available() else ON_A_CPU
