"""The learning curves of the trials: the target on validation, and the rungs at which some were stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from trichord.reports.graphs.ends import best_trial, draw_ends
from trichord.reports.graphs.history import FAILED, FINISHED, value_range
from trichord.reports.graphs.lines import TrialLine
from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.graphs.words import STATES, metric_name
from trichord.reports.numbers import show
from trichord.reports.plot_style import (
    FAINT,
    INK,
    PAPER,
    RULE,
    SMALL,
    Margins,
    name_panel,
    panels,
    to_svg,
)

EARLY = 0.12
"""Share of the epochs before which a first rung is early."""
ROOMY, TIGHT = 0.075, 0.022
"""Distances of neighbouring rungs, as shares of the width, that have room for words, and for a number."""
COLOURS = {"finished": FINISHED, "pruned": FAINT, "failed": FAILED}


def plot_trial_curves(report: GraphStudyReport) -> str | None:
    """Draw one line per trial that was validated at all; None where none was."""
    drawn = [trial for trial in report.trials if trial.curve]
    if not drawn:
        return None
    figure, [axes] = panels(1, 1, 2.5, Margins(left=0.6, right=1.35, top=0.66, bottom=0.5))
    best = best_trial(report)
    finished = sum(trial.state == "finished" for trial in drawn)
    faint = 0.65 if finished <= 12 else 0.4 if finished <= 60 else 0.2
    for trial in sorted(drawn, key=lambda trial: (trial is best, trial.state == "finished")):
        _draw(axes, trial, 1.0 if trial is best else faint, 2.2 if trial is best else 1.0)
    epochs = _set_epochs(axes, report, drawn)
    _set_heights(axes, report, drawn)
    _draw_rungs(axes, report)
    draw_ends(axes, report)
    _draw_key(axes, drawn)
    axes.locator_params(axis="y", nbins=6)
    axes.yaxis.set_major_formatter(lambda value, _: show(report.metric, value))
    name_panel(axes, "", epochs)
    name = metric_name(report, report.metric)
    return to_svg(figure, "trial-curves", f"{name} of every trial on validation, by epoch")


def rungs(report: GraphStudyReport) -> dict[int, int]:
    """Epochs done -> number of trials that were stopped there, in order."""
    counts = Counter(trial.curve[-1][0] for trial in report.trials if trial.state == "pruned" and trial.curve)
    return dict(sorted(counts.items()))


def _draw(axes: Any, trial: TrialLine, alpha: float, width: float) -> None:
    colour = COLOURS[trial.state]
    epochs, values = [epoch for epoch, _ in trial.curve], [value for _, value in trial.curve]
    axes.plot(epochs, values, color=colour, alpha=alpha, linewidth=width, solid_capstyle="round")
    if trial.state == "finished" and len(epochs) > 1:
        return
    look: dict[str, Any] = {"marker": "o", "markersize": 4.5, "markeredgecolor": colour, "markerfacecolor": PAPER}
    if trial.state == "failed":
        look = {"marker": "x", "markersize": 5.5, "markeredgewidth": 1.5, "color": colour}
    mark = axes.plot(epochs[-1:], values[-1:], linestyle="none", zorder=4, **look)[0]
    mark.set_gid(f"stop-{trial.number}")


def _set_epochs(axes: Any, report: GraphStudyReport, drawn: Sequence[TrialLine]) -> str:
    """Lay the epochs out, by their logarithm where trials were stopped early on, as halving does; return their name."""
    left = min(trial.curve[0][0] for trial in drawn)
    right = max(trial.curve[-1][0] for trial in drawn)
    first = min(rungs(report), default=right)
    if left > 0 and first < EARLY * right:
        axes.set_xscale("log", base=2)
        marks = [left * 2**power for power in range(20) if left * 2**power < 0.75 * right]
        axes.set_xticks([*marks, right], [*map(str, marks), str(right)])
        axes.minorticks_off()
        wide = (right / left) ** 0.03
        axes.set_xlim(left / wide, right * wide)
        return "epoch, doubling at every step"
    width = max(1.0, float(right - left))
    axes.set_xlim(left - 0.03 * width, right + 0.03 * width)
    axes.xaxis.get_major_locator().set_params(integer=True)
    return "epoch"


def _set_heights(axes: Any, report: GraphStudyReport, drawn: list[TrialLine]) -> None:
    """Give the height to where trials end; how low they began is cut off, which would flatten all the rest."""
    low, high = value_range(report)
    kept = [trial for trial in drawn if trial.state != "failed"] or drawn
    low = min([low, *(trial.curve[-1][1] for trial in kept)])
    high = max(high, *(value for trial in drawn for _, value in trial.curve))
    span = (high - low) or abs(high) * 0.1 or 1.0
    axes.set_ylim(low - 0.08 * span, high + 0.08 * span)


def _draw_rungs(axes: Any, report: GraphStudyReport) -> None:
    """Draw a line where trials were stopped, and above it how many; the number alone where there is little room."""
    found = rungs(report)
    places = axes.transAxes.inverted().transform(
        axes.transData.transform([(epoch, 0.0) for epoch in found] or [(1, 0)])
    )
    gaps = [b - a for a, b in pairwise(place[0] for place in places)]
    words = " stopped" if min(gaps, default=1.0) > ROOMY else ""
    for number, (epoch, count) in enumerate(found.items()):
        axes.axvline(epoch, color=RULE, linewidth=1.0, zorder=0)
        if number and gaps[number - 1] < TIGHT:
            continue
        axes.annotate(
            f"{count}{words}",
            (epoch, 1.0),
            (0, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            fontsize=SMALL,
            color=FAINT,
        )


def _draw_key(axes: Any, drawn: Sequence[TrialLine]) -> None:
    """Say what the lines that occur mean, above the panel."""
    states = {trial.state for trial in drawn}
    several = sum(trial.state == "finished" for trial in drawn) > 1
    looks: dict[str, dict[str, Any]] = {
        "finished": {"color": FINISHED, "alpha": 0.5},
        "pruned": {
            "color": FAINT,
            "marker": "o",
            "markeredgecolor": FAINT,
            "markerfacecolor": PAPER,
            "markersize": 4.5,
        },
        "failed": {"color": FAILED, "marker": "x", "markersize": 5.5},
    }
    if "finished" in states:
        axes.plot([], [], color=FINISHED, linewidth=2.2, label="best of the search")
    for state, look in looks.items():
        if state in states and (several or state != "finished"):
            axes.plot([], [], linewidth=1.0, label=STATES[state], **look)
    key = axes.legend(
        frameon=False,
        ncols=4,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        borderaxespad=1.7,
        fontsize=SMALL,
        handletextpad=0.5,
        columnspacing=1.6,
    )
    for text in key.get_texts():
        text.set_color(INK)
