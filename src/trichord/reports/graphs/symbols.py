"""The signs a drawing of a graph is made of: shapes of nodes by role, lines by gate, heads by effect."""

from __future__ import annotations

from typing import Any

import numpy as np

from trichord.graphs.gates import GateKind
from trichord.graphs.graph import Effect, Role
from trichord.optional import require
from trichord.reports.plot_style import BASELINE, FAINT, INK, PAPER, RULE, SERIES
from trichord.shapes import Float

GATE_LOOK: dict[GateKind, tuple[str, Any]] = {
    "through": (SERIES[0], "-"),
    "linear": (SERIES[2], (0, (6.5, 1.8))),
    "negative linear": (SERIES[1], (0, (5.0, 1.4, 1.0, 1.4))),
    "correct": (SERIES[3], (0, (1.3, 1.1))),
}
"""Open gate -> colour and line."""
LABEL_SIZE = 0.055
"""Radius of the dot that a label edge starts from, in inches."""
PALE = 0.3
"""Opacity of what does not matter for the target."""
LINE, THIN = 1.6, 1.15
"""Widths of edges in points: usually, and where there are many."""
HEAD, BAR = 0.15, 0.2
"""Length of the head of an edge that pulls, width of the bar of one that pushes, in inches."""


def draw_node(axes: Any, role: Role, centre: tuple[float, float], radius: float, alpha: float) -> None:
    """Draw the shape of a node: a full disc with a ring around it, a circle, a square, a dashed hexagon."""
    patches = require("matplotlib.patches", "report", "drawing a graph")
    x, y = centre
    line = {"linewidth": 1.4, "alpha": alpha, "zorder": 3}
    if role == "target":
        axes.add_patch(patches.Circle(centre, radius, facecolor=PAPER, edgecolor=INK, **line))
        axes.add_patch(patches.Circle(centre, 0.9 * radius, facecolor=INK, edgecolor=INK, **line))
    elif role == "peer":
        axes.add_patch(patches.Circle(centre, radius, facecolor=PAPER, edgecolor=INK, **line))
    elif role == "frozen":
        side = 1.72 * radius
        corner = (x - side / 2, y - side / 2)
        axes.add_patch(patches.Rectangle(corner, side, side, facecolor=RULE, edgecolor=BASELINE, **line))
    else:
        shape = patches.RegularPolygon(centre, 6, radius=1.08 * radius, facecolor=PAPER, edgecolor=INK, **line)
        shape.set_linestyle((0, (3, 2)))
        axes.add_patch(shape)


def text_colour(role: Role) -> str:
    """Return the colour of a text on a node."""
    return PAPER if role == "target" else INK


def draw_edge(
    axes: Any,
    points: Float[np.ndarray, "steps 2"],
    gate: GateKind,
    effect: Effect,
    *,
    alpha: float = 1.0,
    width: float = LINE,
    name: str | None = None,
) -> None:
    """Draw an edge along points: line and colour by its gate, an arrow head where it pulls, a bar where it pushes.

    Args:
        axes: axes in inches.
        points: from the rim of the source to that of the target.
        gate: an open gate.
        effect: of the edge.
        alpha: opacity.
        width: of the line, in points; the head grows with it.
        name: id of the line in the SVG file.
    """
    patches = require("matplotlib.patches", "report", "drawing a graph")
    colour, dashes = GATE_LOOK[gate]
    tip, head, bar = points[-1], HEAD * width / LINE, BAR * width / LINE
    before = np.linalg.norm(points - tip, axis=1) >= 0.8 * head
    body = points[before] if effect == "pull" else points
    direction = tip - points[before][-1]
    direction = direction / np.linalg.norm(direction)
    across = np.array([-direction[1], direction[0]])
    style = {"color": colour, "alpha": alpha, "zorder": 2}
    [line] = axes.plot(body[:, 0], body[:, 1], linestyle=dashes, linewidth=width, dash_capstyle="butt", **style)
    line.set_gid(name)
    if effect == "pull":
        back = tip - head * direction
        corners = [tip, back + 0.38 * head * across, back - 0.38 * head * across]
        axes.add_patch(patches.Polygon(corners, closed=True, linewidth=0, **style))
    else:
        ends = np.array([tip + bar / 2 * across, tip - bar / 2 * across])
        axes.plot(ends[:, 0], ends[:, 1], linewidth=2 * width, solid_capstyle="butt", **style)


def draw_label_edge(
    axes: Any,
    start: tuple[float, float],
    end: tuple[float, float],
    gate: GateKind,
    *,
    alpha: float = 1.0,
    name: str | None = None,
) -> None:
    """Draw a label edge: a dot, and a line with a head that leads from it to its node."""
    patches = require("matplotlib.patches", "report", "drawing a graph")
    colour, _ = GATE_LOOK[gate]
    draw_edge(axes, np.linspace(start, end, 40), gate, "pull", alpha=alpha, name=name)
    axes.add_patch(patches.Circle(start, LABEL_SIZE, facecolor=colour, linewidth=0, alpha=alpha, zorder=2.5))


def draw_member(axes: Any, start: tuple[float, float], end: tuple[float, float], *, alpha: float = 1.0) -> None:
    """Draw that a node is a member of an ensemble: a thin straight line without a head."""
    style = {"color": FAINT, "linewidth": 0.9, "linestyle": (0, (1, 1.6)), "alpha": alpha, "zorder": 1}
    axes.plot([start[0], end[0]], [start[1], end[1]], **style)
