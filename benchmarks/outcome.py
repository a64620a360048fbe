"""What a benchmark hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NOT_APPLICABLE: Literal["not applicable on this hardware"] = "not applicable on this hardware"


@dataclass(frozen=True)
class Outcome:
    """One row of the table.

    Args:
        name: name of the benchmark.
        setting: what was measured, sizes included.
        baseline_seconds: seconds the baseline took; None where it was not run.
        our_seconds: seconds trichord took for the same work; None where it was not run.
        ratio: baseline over ours; None where there is no baseline.
        extra: further figures, in words.
        target: what is asked for, in words.
        met: whether the target was met.
    """

    name: str
    setting: str
    baseline_seconds: float | None
    our_seconds: float | None
    ratio: float | None
    extra: str
    target: str
    met: bool | Literal["not applicable on this hardware"]


def compared(name: str, setting: str, baseline: float, ours: float, target: float, extra: str) -> Outcome:
    """Return the outcome of a comparison that asks for a ratio of at least `target`."""
    ratio = baseline / ours
    return Outcome(name, setting, baseline, ours, ratio, extra, f">= {target:g}x", ratio >= target)


def not_applicable(name: str, setting: str, target: str, reason: str) -> Outcome:
    """Return the outcome of a benchmark that this machine cannot run."""
    return Outcome(name, setting, None, None, None, reason, target, NOT_APPLICABLE)
