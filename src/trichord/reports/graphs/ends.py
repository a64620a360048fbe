"""What stands at the right of a figure of trials: the target alone as a line, and the best trial, both with names."""

from __future__ import annotations

from typing import Any

from trichord.reports.graphs.lines import TrialLine
from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.numbers import show
from trichord.reports.plot_style import BASELINE, SERIES, SMALL

BEST = SERIES[0]
NEAR = 0.07
"""Share of the height below which two names would lie on each other."""
APART = 6.0


def best_trial(report: GraphStudyReport) -> TrialLine | None:
    """Return the finished trial with the highest value, of equals the first; None where none finished."""
    finished = [trial for trial in report.trials if trial.state == "finished" and trial.value is not None]
    return max(finished, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)


def draw_ends(axes: Any, report: GraphStudyReport) -> None:
    """Draw the line of the target alone, and name it and the best trial, moved apart where they would overlap.

    The limits of the axes must have been set.
    """
    axes.axhline(report.reference, color=BASELINE, linewidth=1.1, linestyle=(0, (5, 3)), zorder=1)
    best, shift = best_trial(report), 0.0
    if best is not None and best.value is not None:
        bottom, top = axes.get_ylim()
        if abs(best.value - report.reference) < NEAR * (top - bottom):
            shift = APART if best.value >= report.reference else -APART
        words = f"best: trial {best.number}, {show(report.metric, best.value)}"
        _name(axes, best.value, words, shift, color=BEST, fontweight="bold")
    _name(axes, report.reference, f"target alone {show(report.metric, report.reference)}", -shift, color=BASELINE)


def _name(axes: Any, value: float, words: str, shift: float, **look: str) -> None:
    """Write words at a height, to the right of the panel.

    Args:
        axes: where.
        value: the height.
        words: what is written.
        shift: upwards, in points.
        look: colour and weight.
    """
    axes.annotate(
        words,
        (axes.get_xlim()[1], value),
        (6, shift),
        textcoords="offset points",
        va="center",
        fontsize=SMALL,
        annotation_clip=False,
        **look,
    )
