"""A graph as a drawing: nodes by role, edges by gate, in colours and lines that read without colour too."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from trichord.files import write_atomically, write_text
from trichord.graphs.graph import EdgeConfig, GraphConfig, NodeConfig
from trichord.graphs.node_text import spell_sides
from trichord.graphs.reach import needed_nodes
from trichord.graphs.text import spell_graph
from trichord.graphs.words import payload_word, spell_value
from trichord.modality import Modality
from trichord.reports.graphs.key import LETTERS, draw_key, key_height, key_of
from trichord.reports.graphs.layout import GAP, RADIUS, Layout, arc, bow, place_nodes, place_words
from trichord.reports.graphs.symbols import (
    GATE_LOOK,
    LINE,
    PALE,
    THIN,
    draw_edge,
    draw_label_edge,
    draw_member,
    draw_node,
    text_colour,
)
from trichord.reports.plot_style import (
    PAPER,
    SIZE,
    SMALL,
    WIDTH,
    Margins,
    name_panel,
    panels,
    to_svg,
    verbatim,
)

KEY = 2.9
"""Width of the key, in inches."""
CROWDED = 12
"""Number of edges above which payloads are written as letters."""
LABEL_LENGTH = 0.42
EDGE_WORD = SMALL - 0.5
"""Size of a word on an edge, in points."""
DOTS = 170
"""Dots per inch of a PNG file."""
AROUND: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.2}


def draw_graph(graph: GraphConfig, known: Sequence[Modality], *, title: str = "") -> Any:
    """Draw a graph.

    The target stands at the top. Edges that are Cutoff are not drawn; nodes and edges on which the target's numbers do
    not depend are pale. Payloads stand on their edges, as letters where there are many.

    Args:
        graph: the graph.
        known: the modalities of the data set.
        title: written above it.

    Returns:
        A matplotlib figure of page width.

    Raises:
        TrichordError: matplotlib is not installed.
    """
    edges = [edge for edge in graph.edges if edge.gate.open]
    needed = needed_nodes(graph)
    letters = len(edges) > CROWDED
    key = key_of(graph, needed, letters=letters)
    layout = place_nodes(graph, WIDTH - KEY)
    height = max(layout.height, key_height(key) + 0.2)
    margins = Margins(left=0.0, right=0.0, top=0.4 if title else 0.0, bottom=0.0)
    figure, [axes] = panels(1, 1, height, margins)
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    low = (layout.height - height) / 2
    axes.set_ylim(low, low + height)
    if title:
        name_panel(axes, title)
    _draw_members(axes, graph, layout, needed)
    _draw_labels(axes, graph, layout, needed)
    _draw_edges(axes, graph, edges, layout, needed, letters=letters)
    for name, node in graph.nodes.items():
        _draw_node(axes, name, node, known, layout, _alpha(name, needed))
    draw_key(axes, key, WIDTH - KEY + 0.15, low + (height + key_height(key)) / 2)
    return figure


def graph_svg(graph: GraphConfig, known: Sequence[Modality], *, title: str = "", name: str = "graph") -> str:
    """Return the drawing as one `<svg>` element for a page, in the page's colours.

    Args:
        graph: the graph.
        known: the modalities of the data set.
        title: written above it.
        name: identifier, unique on its page.
    """
    words = spell_graph(graph, known, separator="; ")
    return to_svg(draw_graph(graph, known, title=title), name, f"knowledge transfer graph: {words}")


def write_drawing(
    path_svg: str | Path | None,
    path_png: str | Path | None,
    graph: GraphConfig,
    known: Sequence[Modality],
    *,
    title: str = "",
) -> None:
    """Write the drawing as files, atomically; a file whose path is None is not written.

    The SVG file stands on its own: it has the palette of the pages in it, the dark one for readers who like it dark.
    """
    if path_svg is not None:
        svg = graph_svg(graph, known, title=title)
        place = svg.index(">") + 1
        write_text(path_svg, f"{svg[:place]}<style>{_palette()}</style>{svg[place:]}\n")
    if path_png is not None:
        figure = draw_graph(graph, known, title=title)
        figure.patch.set(facecolor=PAPER, alpha=1.0)
        write_atomically(path_png, lambda file: figure.savefig(file, format="png", dpi=DOTS, **AROUND))


def word_size(word: str) -> tuple[float, float]:
    """Return the width and height in inches that a word on an edge takes; given, as everywhere, not measured."""
    return 0.7 * EDGE_WORD / 72 * len(word) + 0.06, 1.4 * EDGE_WORD / 72


def _palette() -> str:
    """Return the variables of the page's style sheet, which come first in it, and a background."""
    sheet = (files("trichord.reports") / "page.css").read_text(encoding="utf-8")
    variables, everything_else, _ = sheet.partition("\n* {")
    assert everything_else, "page.css begins with its variables"
    return f"{variables} svg {{ background: var(--paper); }}"


def _alpha(name: str, needed: Sequence[str]) -> float:
    return 1.0 if name in needed else PALE


def _draw_members(axes: Any, graph: GraphConfig, layout: Layout, needed: Sequence[str]) -> None:
    for name, node in graph.nodes.items():
        for member in node.members:
            draw_member(axes, layout.places[member], layout.places[name], alpha=_alpha(name, needed))


def _draw_labels(axes: Any, graph: GraphConfig, layout: Layout, needed: Sequence[str]) -> None:
    for name, gate in graph.labels.items():
        if gate.open:
            (x, y), (dx, dy) = layout.places[name], layout.outward[name]
            near, far = RADIUS + GAP, RADIUS + GAP + LABEL_LENGTH
            start, end = (x + far * dx, y + far * dy), (x + near * dx, y + near * dy)
            draw_label_edge(axes, start, end, gate.kind, alpha=_alpha(name, needed), name=f"label-{name}")


def _draw_edges(
    axes: Any,
    graph: GraphConfig,
    edges: Sequence[EdgeConfig],
    layout: Layout,
    needed: Sequence[str],
    *,
    letters: bool,
) -> None:
    arcs = [arc(layout.places[edge.source], layout.places[edge.target], bow(len(graph.nodes))) for edge in edges]
    words = [_edge_text(edge, letters=letters) for edge in edges]
    sizes = np.array([word_size(word) for word in words]).reshape(-1, 2)
    spots = place_words(arcs, sizes, np.array(list(layout.places.values())))
    for edge, points, word, place in zip(edges, arcs, words, spots, strict=True):
        alpha = _alpha(edge.target, needed)
        width, name = THIN if letters else LINE, f"edge-{edge.source}-{edge.target}"
        draw_edge(axes, points, edge.gate.kind, edge.effect, alpha=alpha, width=width, name=name)
        axes.text(
            *place,
            verbatim(word),
            ha="center",
            va="center",
            fontsize=EDGE_WORD,
            color=GATE_LOOK[edge.gate.kind][0],
            fontweight="bold",
            alpha=alpha,
            zorder=2.6,
            bbox={"facecolor": PAPER, "edgecolor": "none", "boxstyle": "square,pad=0.12"},
        )


def _edge_text(edge: EdgeConfig, *, letters: bool) -> str:
    """Write what an edge passes, the places of a gate that is correct in several, and a weight that is not 1."""
    word = payload_word(edge.payload)
    parts = [LETTERS.get(word, word) if letters else word]
    parts += [f"@{edge.gate.top}"] if edge.gate.top > 1 else []
    parts += [f"×{spell_value(edge.weight)}"] if edge.weight != 1 else []
    return ("" if letters else " ").join(parts)


def _draw_node(axes: Any, name: str, node: NodeConfig, known: Sequence[Modality], layout: Layout, alpha: float) -> None:
    x, y = place = layout.places[name]
    draw_node(axes, node.role, place, RADIUS, alpha)
    more = ", ".join(filter(None, (f"of {node.order}" if node.order else "", node.model, "adapter" * node.adapter)))
    lines = [(name, SIZE, "bold"), (spell_sides(node, known), SMALL, "normal"), (more, SMALL - 1.5, "normal")]
    lines = [line for line in lines if line[0]]
    for number, (text, size, weight) in enumerate(lines):
        axes.text(
            x,
            y + 0.15 * ((len(lines) - 1) / 2 - number),
            verbatim(text),
            ha="center",
            va="center",
            fontsize=_fitting(text, size),
            fontweight=weight,
            color=text_colour(node.role),
            alpha=alpha,
            zorder=4,
        )


def _fitting(text: str, size: float) -> float:
    """Return the size at which a text fits into a node."""
    return min(size, 1.6 * RADIUS * 72 / (0.68 * len(text)))
