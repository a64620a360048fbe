"""Two figures of paired differences: the routed model against every rival, and the two effects side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trichord.adapters.settings import BASE
from trichord.reports.pairs.effects import Effect, find_effect, find_effects, rivals_of, told_metric
from trichord.reports.pairs.report import OWN_FUSION, ROUTED, SAME_FUSION, PairsReport
from trichord.reports.plot_style import (
    FAINT,
    INK,
    PAPER,
    RULE,
    SERIES,
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

COLUMNS = 4
EFFECTS = ("fusion", "adapters", "both")


def entry_styles(report: PairsReport) -> dict[str, dict[str, Any]]:
    """Label -> look: the base, with fusion or without, looks as baselines do in every report."""
    plain = (BASE, OWN_FUSION, SAME_FUSION)
    return styles([(label, "baseline" if label in plain else "trained") for label in report.labels])


def plot_rivals(report: PairsReport) -> str | None:
    """Draw one panel per task: the routed model less every rival, filled where significant; None without rivals."""
    rivals = rivals_of(report.labels, report.comparisons)
    if not rivals:
        return None
    metric = told_metric(report.comparisons, report.rows)
    look = entry_styles(report)
    columns = min(COLUMNS, len(report.tasks))
    margins = Margins(left=0.15 + text_width(rivals))
    figure, grid = panels(
        -(-len(report.tasks) // columns), columns, 0.15 + 0.26 * len(rivals), margins, used=len(report.tasks)
    )
    for number, (axes, task) in enumerate(zip(grid, report.tasks, strict=True)):
        bounds = [0.0]
        for place, rival in enumerate(rivals):
            effect = find_effect(ROUTED, rival, task, metric, report.comparisons, report.rows)
            if effect is not None:
                bounds += _bounds(effect)
                _draw(axes, place, effect, look[rival])
        _finish(axes, rivals, {rival: look[rival]["color"] for rival in rivals}, named=number % columns == 0)
        _pad(axes, bounds)
        name_panel(axes, task)
    return to_svg(figure, "rivals", f"{metric} of the routed model less that of every rival, task by task")


def plot_effects(report: PairsReport) -> str | None:
    """Draw fusion, adapters and both together, tasks below each other on one scale; None where nothing is known."""
    metric = told_metric(report.comparisons, report.rows)
    effects = find_effects(report.tasks, report.comparisons, report.rows, metric)
    found = [getattr(effect, name) for effect in effects for name in EFFECTS]
    if not any(found):
        return None
    margins = Margins(left=0.15 + text_width(report.tasks))
    figure, grid = panels(1, len(EFFECTS), 0.15 + 0.26 * len(report.tasks), margins, sharex=True)
    titles = ("Fusion: base by its own", "Adapters: routed against that", "Both: routed against base")
    for number, (axes, name, title) in enumerate(zip(grid, EFFECTS, titles, strict=True)):
        look = {"color": SERIES[number], "marker": "o"}
        for place, of_task in enumerate(effects):
            effect: Effect | None = getattr(of_task, name)
            if effect is not None:
                _draw(axes, place, effect, look)
        _finish(axes, report.tasks, dict.fromkeys(report.tasks, INK), named=number == 0)
        name_panel(axes, title)
    bounds = [0.0]
    for effect in filter(None, found):
        bounds += _bounds(effect)
    _pad(grid[0], bounds)
    return to_svg(figure, "effects-plot", f"what fusion and what adapters change of {metric}, task by task")


def _bounds(effect: Effect) -> list[float]:
    """Return what the axis must hold."""
    if effect.pair is None or effect.verdict == "same":
        return [effect.difference]
    return [effect.pair.low, effect.pair.high]


def _draw(axes: Any, place: int, effect: Effect, look: Mapping[str, Any]) -> None:
    """Draw a difference: filled where significant, hollow where not, a cross without interval where not tested."""
    colour = look["color"]
    if effect.verdict == "same":
        axes.annotate(
            "the same", (0.0, place), (5, 0), textcoords="offset points", va="center", fontsize=SMALL, color=FAINT
        )
        axes.plot([0.0], [place], marker="|", markersize=7, color=FAINT, markeredgewidth=1.2)
        return
    if effect.pair is None:
        axes.plot([effect.difference], [place], marker="x", markersize=5, color=colour, markeredgewidth=1.2)
        return
    axes.plot([effect.pair.low, effect.pair.high], [place, place], color=colour, linewidth=1.6, solid_capstyle="round")
    axes.plot(
        [effect.difference],
        [place],
        marker=look["marker"],
        markersize=6,
        markeredgewidth=1.2,
        markeredgecolor=colour,
        markerfacecolor=colour if effect.pair.significant else PAPER,
    )


def _finish(axes: Any, names: Sequence[str], colours: Mapping[str, str], *, named: bool) -> None:
    axes.axvline(0.0, color=FAINT, linewidth=0.9, zorder=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [verbatim(name) if named else "" for name in names])
    axes.grid(False)
    axes.grid(True, axis="x", color=RULE, linewidth=0.5)
    for text, name in zip(axes.get_yticklabels(), names, strict=True):
        text.set(color=colours[name], fontsize=SIZE, fontweight="bold")


def _pad(axes: Any, values: Sequence[float]) -> None:
    span = (max(values) - min(values)) or 1.0
    axes.set_xlim(min(values) - 0.08 * span, max(values) + 0.08 * span)
    axes.locator_params(axis="x", nbins=5)
