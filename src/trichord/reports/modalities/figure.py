"""One figure: what every way scores, how far it is from the first modality alone, and the weights on validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trichord.reports.modalities.report import METRIC, ModalityReport
from trichord.reports.plot_style import (
    BASELINE,
    FAINT,
    INK,
    MARKERS,
    PAPER,
    RULE,
    SERIES,
    SIZE,
    SMALL,
    Margins,
    name_panel,
    panels,
    text_width,
    to_svg,
    verbatim,
)


def plot_modalities(report: ModalityReport, name: str) -> str:
    """Draw the three panels.

    Args:
        report: the report.
        name: identifier, unique on the page.
    """
    margins = Margins(left=0.2 + text_width([way.name for way in report.ways]), right=0.5, bottom=0.5)
    figure, [scores, differences, weights] = panels(1, 3, 0.3 + 0.3 * len(report.ways), margins)
    look = _look(report)
    _draw_scores(scores, report, look)
    _draw_differences(differences, report, look)
    _draw_weights(weights, report, look)
    task, first = report.question.spelling, report.question.letters([report.question.first])
    description = f"{METRIC} of every way of answering {task}, differences to {first} alone, and weights on validation"
    return to_svg(figure, name, description)


def _look(report: ModalityReport) -> dict[str, dict[str, Any]]:
    """Ways that add are drawn in colours of series, single modalities in that of baselines."""
    found: dict[str, dict[str, Any]] = {}
    number = 0
    for way in report.ways:
        if way.kind == "alone":
            found[way.name] = {"color": BASELINE, "marker": "o"}
        else:
            found[way.name] = {"color": SERIES[number], "marker": MARKERS[number + 1]}
            number += 1
    return found


def _draw_scores(axes: Any, report: ModalityReport, look: Mapping[str, dict[str, Any]]) -> None:
    chance = report.chance[METRIC]
    bounds = [chance]
    for place, way in enumerate(report.ways):
        estimate = way.estimates[METRIC]
        bounds += [estimate.low, estimate.high]
        colour = look[way.name]["color"]
        axes.plot([estimate.low, estimate.high], [place, place], color=colour, linewidth=1.6, solid_capstyle="round")
        if len(way.per_seed) > 1:
            seeds = list(way.per_seed.values())
            axes.plot(
                seeds, [place + 0.27] * len(seeds), "o", markersize=2.2, color=colour, alpha=0.6, markeredgewidth=0
            )
        _mark(axes, estimate.value, place, look[way.name], filled=True)
        axes.annotate(
            f"{estimate.value:.1f}",
            (1.0, place),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="center",
            fontsize=SMALL,
            color=INK,
        )
    axes.axvline(chance, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)))
    _name_rows(axes, report, look, named=True)
    _pad(axes, bounds)
    name_panel(axes, METRIC)


def _draw_differences(axes: Any, report: ModalityReport, look: Mapping[str, dict[str, Any]]) -> None:
    first = report.ways[0].name
    bounds = [0.0]
    for place, way in enumerate(report.ways[1:], 1):
        found = report.difference(way.name, first)
        if found is None:
            _mark(axes, 0.0, place, look[way.name], filled=False)
            axes.annotate(
                "the same", (0.0, place), (7, 0), textcoords="offset points", va="center", fontsize=SMALL, color=FAINT
            )
            continue
        bounds += [found.low, found.high]
        axes.plot([found.low, found.high], [place, place], color=look[way.name]["color"], linewidth=1.6)
        _mark(axes, found.difference, place, look[way.name], filled=found.significant)
    axes.axvline(0.0, color=RULE, linewidth=1.2, zorder=0)
    _name_rows(axes, report, look, named=False)
    _pad(axes, bounds)
    name_panel(axes, f"{METRIC}, difference to {first} alone")


def _draw_weights(axes: Any, report: ModalityReport, look: Mapping[str, dict[str, Any]]) -> None:
    """Draw the curves of the modality added first; further ones, where there are any, are in the table."""
    fused = {"scores": "weighted", "ranks": "ranks"}
    for fusion, fitted in report.weights.items():
        curve = fitted.curves[0]
        style = look[next(way.name for way in report.ways if way.kind == fused[fusion])]
        axes.plot(curve.weights, curve.scores, color=style["color"], linewidth=1.6, solid_capstyle="round")
        best = curve.weights.index(curve.best)
        _mark(axes, curve.best, curve.scores[best], style, filled=True)
    axes.grid(False)
    axes.grid(True, color=RULE, linewidth=0.5)
    axes.locator_params(axis="y", nbins=5)
    axes.yaxis.tick_right()
    letter = report.question.letters(report.question.added[:1])
    name_panel(axes, f"MRR on {report.validation} by the weight of {letter}", f"weight of {letter}")


def _mark(axes: Any, x: float, y: float, style: dict[str, Any], *, filled: bool) -> None:
    axes.plot(
        [x],
        [y],
        marker=style["marker"],
        markersize=6,
        markeredgewidth=1.0,
        markeredgecolor=PAPER if filled else style["color"],
        markerfacecolor=style["color"] if filled else PAPER,
        clip_on=False,
    )


def _name_rows(axes: Any, report: ModalityReport, look: Mapping[str, dict[str, Any]], *, named: bool) -> None:
    labels = [way.name for way in report.ways]
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_yticks(range(len(labels)), [verbatim(label) if named else "" for label in labels])
    axes.grid(False)
    axes.grid(True, axis="x", color=RULE, linewidth=0.5)
    for text, label in zip(axes.get_yticklabels(), labels, strict=True):
        text.set(color=look[label]["color"], fontsize=SIZE, fontweight="bold")


def _pad(axes: Any, values: list[float]) -> None:
    span = (max(values) - min(values)) or 1.0
    axes.set_xlim(min(values) - 0.06 * span, max(values) + 0.2 * span)
    axes.locator_params(axis="x", nbins=4)
