"""Which gate did what on which edge: the mean value of the trials that had it, edge by edge, as a heat map.

Means of trials that share a gate, no experiment: the other edges of these trials differ too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trichord.optional import require
from trichord.reports.graphs.lines import Importance
from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.graphs.words import metric_name, show_gain
from trichord.reports.numbers import show
from trichord.reports.plot_scale import cell_look, draw_scale
from trichord.reports.plot_style import (
    FAINT,
    INK,
    RULE,
    SIZE,
    SMALL,
    Margins,
    panels,
    text_width,
    to_svg,
    verbatim,
)

FEW = 3
"""Trials below which a mean says next to nothing: its cell has no colour."""
ORDER = ("cutoff", "through", "linear", "negative-linear", "correct")
CELL_HEIGHT = 0.4
FEWEST_COLUMNS = 5


def gates_of(importance: Sequence[Importance]) -> tuple[str, ...]:
    """Return every gate that some edge had, closed ones first, others in the order in which they come."""
    found = dict.fromkeys(gate for one in importance for gate in one.gates)
    known = [gate for gate in ORDER if gate in found]
    return (*known, *(gate for gate in found if gate not in ORDER))


def mean_value(report: GraphStudyReport) -> float | None:
    """Return the mean validation value of all finished trials; None where none finished."""
    values = [trial.value for trial in report.trials if trial.state == "finished" and trial.value is not None]
    return sum(values) / len(values) if values else None


def colour_scale(report: GraphStudyReport, mean: float) -> float:
    """Return the distance from the mean that has the strongest colour.

    Never less than twice the noise of one value, so that noise alone stays pale.
    """
    found = [
        abs(value - mean)
        for one in report.importance
        for gate, value in one.gates.items()
        if one.counts.get(gate, 0) >= FEW
    ]
    return max([2 * report.optimism.noise, *found, 1e-9])


def plot_gates(report: GraphStudyReport) -> str | None:
    """Draw one cell per edge and gate, and the share of every edge at its right; None where nothing finished."""
    mean, gates = mean_value(report), gates_of(report.importance)
    if mean is None or not gates:
        return None
    lines = report.importance
    names = [one.edge for one in lines]
    shares = any(one.share is not None for one in lines)
    margins = Margins(left=0.2 + text_width(names), right=1.7 if shares else 0.1, top=0.34, bottom=0.5)
    figure, [axes] = panels(1, 1, CELL_HEIGHT * len(lines), margins)
    scale = colour_scale(report, mean)
    for line, one in enumerate(lines):
        for column, gate in enumerate(gates):
            _draw_cell(axes, report, one, gate, (column, line), (mean, scale))
    columns = max(len(gates), FEWEST_COLUMNS)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(gates)), [verbatim(gate) for gate in gates])
    axes.set_yticks(range(len(lines)), [verbatim(name) for name in names])
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set(color=INK, fontsize=SIZE, fontweight="bold")
    if shares:
        _draw_shares(figure, margins, lines)
    words = f"from {show(report.metric, mean)}, the mean of all finished trials; noise of one value {_noise(report)}"
    draw_scale(figure, margins, report.metric, scale, words)
    name = metric_name(report, report.metric)
    return to_svg(figure, "gate-map", f"mean {name} on validation of the trials that had a gate, edge by edge")


def _draw_cell(
    axes: Any,
    report: GraphStudyReport,
    one: Importance,
    gate: str,
    place: tuple[int, int],
    scale: tuple[float, float],
) -> None:
    patches = require("matplotlib.patches", "report", "drawing a report")
    column, line = place
    box = {"xy": (column - 0.47, line - 0.44), "width": 0.94, "height": 0.88}
    axes.add_patch(patches.Rectangle(**box, fill=False, edgecolor=RULE, linewidth=0.6))
    value, count = one.gates.get(gate), one.counts.get(gate, 0)
    if value is None:
        axes.text(column, line, "–", ha="center", va="center", fontsize=SMALL, color=FAINT)
        return
    mean, strongest = scale
    if count >= FEW:
        fill = patches.Rectangle(**box, **cell_look(value - mean, strongest))
        fill.set_gid(f"gate-{line}-{column}")
        axes.add_patch(fill)
    colour, weight = (INK, "bold") if count >= FEW else (FAINT, "normal")
    style = {"va": "center", "fontsize": SIZE, "color": colour}
    axes.text(column - 0.03, line, show(report.metric, value), ha="right", fontweight=weight, **style)
    axes.text(column + 0.05, line, f"{count}×", ha="left", **{**style, "fontsize": SMALL - 0.5})


def _draw_shares(figure: Any, margins: Margins, lines: Sequence[Importance]) -> None:
    """Draw the importance of every edge as a bar, in a panel of its own at the right of the cells."""
    width, height = figure.get_size_inches()
    left = (width - margins.right + 0.15) / width
    tall = CELL_HEIGHT * len(lines) / height
    axes = figure.add_axes((left, margins.bottom / height, (margins.right - 0.65) / width, tall))
    axes.patch.set_alpha(0.0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_ylim(len(lines) - 0.5, -0.5)
    most = max([one.share for one in lines if one.share is not None] or [1.0]) or 1.0
    axes.set_xlim(0, most)
    for place, one in enumerate(lines):
        if one.share is not None:
            axes.barh([place], [one.share], height=0.42, color=FAINT, alpha=0.55)
        text = "–" if one.share is None else f"{100 * one.share:.0f} %"
        axes.annotate(
            text,
            (one.share or 0.0, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=INK,
            annotation_clip=False,
        )
    axes.set_title("importance", loc="left", fontsize=SIZE, fontweight="bold", color=INK, pad=5)


def _noise(report: GraphStudyReport) -> str:
    return f"±{show_gain(report.metric, report.optimism.noise).removeprefix('+')}"
