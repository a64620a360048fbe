"""Where the nodes, edges and words of a drawing go, in inches: geometry only.

Nodes stand on an ellipse, the target at its top. An edge is an arc that bows to its own right, so that the two edges
between a pair of nodes part. Words on edges are moved along their arcs until they lie free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trichord.graphs.graph import GraphConfig
from trichord.shapes import Float

Point = tuple[float, float]
RADIUS = 0.45
"""Half the width of a node."""
GAP = 0.05
"""Between a node and the ends of its edges."""
OUTSIDE = 0.62
"""Room around the ellipse of the nodes' centres beyond their radius: for label edges."""
STEPS = 60
REACH, MIDDLE = (0.08, 0.84), 0.45
"""Between which shares of an arc its word may stand, and where it would rather."""
COVERED, CROSSED, CLEAR = 300.0, 0.2, 0.04
"""What a square inch of another word and a point of another arc count against a place; room around a word in inches."""
ROUNDS = 3
RADII: dict[int, Point] = {1: (0.0, 0.0), 2: (0.0, 1.25), 3: (2.1, 1.55), 4: (2.5, 1.75), 5: (2.8, 2.05)}
"""Number of nodes -> half axes of the ellipse."""
MOST: Point = (3.0, 2.75)


@dataclass(frozen=True)
class Layout:
    """Where the nodes of a graph stand.

    Args:
        places: name -> centre.
        outward: name -> unit vector that points away from the middle.
        width, height: room that nodes, edges and label edges take.
    """

    places: dict[str, Point]
    outward: dict[str, Point]
    width: float
    height: float


def place_nodes(graph: GraphConfig, width: float) -> Layout:
    """Place the nodes, the target at the top and the others after it, clockwise, in the order of the graph.

    Args:
        graph: the graph.
        width: of the room in whose middle they stand.
    """
    others = [name for name in graph.nodes if name != graph.target]
    names = [graph.target, *others]
    across, up = RADII.get(len(names), MOST)
    height = 2 * (up + RADIUS + OUTSIDE)
    angles = [math.pi / 2 - 2 * math.pi * place / len(names) for place in range(len(names))]
    units = [(math.cos(angle), math.sin(angle)) for angle in angles]
    lowest, highest = min(y for _, y in units) * up, max(y for _, y in units) * up
    height = highest - lowest + 2 * (RADIUS + OUTSIDE)
    middle = (width / 2, RADIUS + OUTSIDE - lowest)
    places = {n: (middle[0] + across * x, middle[1] + up * y) for n, (x, y) in zip(names, units, strict=True)}
    return Layout(places, dict(zip(names, units, strict=True)), width, height)


def bow(num_nodes: int) -> float:
    """Return how far the middle of an arc's bend lies beside the straight line, as a share of its length.

    Lines to neighbouring nodes of a circle of n leave a node pi / n apart; arcs that leave at pi / (4 n) beside their
    line are all as far from each other.
    """
    return math.tan(math.pi / (4 * max(num_nodes, 3))) / 2 if num_nodes > 3 else 0.2


def arc(start: Point, end: Point, bend: float) -> Float[np.ndarray, "steps 2"]:
    """Return points on the arc from the rim of one node to that of another; it bows to the right of its direction."""
    a, b = np.array(start), np.array(end)
    along = b - a
    control = (a + b) / 2 + bend * np.array([along[1], -along[0]])
    t = np.linspace(0.0, 1.0, 8 * STEPS)[:, None]
    points = (1 - t) ** 2 * a + 2 * t * (1 - t) * control + t**2 * b
    room = RADIUS + GAP
    free = (np.linalg.norm(points - a, axis=1) >= room) & (np.linalg.norm(points - b, axis=1) >= room)
    inside = points[free]
    chosen = np.linspace(0, len(inside) - 1, STEPS).round().astype(int)
    found: np.ndarray = inside[chosen]
    return found


def place_words(
    arcs: Sequence[Float[np.ndarray, "steps 2"]],
    sizes: Float[np.ndarray, "arcs 2"],
    places: Float[np.ndarray, "nodes 2"],
) -> Float[np.ndarray, "arcs 2"]:
    """Choose for the word of every arc a point on it, where it hides as little as can be of other words and arcs.

    Args:
        arcs: the arcs.
        sizes: width and height of each word.
        places: centres of the nodes, on which no word may lie.

    Returns:
        Centre of every word.
    """
    if not arcs:
        return np.zeros((0, 2))
    shares = np.linspace(*REACH, 58)
    options = np.stack([points[(shares * (len(points) - 1)).round().astype(int)] for points in arcs])
    nodes = np.full((len(places), 2), 2 * RADIUS)
    fixed = [
        np.abs(shares - MIDDLE)
        + CROSSED * _inside(options[i], sizes[i], np.concatenate([*arcs[:i], *arcs[i + 1 :], np.zeros((0, 2))]))
        + COVERED * overlaps(options[i], sizes[[i]] + CLEAR, places, nodes).sum(1)
        for i in range(len(arcs))
    ]
    chosen = options[:, int(np.argmin(np.abs(shares - MIDDLE)))].copy()
    for _ in range(ROUNDS):
        for i in range(len(arcs)):
            areas = overlaps(options[i], sizes[[i]] + CLEAR, chosen, sizes)
            areas[:, i] = 0
            chosen[i] = options[i][int(np.argmin(fixed[i] + COVERED * areas.sum(1)))]
    return chosen


def overlaps(
    centres: Float[np.ndarray, "n 2"],
    sizes: Float[np.ndarray, "n_or_1 2"],
    other_centres: Float[np.ndarray, "m 2"],
    other_sizes: Float[np.ndarray, "m 2"],
) -> Float[np.ndarray, "n m"]:
    """Return the area that each of some upright rectangles has in common with each of some others."""
    apart = np.abs(centres[:, None] - other_centres[None])
    shared = (sizes[:, None] + other_sizes[None]) / 2 - apart
    found: np.ndarray = shared.clip(0).prod(2)
    return found


def _inside(
    centres: Float[np.ndarray, "n 2"], size: Float[np.ndarray, " 2"], points: Float[np.ndarray, "points 2"]
) -> Float[np.ndarray, " n"]:
    """Return how many of the points lie within a rectangle around each of the centres."""
    found: np.ndarray = (np.abs(centres[:, None] - points[None]) <= size / 2).all(2).sum(1).astype(float)
    return found
