"""The key of a drawing: one line for every sign that occurs in it, and for no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trichord.graphs.graph import GraphConfig
from trichord.graphs.words import payload_word
from trichord.reports.graphs.symbols import (
    PALE,
    draw_edge,
    draw_label_edge,
    draw_member,
    draw_node,
)
from trichord.reports.plot_style import FAINT, INK, SMALL

LETTERS = {
    "similarity": "S",
    "rows": "R",
    "columns": "C",
    "gram": "G",
    "centroids": "K",
    "embedding": "E",
    "logits": "L",
}
"""What stands for a payload where there is no room for its word."""
ROLES = {
    "target": "target",
    "peer": "peer, learns beside it",
    "frozen": "frozen, never learns",
    "ensemble": "ensemble of its members",
}
GATES = {
    "through": "through",
    "linear": "linear, 0 to 1",
    "negative linear": "negative linear, 1 to 0",
    "correct": "correct, where the source is right",
}
STEP = 0.25
"""Height of a line in inches."""
SIGN = 0.42
"""Width of a sign."""


@dataclass(frozen=True)
class Line:
    """A line of the key.

    Args:
        kind: "heading", "role", "gate", "effect", "label", "member", "payload" or "pale".
        sign: which of its kind.
        text: what it means.
    """

    kind: str
    sign: str
    text: str


def key_of(graph: GraphConfig, needed: Sequence[str], *, letters: bool) -> list[Line]:
    """Return the lines of a key.

    Args:
        graph: the graph.
        needed: names of the nodes that matter for the target.
        letters: whether payloads are written as letters.
    """
    return list(_lines(graph, needed, letters=letters))


def _lines(graph: GraphConfig, needed: Sequence[str], *, letters: bool) -> Iterator[Line]:
    edges = [edge for edge in graph.edges if edge.gate.open]
    labels = [gate for gate in graph.labels.values() if gate.open]
    roles = {node.role for node in graph.nodes.values()}
    gates = {edge.gate.kind for edge in edges} | {gate.kind for gate in labels}
    effects = {edge.effect for edge in edges}
    yield Line("heading", "", "nodes")
    yield from (Line("role", role, text) for role, text in ROLES.items() if role in roles)
    if set(graph.nodes) - set(needed):
        yield Line("pale", "", "pale: the target does not need it")
    yield Line("heading", "", "edges, by gate")
    yield from (Line("gate", kind, text) for kind, text in GATES.items() if kind in gates)
    if any(edge.gate.top > 1 for edge in edges):
        yield Line("top", "@k", "right: among its first k")
    if labels:
        yield Line("label", "through", "from a dot: the node's own loss")
    if "push" in effects:
        yield Line("effect", "push", "bar: pushes apart")
    if "ensemble" in roles:
        yield Line("member", "", "is a member of")
    if letters:
        yield Line("heading", "", "what is passed")
        used = dict.fromkeys(payload_word(edge.payload) for edge in edges)
        yield from (Line("payload", LETTERS[word], word) for word in LETTERS if word in used)


def key_height(lines: Sequence[Line]) -> float:
    """Return the height of a key in inches."""
    return STEP * sum(1.35 if line.kind == "heading" else 1.0 for line in lines)


def draw_key(axes: Any, lines: Sequence[Line], left: float, top: float) -> None:
    """Draw a key below a point, in axes whose unit is an inch."""
    y = top
    for line in lines:
        y -= STEP * (1.35 if line.kind == "heading" else 1.0)
        middle = y + STEP / 2
        if line.kind == "heading":
            axes.text(left, middle, line.text, va="center", fontsize=SMALL, color=FAINT)
            continue
        _draw_sign(axes, line, left, middle)
        axes.text(left + SIGN + 0.12, middle, line.text, va="center", fontsize=SMALL, color=INK)


def _draw_sign(axes: Any, line: Line, left: float, middle: float) -> None:
    start, end = (left, middle), (left + SIGN, middle)
    centre = (left + SIGN / 2, middle)
    if line.kind == "role":
        draw_node(axes, line.sign, centre, 0.095, 1.0)  # type: ignore[arg-type]  # one of the roles
    elif line.kind == "pale":
        draw_node(axes, "peer", centre, 0.095, PALE)
    elif line.kind in ("gate", "effect"):
        gate, effect = (line.sign, "pull") if line.kind == "gate" else ("through", line.sign)
        draw_edge(axes, np.linspace(start, end, 40), gate, effect)  # type: ignore[arg-type]  # both from the key
    elif line.kind == "label":
        draw_label_edge(axes, start, end, "through")
    elif line.kind == "member":
        draw_member(axes, start, end)
    else:
        axes.text(*centre, line.sign, ha="center", va="center", fontsize=SMALL, fontweight="bold", color=INK)
