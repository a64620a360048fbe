"""Every adapter on every task as a heat map: blue above the base, orange below, its number in each cell."""

from __future__ import annotations

from typing import Any

from trichord.adapters.settings import BASE
from trichord.optional import require
from trichord.reports.numbers import show, show_signed
from trichord.reports.pairs.report import METRIC, PairsReport
from trichord.reports.plot_scale import cell_look, draw_scale
from trichord.reports.plot_style import (
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

LEAST_SCALE = 1.0
"""Points of the strongest colour where all differences are smaller: noise must not look like an effect."""
FEWEST = 7
"""Columns that are made room for, so that the cells of few tasks do not get absurdly wide."""
CELL_HEIGHT = 0.42


def plot_matrix(report: PairsReport) -> str | None:
    """Draw one cell per adapter and task; None where there is no matrix.

    A cell is coloured by its difference to the base, and holds the difference and its mean; cells of an adapter's own
    pair are outlined, and a dot marks adapters that take part in the route of the task.
    """
    adapters = matrix_adapters(report)
    if not adapters:
        return None
    scale = colour_scale(report)
    names = [verbatim(name) for name in adapters]
    margins = Margins(left=0.2 + text_width(adapters), right=0.02, top=0.34, bottom=0.5)
    figure, [axes] = panels(1, 1, CELL_HEIGHT * len(adapters), margins)
    chosen = chosen_adapters(report)
    for line, adapter in enumerate(adapters):
        for column, task in enumerate(report.tasks):
            _draw_cell(axes, report, (adapter, task), (column, line), scale, adapter in chosen.get(task, ()))
    axes.set_xlim(-0.5, max(len(report.tasks), FEWEST) - 0.5)
    axes.set_ylim(len(adapters) - 0.5, -0.5)
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xticks(range(len(report.tasks)), [verbatim(task) for task in report.tasks])
    axes.set_yticks(range(len(adapters)), names)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set(color=INK, fontsize=SIZE, fontweight="bold")
    draw_scale(figure, margins, METRIC, scale, f"points of {METRIC} from the base")
    return to_svg(figure, "matrix-map", f"{METRIC} of every adapter on every task, as differences to the base")


def matrix_adapters(report: PairsReport) -> tuple[str, ...]:
    """Return the rows of the matrix, the base first."""
    return tuple(sorted(dict.fromkeys(row.label for row in report.matrix), key=lambda name: name != BASE))


def cell_difference(report: PairsReport, adapter: str, task: str) -> float | None:
    """Return how far an adapter's mean is from that of the base, in points; None where one was not measured."""
    own, base = report.cell(adapter, task), report.cell(BASE, task)
    return None if own is None or base is None else own.mean - base.mean


def colour_scale(report: PairsReport) -> float:
    """Return the difference in points that has the strongest colour."""
    found = (cell_difference(report, row.label, row.task) for row in report.matrix)
    return max([LEAST_SCALE, *(abs(difference) for difference in found if difference is not None)])


def chosen_adapters(report: PairsReport) -> dict[str, frozenset[str]]:
    """Task -> what the legs of its route pass through, `BASE` among them where it does."""
    return {route.task: frozenset(route.adapters) for route in report.routes}


def _draw_cell(
    axes: Any, report: PairsReport, cell: tuple[str, str], place: tuple[int, int], scale: float, chosen: bool
) -> None:
    patches = require("matplotlib.patches", "report", "drawing a report")
    (adapter, task), (column, line) = cell, place
    row, difference = report.cell(adapter, task), cell_difference(report, adapter, task)
    box = {"xy": (column - 0.47, line - 0.46), "width": 0.94, "height": 0.92}
    fill = patches.Rectangle(**box, **cell_look(difference or 0.0, scale))
    fill.set_gid(f"cell-{line}-{column}")
    axes.add_patch(fill)
    own = task in report.serves.get(adapter, ())
    edge = patches.Rectangle(**box, fill=False, edgecolor=INK if own else RULE, linewidth=1.5 if own else 0.6)
    axes.add_patch(edge)
    style = {"ha": "center", "va": "center", "color": INK}
    if row is None:
        axes.text(column, line, "–", fontsize=SIZE, **style)
    elif adapter == BASE or difference is None:
        axes.text(column, line, show(METRIC, row.mean), fontsize=SIZE, **style)
    else:
        axes.text(column, line - 0.17, show_signed(METRIC, difference), fontsize=SIZE, fontweight="bold", **style)
        axes.text(column, line + 0.23, show(METRIC, row.mean), fontsize=SMALL - 0.5, **style)
    if chosen:
        dot = axes.plot([column + 0.38], [line - 0.28], "o", markersize=4, color=INK, markeredgewidth=0)[0]
        dot.set_gid(f"chosen-{line}-{column}")
