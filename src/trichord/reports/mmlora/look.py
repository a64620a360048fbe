"""The look of a method in every figure, by its family, and the marks that the figures share."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from trichord.metrics.bootstrap import Estimate
from trichord.optional import require
from trichord.reports.mmlora.record import Family, Paired
from trichord.reports.plot_style import BASELINE, FAINT, INK, PAPER, RULE, SERIES, SIZE, verbatim

LOOKS: Mapping[Family, Mapping[str, Any]] = {
    "mmlora": {"color": SERIES[0], "marker": "o"},
    "joint": {"color": SERIES[1], "marker": "s"},
    "ensemble": {"color": SERIES[2], "marker": "D"},
    "teacher": {"color": SERIES[3], "marker": "^"},
    "expert": {"color": SERIES[4], "marker": "v"},
    "head": {"color": SERIES[5], "marker": "P"},
    "probe": {"color": BASELINE, "marker": "X"},
}
LABEL_WIDTH = 34
"""Letters of a name that stand in one line beside a figure."""


def draw_estimate(axes: Any, place: float, found: Estimate, look: Mapping[str, Any], *, filled: bool = True) -> None:
    """Draw a value at a height, with its interval as a line."""
    draw_interval(axes, place, (found.low, found.value, found.high), look, filled=filled)


def draw_paired(axes: Any, place: float, found: Paired, look: Mapping[str, Any], *, filled: bool) -> None:
    """Draw a difference at a height, with its interval as a line; filled where it is claimed."""
    draw_interval(axes, place, (found.low, found.difference, found.high), look, filled=filled)


def draw_interval(
    axes: Any, place: float, ends: tuple[float, float, float], look: Mapping[str, Any], *, filled: bool
) -> None:
    """Draw (low, value, high) at a height."""
    low, value, high = ends
    colour = look["color"]
    axes.plot([low, high], [place, place], color=colour, linewidth=1.6, solid_capstyle="round")
    axes.plot(
        [value],
        [place],
        marker=look["marker"],
        markersize=6,
        markeredgewidth=0.8 if filled else 1.2,
        markeredgecolor=PAPER if filled else colour,
        markerfacecolor=colour if filled else PAPER,
        zorder=3,
    )


def wrapped(name: str, width: int = LABEL_WIDTH) -> str:
    """Break a name into lines; dollar signs stay what they are."""
    return verbatim("\n".join(textwrap.wrap(name, width)) or name)


def label_width(names: Sequence[str]) -> float:
    """Return the room in inches for names beside a figure, broken into lines."""
    lines = [line for name in names for line in textwrap.wrap(name, LABEL_WIDTH) or [name]]
    return 0.25 + 0.6 * SIZE / 72 * max(map(len, lines), default=0)


def name_lines(axes: Any, names: Sequence[str], colours: Sequence[str], *, shown: bool, bold: Sequence[str]) -> None:
    """Write names beside the lines of a panel, from the top; a grid that helps to read values across."""
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [wrapped(name) if shown else "" for name in names])
    axes.grid(False)
    axes.grid(True, axis="x", color=RULE, linewidth=0.5)
    for text, name, colour in zip(axes.get_yticklabels(), names, colours, strict=True):
        text.set(color=colour, fontsize=SIZE, fontweight="bold" if name in bold else "normal", linespacing=0.95)


def write_value(axes: Any, place: float, text: str, *, bold: bool) -> None:
    """Write a number at the right end of a line."""
    axes.annotate(
        text,
        (1.0, place),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="center",
        fontsize=SIZE - 1,
        color=INK if bold else FAINT,
        fontweight="bold" if bold else "normal",
    )


def pad(axes: Any, values: Sequence[float], right: float = 0.08) -> None:
    """Leave room at both ends of the horizontal axis; at the right, `right` of the span."""
    span = (max(values) - min(values)) or 1.0
    axes.set_xlim(min(values) - 0.08 * span, max(values) + right * span)
    axes.locator_params(axis="x", nbins=5)


def write_key(figure: Any, entries: Sequence[tuple[str, Mapping[str, Any]]], length: float = 1.2) -> None:
    """Name the marks once above all panels, each name in the colour of its mark; lines need some `length`."""
    line = require("matplotlib.lines", "report", "drawing a report").Line2D
    handles = [line([], [], label=verbatim(name), **{"linestyle": "none", **look}) for name, look in entries]
    legend = figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.0,
        ncols=len(handles),
        frameon=False,
        fontsize=SIZE,
        labelcolor="linecolor",
        handlelength=length,
        columnspacing=1.6,
    )
    for text in legend.get_texts():
        text.set_fontweight("bold")
