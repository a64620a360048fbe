"""The history of a search: what every trial scored on validation, and the best so far."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trichord.files import write_text
from trichord.reports.graphs.ends import BEST, draw_ends
from trichord.reports.graphs.lines import TrialLine
from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.graphs.words import last_value, metric_name
from trichord.reports.numbers import show
from trichord.reports.plot_style import (
    FAINT,
    INK,
    PAPER,
    SERIES,
    SMALL,
    Margins,
    name_panel,
    panels,
    to_svg,
)

FINISHED, FAILED = BEST, SERIES[1]
ROOM_BELOW = 0.6
"""How far below the finished trials the scale reaches, as a share of their range: early stops may lie far below."""


def write_history(path: str | Path, report: GraphStudyReport) -> None:
    """Write the figure as a file of its own, on paper of its own; atomically.

    Raises:
        TrichordError: matplotlib is not installed.
    """
    drawn = re.sub(r"var\(--[\w-]+, (#[0-9a-f]{6})\)", r"\1", plot_history(report))
    head, _, rest = drawn.partition(">")
    write_text(path, f'{head}><rect width="100%" height="100%" fill="{PAPER}"/>{rest}\n')


def running_best(trials: Sequence[TrialLine]) -> list[tuple[int, float]]:
    """Return (number of the trial, highest value so far) at every finished trial, by number."""
    steps: list[tuple[int, float]] = []
    for trial in sorted(trials, key=lambda trial: trial.number):
        if trial.state == "finished" and trial.value is not None:
            steps.append((trial.number, max(trial.value, steps[-1][1] if steps else trial.value)))
    return steps


def plot_history(report: GraphStudyReport) -> str:
    """Draw the value of every trial by its number, how it ended, the best so far, and the target alone."""
    figure, [axes] = panels(1, 1, 2.5, Margins(left=0.6, right=1.35, top=0.5, bottom=0.5))
    trials = report.trials
    last = max((trial.number for trial in trials), default=0)
    low, high = value_range(report)
    span = high - low
    axes.set_ylim(low - 0.14 * span, high + 0.08 * span)
    axes.set_xlim(-0.6, max(last, 1) + 0.6)
    draw_ends(axes, report)
    size = 6.0 if len(trials) <= 60 else 4.0 if len(trials) <= 200 else 2.5
    steps = running_best(trials)
    if steps:
        places = [*(number for number, _ in steps), max(last, 1) + 0.6]
        heights = [*(value for _, value in steps), steps[-1][1]]
        axes.plot(places, heights, drawstyle="steps-post", color=FINISHED, linewidth=1.2, alpha=0.55, zorder=1)
    for trial in trials:
        _draw_trial(axes, trial, (low, low - 0.09 * span), size)
    _draw_key(axes, report, low)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.locator_params(axis="y", nbins=6)
    axes.yaxis.set_major_formatter(lambda value, _: show(report.metric, value))
    name_panel(axes, "", "trial")
    return to_svg(
        figure, "history-plot", f"{metric_name(report, report.metric)} of every trial on validation, by number"
    )


def value_range(report: GraphStudyReport) -> tuple[float, float]:
    """Return the values a scale must hold: finished trials and the target alone, and early stops not far below them."""
    values = [trial.value for trial in report.trials if trial.state == "finished" and trial.value is not None]
    values.append(report.reference)
    stopped = [found[1] for found in map(last_value, report.trials) if found is not None]
    low, high = min(values), max([*values, *stopped])
    span = (high - low) or abs(high) * 0.1 or 1.0
    if high == low:
        low, high = low - span / 2, high + span / 2
    return max(low - ROOM_BELOW * span, min([low, *stopped])), high


def _draw_trial(axes: Any, trial: TrialLine, floors: tuple[float, float], size: float) -> None:
    """Draw one trial: where it ended, or at the bottom where that lies below the scale, or where nothing is known.

    Args:
        axes: where.
        trial: what.
        floors: lowest value of the scale, and the height at which what lies below is drawn.
        size: of its marker.
    """
    lowest, bottom = floors
    end = last_value(trial)
    below = end is None or end[1] < lowest
    height = bottom if end is None or below else end[1]
    if trial.state == "failed":
        look = {"marker": "x", "color": FAILED, "markeredgewidth": 1.5}
        height = bottom
    elif trial.state == "pruned":
        look = {"marker": "v" if below else "o", "markerfacecolor": PAPER, "markeredgecolor": FAINT}
    else:
        look = {"marker": "o", "color": FINISHED, "markeredgecolor": PAPER, "markeredgewidth": 0.6}
    mark = axes.plot([trial.number], [height], markersize=size, linestyle="none", zorder=3, **look)[0]
    mark.set_gid(f"trial-{trial.number}-{trial.state}")


def _draw_key(axes: Any, report: GraphStudyReport, lowest: float) -> None:
    """Say what the marks that occur mean, above the panel."""
    finished = bool(report.in_state("finished"))
    stopped = [last_value(trial) for trial in report.trials if trial.state == "pruned"]
    below = [end is None or end[1] < lowest for end in stopped]
    hollow = {"markerfacecolor": PAPER, "markeredgecolor": FAINT}
    marks: tuple[tuple[str, bool, dict[str, Any]], ...] = (
        ("finished", finished, {"marker": "o", "color": FINISHED}),
        ("stopped early, at its last value", not all(below), {"marker": "o", **hollow}),
        ("stopped early, below the scale", any(below), {"marker": "v", **hollow}),
        ("failed", bool(report.in_state("failed")), {"marker": "x", "color": FAILED, "markeredgewidth": 1.5}),
    )
    for words, occurs, look in marks:
        if occurs:
            axes.plot([], [], linestyle="none", markersize=6, label=words, **look)
    if not report.trials:
        return
    if finished:
        axes.plot([], [], color=FINISHED, linewidth=1.2, alpha=0.55, label="best so far")
    key = axes.legend(
        frameon=False,
        ncols=len(marks) + 1,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        borderaxespad=0.2,
        fontsize=SMALL,
        handletextpad=0.4,
        columnspacing=1.6,
    )
    for text in key.get_texts():
        text.set_color(INK)
