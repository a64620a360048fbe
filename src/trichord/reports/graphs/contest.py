"""The final comparison as a figure: every contender with its interval, and the best graph less every rival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trichord.reports.graphs.lines import GraphComparison
from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.graphs.words import deciding_metric, metric_name, metric_title, unit
from trichord.reports.numbers import show
from trichord.reports.plot_style import (
    FAINT,
    INK,
    PAPER,
    RULE,
    SIZE,
    SMALL,
    Margins,
    name_panel,
    panels,
    styles,
    text_width,
    to_svg,
    verbatim,
)

MOST_PANELS = 4
"""Panels of differences; the table has every measure."""


def contender_styles(report: GraphStudyReport) -> dict[str, dict[str, Any]]:
    """Name of a contender -> look."""
    return styles([(contender.name, "trained") for contender in report.contenders])


def compared_metrics(report: GraphStudyReport) -> tuple[str, ...]:
    """Return the measures by which the best graph was compared, the one that decides first."""
    found = dict.fromkeys(comparison.metric for comparison in report.comparisons)
    decides = deciding_metric(report)
    return tuple(sorted(found, key=lambda metric: metric != decides))


def plot_contest(report: GraphStudyReport) -> str | None:
    """Draw the contenders, and beside them what the best graph is ahead by; None where nothing was measured."""
    contenders = report.contenders
    if not contenders:
        return None
    metric = deciding_metric(report)
    compared = compared_metrics(report)[:MOST_PANELS]
    names = [contender.name for contender in contenders]
    look = contender_styles(report)
    margins = Margins(left=0.15 + text_width(names), bottom=0.5, columns=0.3)
    figure, grid = panels(1, 1 + len(compared), 0.2 + 0.3 * len(names), margins)
    bounds = []
    for place, contender in enumerate(contenders):
        estimate = contender.metrics.get(metric)
        if estimate is not None:
            bounds += [estimate.low, estimate.high]
            _draw(grid[0], place, (estimate.low, estimate.value, estimate.high), look[contender.name], filled=True)
    _finish(grid[0], names, look, bounds, named=True)
    grid[0].xaxis.set_major_formatter(lambda value, _: show(metric, value))
    name_panel(grid[0], metric_title(report, metric), verbatim(f"on split {report.report_split}"))
    for axes, measure in zip(grid[1:], compared, strict=True):
        _draw_differences(axes, report, names, look, measure)
    shown = metric_name(report, metric)
    return to_svg(figure, "contest", f"{shown} of every contender, and the best graph less every rival")


def _draw_differences(
    axes: Any, report: GraphStudyReport, names: Sequence[str], look: Mapping[str, Any], metric: str
) -> None:
    bounds = [0.0]
    for place, name in enumerate(names):
        found: GraphComparison | None = report.comparison(name, metric)
        if found is not None:
            values = found.comparison
            bounds += [values.low, values.high]
            claimed = found.told != "no difference shown"
            _draw(axes, place, (values.low, values.difference, values.high), look[name], filled=claimed)
    _finish(axes, names, look, bounds, named=False)
    axes.axvline(0.0, color=FAINT, linewidth=0.9, zorder=0)
    name_panel(axes, metric_title(report, metric), f"best graph less rival{unit(metric) and ', points'}")


def _draw(axes: Any, place: int, values: tuple[float, float, float], look: Mapping[str, Any], *, filled: bool) -> None:
    low, middle, high = values
    colour = look["color"]
    axes.plot([low, high], [place, place], color=colour, linewidth=1.6, solid_capstyle="round")
    axes.plot(
        [middle],
        [place],
        marker=look["marker"],
        markersize=6.5,
        markeredgewidth=1.3,
        markeredgecolor=colour,
        markerfacecolor=colour if filled else PAPER,
    )


def _finish(axes: Any, names: Sequence[str], look: Mapping[str, Any], bounds: Sequence[float], *, named: bool) -> None:
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [verbatim(name) if named else "" for name in names])
    axes.grid(False)
    axes.grid(True, axis="x", color=RULE, linewidth=0.5)
    axes.tick_params(axis="x", labelsize=SMALL)
    for text, name in zip(axes.get_yticklabels(), names, strict=True):
        text.set(color=look[name]["color"] if named else INK, fontsize=SIZE, fontweight="bold")
    if bounds:
        span = (max(bounds) - min(bounds)) or 1.0
        axes.set_xlim(min(bounds) - 0.08 * span, max(bounds) + 0.08 * span)
    axes.locator_params(axis="x", nbins=4)
