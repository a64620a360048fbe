"""Learning curves: validation and training loss by epoch, one column of panels per stage, one line per order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trichord.reports.curves import StageCurve
from trichord.reports.entries import Entry
from trichord.reports.plot_style import (
    FAINT,
    PAPER,
    SMALL,
    Margins,
    name_panel,
    panels,
    spread_labels,
    styles,
    to_svg,
    verbatim,
)


@dataclass(frozen=True)
class Line:
    """Mean over seeds of one curve, and its lowest and highest seed.

    Args:
        label: what to write at its end.
        x, middle, low, high: points; epochs that every seed has.
        mark: epoch to mark: the mean of the seeds' best epochs; None without one.
    """

    label: str
    x: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mark: float | None


def plot_curves(entries: Sequence[Entry]) -> str | None:
    """Draw validation (above) and training loss (below) of every stage; None when no entry has a curve.

    Panels of one row do not share their vertical axis: a stage is validated on the tasks among its own modalities, so
    that its height says nothing about another stage. What may be compared is the shape.
    """
    trained = [entry for entry in entries if any(entry.curves)]
    num_stages = max((len(curves) for entry in trained for curves in entry.curves), default=0)
    if num_stages == 0:
        return None
    look = styles([(entry.label, entry.kind) for entry in entries])
    figure, grid = panels(2, num_stages, 1.95, Margins(bottom=0.5, columns=0.6))
    for stage in range(num_stages):
        above, below = grid[stage], grid[num_stages + stage]
        _draw(above, trained, stage, "values", look)
        _draw(below, trained, stage, "losses", look)
        name = f"Stage {stage + 1}"
        name_panel(above, f"{name}: validation")
        name_panel(below, f"{name}: training loss", "epoch")
    description = "validation metric and training loss by epoch, for every stage and order"
    return to_svg(figure, "curves", description)


def mean_line(label: str, curves: Sequence[StageCurve], which: str) -> Line | None:
    """Average the curves of several seeds over the epochs that all of them have; None when there are none.

    Args:
        which: "values" for validation, "losses" for the training loss.
    """
    points = [
        dict(
            zip(curve.epochs, curve.values, strict=True)
            if which == "values"
            else zip(curve.loss_epochs, curve.losses, strict=True)
        )
        for curve in curves
    ]
    shared = sorted(set.intersection(*map(set, points))) if points else []
    if not shared:
        return None
    heights = np.array([[point[epoch] for epoch in shared] for point in points])
    best = [curve.best_epoch for curve in curves if curve.best_epoch is not None]
    mark = float(np.mean(best)) if best and which == "values" else None
    return Line(label, np.array(shared, float), heights.mean(0), heights.min(0), heights.max(0), mark)


def _draw(axes: Any, entries: Sequence[Entry], stage: int, which: str, look: dict[str, dict[str, Any]]) -> None:
    lines = []
    for entry in entries:
        curves = [seed[stage] for seed in entry.curves if len(seed) > stage]
        line = mean_line(entry.label, curves, which)
        if line is None:
            continue
        lines.append(line)
        style = look[entry.label]
        colour, dashes = style["color"], style["linestyle"]
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.14, linewidth=0)
        axes.plot(line.x, line.middle, color=colour, linewidth=1.7, linestyle=dashes, solid_capstyle="round")
        if line.mark is not None:
            height = float(np.interp(line.mark, line.x, line.middle))
            axes.plot(
                [line.mark],
                [height],
                marker=style["marker"],
                markersize=6,
                color=colour,
                markeredgecolor=PAPER,
                markeredgewidth=0.8,
            )
    if not lines:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "nothing recorded", transform=axes.transAxes, ha="center", color=FAINT, fontsize=SMALL)
        return
    _name_ends(axes, lines, look)


def _name_ends(axes: Any, lines: Sequence[Line], look: dict[str, dict[str, Any]]) -> None:
    """Write every line's label beside its end, moved apart where they would overlap."""
    right = max(float(line.x[-1]) for line in lines)
    left = min(float(line.x[0]) for line in lines)
    axes.set_xlim(left, right + max(1.0, right - left) * 0.16)
    axes.margins(y=0.06)
    bottom, top = axes.get_ylim()
    gap = (top - bottom) * 0.085
    ends = [float(line.middle[-1]) for line in lines]
    for line, end, height in zip(lines, ends, spread_labels(ends, gap, bottom + gap / 2), strict=True):
        colour = look[line.label]["color"]
        axes.annotate(
            verbatim(line.label),
            (float(line.x[-1]), end),
            (right + max(1.0, right - left) * 0.025, height),
            textcoords="data",
            va="center",
            fontsize=SMALL,
            color=colour,
            fontweight="bold",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.5, "shrinkA": 0, "shrinkB": 0},
        )
    axes.xaxis.get_major_locator().set_params(integer=True)
