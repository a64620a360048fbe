"""Rank plots: which share of the queries finds its item within the first k, for every k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trichord.evaluation.result import RetrievalResult
from trichord.optional import require
from trichord.reports.entries import Entry
from trichord.reports.plot_style import FAINT, SIZE, SMALL, Margins, name_panel, panels, styles, to_svg, verbatim
from trichord.shapes import Float

COLUMNS = 4


def share_within(
    ranks: Float[np.ndarray, "seeds queries"], depths: Float[np.ndarray, " depths"]
) -> Float[np.ndarray, " depths"]:
    """Percentage of queries, over all seeds, whose rank is at most k, for every depth k; a rank may be infinite.

    Where scores tie, this counts expected ranks and can differ from R@k, which counts expected hits.
    """
    ordered = np.sort(ranks, axis=None)
    share: np.ndarray = 100.0 * np.searchsorted(ordered, depths, side="right") / len(ordered)
    return share


def found_ranks(result: RetrievalResult) -> Float[np.ndarray, " queries"]:
    """Ranks of a result, infinite for queries that count as misses: those whose reciprocal rank is zero."""
    return np.where(result.scores.reciprocal_rank > 0, result.scores.rank, np.inf)


def chance_share(result: RetrievalResult, depths: Float[np.ndarray, " depths"]) -> Float[np.ndarray, " depths"] | None:
    """Percentage found within k by random ranking; None where items have several gallery rows and it is no line."""
    if result.protocol.gallery_captions == "all":
        return None
    reachable = 100.0 * (1 - result.num_missing / result.num_queries)
    return np.minimum(depths * result.chance["R@1"], reachable)


def plot_ranks(entries: Sequence[Entry], tasks: Sequence[str]) -> str:
    """Draw one panel per task: one line per entry over k from 1 to the size of the gallery, and the line of chance."""
    look = styles([(entry.label, entry.kind) for entry in entries])
    columns = min(COLUMNS, len(tasks))
    rows = -(-len(tasks) // columns)
    crowded = len(tasks) % columns > 0
    margins = Margins(left=0.55, right=0.2, top=0.7, bottom=0.5, columns=0.45, rows=0.85 if crowded else 0.5)
    figure, grid = panels(rows, columns, 1.75, margins, used=len(tasks), sharey=True)
    for number, (axes, task) in enumerate(zip(grid, tasks, strict=True)):
        lowest = number >= len(tasks) - columns
        _draw_task(axes, entries, task, look, lowest=lowest)
        name_panel(axes, task, "k" if lowest else "")
    for axes in grid[::columns]:
        axes.set_ylabel("% found", fontsize=SMALL, color=FAINT)
    _legend(figure, entries, look)
    return to_svg(figure, "ranks", "share of queries that find their item within the first k, for every task")


def _draw_task(
    axes: Any, entries: Sequence[Entry], task: str, look: dict[str, dict[str, Any]], *, lowest: bool
) -> None:
    every = [result for entry in entries for result in entry.of_task(task)]
    size = max(max(result.protocol.num_items, int(result.scores.rank.max())) for result in every)
    depths = np.unique(np.round(np.geomspace(1, max(size, 2), 160)))
    chance = chance_share(every[0], depths)
    if chance is not None:
        axes.plot(depths, chance, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)))
    for entry in entries:
        results = entry.of_task(task)
        if results:
            share = share_within(np.stack([found_ranks(result) for result in results]), depths)
            style = look[entry.label]
            axes.plot(depths, share, color=style["color"], linestyle=style["linestyle"], linewidth=1.5)
    _scale(axes, max(size, 2), lowest=lowest)


def _scale(axes: Any, size: int, *, lowest: bool) -> None:
    axes.set_xscale("log")
    axes.set_xlim(1, size)
    axes.set_ylim(0, 100)
    ticks = [k for k in (1, 5, 10, 50, 100, 500, 1000, 10_000, 100_000) if k <= size]
    axes.set_xticks(ticks, [f"{k:,}" for k in ticks] if lowest else [""] * len(ticks))
    axes.set_xticks([], minor=True)


def _legend(figure: Any, entries: Sequence[Entry], look: dict[str, dict[str, Any]]) -> None:
    """Name the lines once above all panels, each name in the colour of its line."""
    lines = require("matplotlib.lines", "report", "drawing a report").Line2D
    handles = [
        lines(
            [],
            [],
            color=look[entry.label]["color"],
            linestyle=look[entry.label]["linestyle"],
            label=verbatim(entry.label),
        )
        for entry in entries
    ]
    handles.append(lines([], [], color=FAINT, linestyle=(0, (2, 2)), linewidth=0.9, label="chance"))
    legend = figure.legend(
        handles=handles,
        loc="upper left",
        ncols=len(handles),
        frameon=False,
        fontsize=SIZE,
        handlelength=2.0,
        labelcolor="linecolor",
        columnspacing=1.6,
    )
    for text in legend.get_texts():
        text.set_fontweight("bold")
