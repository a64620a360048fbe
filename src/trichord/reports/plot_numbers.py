"""Two figures of a table's numbers: means with intervals, and how far each entry is from the best order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trichord.reports.outcomes import contenders, find_pair, winners
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
from trichord.reports.table import PairedRow, Row, Table

COLUMNS = 4


def plot_forest(table: Table, metric: str = "R@10") -> str:
    """Draw one panel per task: every entry's mean with its interval, its seeds as dots, chance as a dashed line."""
    look = styles([(label, table.kinds[label]) for label in table.labels])
    figure, grid = _task_panels(table)
    for number, (axes, task) in enumerate(zip(grid, table.tasks, strict=True)):
        rows = {row.label: row for row in table.column(task, metric)}
        for place, label in enumerate(table.labels):
            if label in rows:
                _draw_estimate(axes, place, rows[label], look[label])
        if rows:
            axes.axvline(next(iter(rows.values())).chance, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)))
        _label_entries(axes, table, look, first=number % COLUMNS == 0)
        _pad(axes, [value for row in rows.values() for value in (row.low, row.high, row.chance)])
        name_panel(axes, task)
    name = "forest-" + metric.replace("@", "").lower()
    return to_svg(figure, name, f"{metric} of every order and baseline on every task, with 95 % intervals")


def plot_differences(table: Table, metric: str = "R@10") -> str:
    """Draw one panel per task: the paired difference of every entry to the best order, filled where significant."""
    look = styles([(label, table.kinds[label]) for label in table.labels])
    figure, grid = _task_panels(table)
    for number, (axes, task) in enumerate(zip(grid, table.tasks, strict=True)):
        best = winners(table, task, metric, contenders(table, task)).best[0]
        bounds = [0.0]
        for place, label in enumerate(table.labels):
            pair = find_pair(table, label, best, task, metric)
            if label == best:
                axes.plot([0.0], [place], marker="|", markersize=9, color=look[label]["color"], markeredgewidth=1.8)
                axes.annotate(
                    "best",
                    (0.0, place),
                    (-6, 0),
                    textcoords="offset points",
                    ha="right",
                    va="center",
                    fontsize=SMALL,
                    color=FAINT,
                )
            elif pair is not None:
                bounds += [pair.low, pair.high]
                _draw_difference(axes, place, pair, look[label])
        axes.axvline(0.0, color=RULE, linewidth=1.2, zorder=0)
        _label_entries(axes, table, look, first=number % COLUMNS == 0)
        _pad(axes, bounds)
        name_panel(axes, task)
    name = "difference-" + metric.replace("@", "").lower()
    return to_svg(figure, name, f"difference in {metric} between every entry and the best order, task by task")


def _task_panels(table: Table) -> tuple[Any, list[Any]]:
    count = len(table.tasks)
    columns = min(COLUMNS, count) if count > 1 else 1
    rows = -(-count // columns)
    margins = Margins(left=0.15 + text_width(table.labels))
    return panels(rows, columns, 0.15 + 0.26 * len(table.labels), margins, used=count)


def _draw_estimate(axes: Any, place: int, row: Row, look: dict[str, Any]) -> None:
    colour = look["color"]
    axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.6, solid_capstyle="round")
    if len(row.per_seed) > 1:
        seeds = list(row.per_seed.values())
        axes.plot(seeds, [place + 0.27] * len(seeds), "o", markersize=2.2, color=colour, alpha=0.6, markeredgewidth=0)
    axes.plot(
        [row.mean],
        [place],
        marker=look["marker"],
        markersize=6,
        color=colour,
        markeredgecolor=PAPER,
        markeredgewidth=0.8,
    )
    axes.annotate(
        f"{row.mean:.1f}",
        (1.0, place),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="center",
        fontsize=SMALL,
        color=INK if row.best_order else FAINT,
        fontweight="bold" if row.best_order or row.reaches_best else "normal",
        fontstyle="italic" if row.reaches_best else "normal",
    )


def _draw_difference(axes: Any, place: int, pair: PairedRow, look: dict[str, Any]) -> None:
    colour = look["color"]
    axes.plot([pair.low, pair.high], [place, place], color=colour, linewidth=1.6, solid_capstyle="round")
    axes.plot(
        [pair.difference],
        [place],
        marker=look["marker"],
        markersize=6,
        markeredgewidth=1.2,
        markeredgecolor=colour,
        markerfacecolor=colour if pair.significant else PAPER,
    )


def _label_entries(axes: Any, table: Table, look: dict[str, dict[str, Any]], *, first: bool) -> None:
    """Name the entries at the left of the first panel of a row, each in its colour; keep the rows aligned elsewhere."""
    axes.set_ylim(len(table.labels) - 0.4, -0.6)
    axes.set_yticks(range(len(table.labels)), [verbatim(label) if first else "" for label in table.labels])
    axes.grid(False)
    axes.grid(True, axis="x", color=RULE, linewidth=0.5)
    for text, label in zip(axes.get_yticklabels(), table.labels, strict=True):
        text.set(color=look[label]["color"], fontsize=SIZE, fontweight="bold")
    trained = sum(kind == "trained" for kind in table.kinds.values())
    if 0 < trained < len(table.labels):
        axes.axhline(trained - 0.5, color=RULE, linewidth=0.8)


def _pad(axes: Any, values: Sequence[float]) -> None:
    """Leave room at the left for the markers and at the right for the numbers."""
    span = (max(values) - min(values) if values else 0.0) or 1.0
    axes.set_xlim((min(values) if values else 0.0) - 0.06 * span, (max(values) if values else 1.0) + 0.2 * span)
    axes.locator_params(axis="x", nbins=4)
