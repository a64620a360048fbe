"""How much of the best value was luck: what the search saw of its best graphs, and what fresh seeds left of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trichord.reports.graphs.lines import RankedGraph
from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.graphs.words import metric_name, show_gain
from trichord.reports.numbers import show
from trichord.reports.plot_style import (
    BASELINE,
    FAINT,
    INK,
    PAPER,
    RULE,
    SERIES,
    SIZE,
    SMALL,
    WIDTH,
    Margins,
    name_panel,
    panels,
    spread_labels,
    to_svg,
    verbatim,
)

FOUND, ANEW, END = 0.0, 1.0, 1.4
"""Places of the slopes: where they begin, where the first and where the last of them ends."""
MARGINS = Margins(left=1.2, right=0.55, bottom=0.5, columns=3.4)
SLOPES, LADDER = 3.7, 2.1
"""Widths of the two panels in inches; what is between them are the words of both."""
CHOSEN = SERIES[0]


@dataclass(frozen=True)
class Level:
    """One level between what was promised and what the target does alone.

    Args:
        words: what it is.
        value: validation value.
        low, high: what stands beside it as a bar; both None without one.
        colour: of its mark.
    """

    words: str
    value: float
    low: float | None
    high: float | None
    colour: str


def levels(report: GraphStudyReport) -> tuple[Level, ...]:
    """Return the levels of the chosen graph on validation, from what the search saw to the target alone."""
    found = report.optimism
    lines = []
    if found.trials:
        low, high = (found.apparent - found.expected, found.apparent) if found.trials > 1 else (None, None)
        lines.append(Level("best value that the search saw", found.apparent, low, high, FAINT))
    if found.corrected is not None:
        lines.append(Level("corrected for picking (BBC-CV)", found.corrected, None, None, FAINT))
    chosen = next((ranked for ranked in report.ranked if ranked.place == 1), None)
    if chosen is not None:
        lines.append(Level("chosen graph, fresh seeds", chosen.mean, chosen.low, chosen.high, CHOSEN))
    return (*lines, Level("target alone, seed of the search", report.reference, None, None, BASELINE))


def plot_luck(report: GraphStudyReport) -> str | None:
    """Draw a slope for every graph that was trained anew, and the levels beside them; None where none was."""
    if not report.ranked:
        return None
    lines = levels(report)
    figure, [slopes, ladder] = panels(1, 2, 2.6, MARGINS)
    _set_width(slopes, MARGINS.left, SLOPES)
    _set_width(ladder, WIDTH - MARGINS.right - LADDER, LADDER)
    _draw_slopes(slopes, report)
    _draw_levels(ladder, report, lines)
    name = metric_name(report, report.metric)
    return to_svg(figure, "luck-plot", f"{name} on validation of the best graphs, in the search and with fresh seeds")


def _set_width(axes: Any, left: float, width: float) -> None:
    """Place a panel sideways, in inches from the left of the figure; its height stays."""
    box = axes.get_position()
    axes.set_position((left / WIDTH, box.y0, width / WIDTH, box.height))


def _draw_slopes(axes: Any, report: GraphStudyReport) -> None:
    ranked = report.ranked
    every = [value for one in ranked for value in (one.found, one.low, one.high, *one.values)] + [report.reference]
    span = (max(every) - min(every)) or abs(max(every)) * 0.1 or 1.0
    axes.set_ylim(min(every) - 0.08 * span, max(every) + 0.08 * span)
    axes.set_xlim(-0.06, END + 0.06)
    level = [report.reference, report.reference]
    axes.plot([FOUND, END + 0.06], level, color=BASELINE, linewidth=1.1, linestyle=(0, (5, 3)), zorder=0)
    for one in sorted(ranked, key=lambda one: -one.place):
        _draw_slope(axes, one, _offset(one, len(ranked)))
    gap = 0.075 * (axes.get_ylim()[1] - axes.get_ylim()[0])
    bottom = axes.get_ylim()[0]
    sides = (
        (FOUND, -8.0, "right", [one.found for one in ranked]),
        (END + 0.06, 4.0, "left", [one.mean for one in ranked]),
    )
    for place, shift, align, values in sides:
        for one, value, height in zip(ranked, values, spread_labels(values, gap, bottom), strict=True):
            number = f"trial {one.trial}  {show(report.metric, value)}"
            axes.annotate(
                number if align == "right" else f"{show(report.metric, value)}  trial {one.trial}",
                (place, height),
                (shift, 0),
                textcoords="offset points",
                ha=align,
                va="center",
                fontsize=SMALL,
                color=CHOSEN if one.place == 1 else FAINT,
                fontweight="bold" if one.place == 1 else "normal",
                annotation_clip=False,
            )
    axes.grid(False)
    axes.set_yticks([])
    axes.set_xticks([FOUND, (ANEW + END) / 2 if len(ranked) > 1 else ANEW], ["in the search", "with fresh seeds"])
    axes.tick_params(axis="x", labelsize=SMALL)
    name_panel(axes, "What fresh seeds left of it")


def _offset(one: RankedGraph, count: int) -> float:
    """Set the graphs apart at the right, so that their seeds and intervals do not lie on each other."""
    return (END - ANEW) * (one.place - 1) / max(1, count - 1)


def _draw_slope(axes: Any, one: RankedGraph, offset: float) -> None:
    first = one.place == 1
    colour = CHOSEN if first else FAINT
    at = ANEW + offset
    axes.plot(
        [FOUND, at], [one.found, one.mean], color=colour, linewidth=2.0 if first else 1.0, alpha=1 if first else 0.7
    )
    axes.plot([at, at], [one.low, one.high], color=colour, linewidth=1.4, solid_capstyle="round", zorder=2)
    axes.plot([at] * len(one.values), one.values, "o", markersize=2.4, color=colour, alpha=0.55, linestyle="none")
    for place, value in ((FOUND, one.found), (at, one.mean)):
        axes.plot(
            [place], [value], "o", markersize=5.5, color=colour, markeredgecolor=PAPER, markeredgewidth=0.8, zorder=3
        )


def _draw_levels(axes: Any, report: GraphStudyReport, lines: tuple[Level, ...]) -> None:
    bounds = [value for line in lines for value in (line.value, line.low, line.high) if value is not None]
    for place, line in enumerate(lines):
        if line.low is not None and line.high is not None:
            axes.plot([line.low, line.high], [place, place], color=line.colour, linewidth=1.6, solid_capstyle="round")
        axes.plot([line.value], [place], "o", markersize=6.5, color=line.colour, markeredgecolor=PAPER)
        axes.annotate(
            show(report.metric, line.value),
            (1.0, place),
            (8, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=SIZE,
            fontweight="bold",
            color=line.colour,
            annotation_clip=False,
        )
    if lines[0].low is not None and lines[0].high is not None and report.optimism.trials > 1:
        right = lines[0].high > (min(bounds) + max(bounds)) / 2
        axes.annotate(
            f"luck alone: {show_gain(report.metric, report.optimism.expected)}",
            (lines[0].high if right else lines[0].low, 0),
            (0, 7),
            textcoords="offset points",
            ha="right" if right else "left",
            fontsize=SMALL,
            color=FAINT,
        )
    axes.set_ylim(len(lines) - 0.4, -0.7)
    axes.set_yticks(range(len(lines)), [line.words for line in lines])
    axes.grid(False)
    axes.grid(True, axis="x", color=RULE, linewidth=0.5)
    for text in axes.get_yticklabels():
        text.set(color=INK, fontsize=SIZE)
    span = (max(bounds) - min(bounds)) or abs(max(bounds)) * 0.1 or 1.0
    axes.set_xlim(min(bounds) - 0.12 * span, max(bounds) + 0.08 * span)
    axes.locator_params(axis="x", nbins=4, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_formatter(lambda value, _: show(report.metric, value))
    name_panel(axes, "Promised and left", verbatim(f"{metric_name(report, report.metric)} on {report.selection_split}"))
