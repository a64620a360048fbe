"""The drawing of a graph: what is open is there once, nothing covers anything, and it reads without colour."""

from __future__ import annotations

import math
import re
from itertools import combinations, permutations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import GraphConfig, NodeConfig
from trichord.graphs.reach import needed_nodes
from trichord.graphs.text import parse_graph
from trichord.graphs.words import PAYLOADS, gate_words
from trichord.modality import STANDARD
from trichord.reports.graphs.drawing import draw_graph, graph_svg, word_size, write_drawing
from trichord.reports.graphs.facts import graph_facts
from trichord.reports.graphs.key import LETTERS, key_of
from trichord.reports.graphs.layout import GAP, RADIUS, arc, bow, overlaps, place_nodes, place_words
from trichord.reports.graphs.symbols import GATE_LOOK, PALE
from trichord.reports.plot_style import SERIES, VARIABLES

NAMES = ("tv", "va", "ta", "tva", "vat", "big_one", "ad")
WORDS = tuple(payload for payload in PAYLOADS if payload != "logits")
GATES = ("through", "linear", "negative-linear", "correct", "correct@5")
ROOM = 8.1
MIXED = """
tv: target T-V; all: peer T-V of AVT; ad: peer T-A adapter; old: frozen T-V from runs/vt; both: ensemble tv all
lonely: peer V-A model=linear; label -> lonely: through; tv -> lonely: gram linear
label -> tv: through; label -> all: cutoff; both -> tv: similarity linear; old -> tv: columns through weight=2
ad -> all: rows correct@5 push; label -> ad: negative-linear; ad -> tv: similarity cutoff
"""


def full(size: int) -> GraphConfig:
    """Return a graph of that many nodes in which everything is open, of every gate and payload."""
    text = [f"{name}: {'peer' if place else 'target'} T-V" for place, name in enumerate(NAMES[:size])]
    text += [f"label -> {name}: through" for name in NAMES[:size]]
    for number, (source, target) in enumerate(permutations(NAMES[:size], 2)):
        text.append(f"{source} -> {target}: {WORDS[7 * number % 6]} {GATES[3 * number % 5]}")
    return parse_graph("\n".join(text), STANDARD)


def drawn(svg: str) -> list[str]:
    return re.findall(r'id="graph-((?:edge|label)-[^"]+)"', svg)


def test_what_is_open_is_drawn_once_and_what_is_cut_off_is_not() -> None:
    graph = parse_graph(MIXED, STANDARD)
    svg = graph_svg(graph, STANDARD)
    assert sorted(drawn(svg)) == [
        *("edge-ad-all", "edge-both-tv", "edge-old-tv", "edge-tv-lonely", "label-ad", "label-lonely", "label-tv"),
    ]
    texts = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")]
    for word in (
        *graph.nodes,
        "T-V",
        "T-A",
        "of AVT",
        "adapter",
        "linear",
        "rows @5",
        "columns ×2",
        "bar: pushes apart",
    ):
        assert word in texts
    assert sum(text == "similarity" for text in texts) == 1
    assert sum(text == "is a member of" for text in texts) == 1


def test_in_a_crowded_drawing_letters_stand_for_payloads() -> None:
    texts = re.findall(r">([^<>\n]+)</text>", graph_svg(full(5), STANDARD))
    assert {"S", "R@5"} <= set(texts)
    assert set(WORDS) <= set(texts), "the key says what they are"
    assert sum(text in WORDS for text in texts) == len(WORDS)
    assert set(LETTERS) == set(PAYLOADS)
    assert len(set(LETTERS.values())) == len(LETTERS)


@pytest.mark.parametrize("size", range(1, 8))
def test_nodes_stand_apart_inside_the_room_with_the_target_on_top(size: int) -> None:
    graph = full(size)
    layout = place_nodes(graph, ROOM)
    places = layout.places
    assert all(places["tv"][1] > places[name][1] for name in places if name != "tv")
    assert all(math.dist(places[a], places[b]) > 2.6 * RADIUS for a, b in combinations(places, 2))
    for name, (x, y) in places.items():
        dx, dy = layout.outward[name]
        assert math.hypot(dx, dy) == pytest.approx(1)
        assert RADIUS < x + 0.5 * dx < ROOM - RADIUS, "the label edge, too"
        assert RADIUS < y + 0.5 * dy < layout.height - RADIUS


def test_the_target_is_on_top_wherever_it_is_named() -> None:
    graph = parse_graph("a: peer V-A; b: target T-V; label -> a: through; label -> b: through", STANDARD)
    places = place_nodes(graph, ROOM).places
    assert places["b"][1] > places["a"][1]


def test_an_arc_leads_from_rim_to_rim_and_bows_to_its_right() -> None:
    points = arc((0.0, 0.0), (3.0, 0.0), 0.2)
    assert np.linalg.norm(points[0]) == pytest.approx(RADIUS + GAP, abs=0.01)
    assert np.linalg.norm(points[-1] - np.array([3.0, 0.0])) == pytest.approx(RADIUS + GAP, abs=0.01)
    assert (points[:, 1] < 0).all(), "right of the way east is south"
    lowest = points[:, 1].min()
    assert lowest == pytest.approx(-3 * 0.2 / 2, abs=0.01), "a quadratic curve rises to half its control point"
    back = arc((3.0, 0.0), (0.0, 0.0), 0.2)
    assert (back[:, 1] > 0).all()


@pytest.mark.parametrize("size", [4, 5, 6, 7])
def test_edges_leave_a_node_of_a_circle_at_equal_angles(size: int) -> None:
    around = [(10 * math.cos(2 * math.pi * i / size), 10 * math.sin(2 * math.pi * i / size)) for i in range(size)]
    start, angles = around[0], []
    for other in around[1:]:
        for points in (arc(start, other, bow(size)), arc(other, start, bow(size))[::-1]):
            angles.append(math.atan2(points[0][1] - start[1], start[0] - points[0][0]))
    gaps = np.diff(sorted(angles))
    assert gaps == pytest.approx([math.pi / (2 * size)] * len(gaps), rel=0.1)


@pytest.mark.parametrize("size", range(2, 8))
def test_no_word_covers_another_or_a_node(size: int) -> None:
    graph = full(size)
    places = place_nodes(graph, ROOM).places
    arcs = [arc(places[edge.source], places[edge.target], bow(size)) for edge in graph.edges]
    words = [LETTERS[w] + "@5" * (i % 4 == 0) if size > 4 else w for i, w in enumerate(WORDS * 7)][: len(arcs)]
    sizes = np.array([word_size(word) for word in words])
    centres, nodes = np.array(list(places.values())), np.full((size, 2), 2 * RADIUS)
    spots = place_words(arcs, sizes, centres)
    assert np.triu(overlaps(spots, sizes, spots, sizes), 1).sum() == 0
    assert overlaps(spots, sizes, centres, nodes).sum() == 0
    for spot, points in zip(spots, arcs, strict=True):
        assert np.linalg.norm(points - spot, axis=1).min() == 0, "a word stands on its own edge"


def test_words_are_moved_off_each_other_and_only_then() -> None:
    line = np.stack([np.linspace(0, 10, 60), np.zeros(60)], 1)
    size, far = np.array([[1.0, 0.2]]), np.array([[50.0, 50.0]])
    [alone] = place_words([line], size, far)
    assert alone[0] == pytest.approx(4.5, abs=0.1)
    both = place_words([line, line], np.repeat(size, 2, 0), far)
    assert abs(both[0, 0] - both[1, 0]) >= 1.0
    [aside] = place_words([line], size, np.array([[4.5, 0.0]]))
    assert abs(aside[0] - 4.5) >= RADIUS + 0.5
    assert place_words([], np.zeros((0, 2)), far).shape == (0, 2)


def test_rectangles_overlap_where_they_do() -> None:
    centres = np.array([[0.0, 0.0], [1.5, 0.25], [2.0, 0.0], [1.5, 3.0]])
    areas = overlaps(centres[:1], np.array([[2.0, 1.0]]), centres, np.tile([[2.0, 1.0]], (4, 1)))
    assert areas[0] == pytest.approx([2.0, 0.5 * 0.75, 0.0, 0.0])


def test_texts_are_as_small_as_the_layout_believes() -> None:
    figure = draw_graph(full(3), STANDARD)
    renderer = FigureCanvasAgg(figure).get_renderer()
    [axes] = figure.axes
    per_inch = figure.dpi
    names = [text for text in axes.texts if text.get_text() in NAMES]
    assert len(names) == 3
    for text in axes.texts:
        extent = text.get_window_extent(renderer)
        if text.get_text() in WORDS:
            width, height = word_size(text.get_text())
            assert extent.width / per_inch <= width
            assert extent.height / per_inch <= height
        if text in names:
            assert extent.width / per_inch <= 2 * RADIUS


def test_a_long_name_fits_into_its_node() -> None:
    name = "a_network_of_many_words"
    figure = draw_graph(parse_graph(f"{name}: target T-V; label -> {name}: through", STANDARD), STANDARD)
    renderer = FigureCanvasAgg(figure).get_renderer()
    [text] = [text for text in figure.axes[0].texts if text.get_text() == name]
    assert text.get_window_extent(renderer).width / figure.dpi < 2 * 0.9 * RADIUS


def test_gates_differ_in_line_and_in_colour() -> None:
    assert {kind.replace(" ", "-") for kind in GATE_LOOK} == set(gate_words()) - {"cutoff"}
    assert len({colour for colour, _ in GATE_LOOK.values()}) == len({str(line) for _, line in GATE_LOOK.values()}) == 4


def test_lines_have_the_look_of_their_gate_and_what_is_not_needed_is_pale() -> None:
    graph = parse_graph(MIXED, STANDARD)
    lines = {line.get_gid(): line for line in draw_graph(graph, STANDARD).axes[0].lines if line.get_gid()}
    for edge in graph.edges:
        if edge.gate.open:
            line = lines[f"edge-{edge.source}-{edge.target}"]
            assert to_hex(line.get_color()) == GATE_LOOK[edge.gate.kind][0]
            assert line.get_alpha() == (1.0 if edge.target in needed_nodes(graph) else PALE)
    assert lines["edge-tv-lonely"].get_alpha() == lines["label-lonely"].get_alpha() == PALE


def test_the_key_names_what_occurs_and_nothing_else() -> None:
    graph = parse_graph("tv: target T-V; label -> tv: through", STANDARD)
    assert [(line.kind, line.sign) for line in key_of(graph, ("tv",), letters=False) if line.kind != "heading"] == [
        ("role", "target"),
        ("gate", "through"),
        ("label", "through"),
    ]
    mixed = parse_graph(MIXED, STANDARD)
    lines = key_of(mixed, needed_nodes(mixed), letters=False)
    assert {line.sign for line in lines if line.kind == "role"} == {"target", "peer", "frozen", "ensemble"}
    assert {line.sign for line in lines if line.kind == "gate"} == set(GATE_LOOK)
    assert {"pale", "effect", "member", "top"} <= {line.kind for line in lines}


def test_colours_follow_the_page_into_the_dark(tmp_path: Path) -> None:
    graph = full(3)
    svg = graph_svg(graph, STANDARD)
    bare = re.sub(r"var\(--[a-z0-9-]+, #[0-9a-f]{6}\)", "", svg)
    assert not [colour for colour in VARIABLES if colour in bare]
    assert f"var(--series-1, {SERIES[0]})" in svg
    assert ":root" not in svg, "on a page the page decides"
    write_drawing(tmp_path / "graph.svg", None, graph, STANDARD)
    alone = (tmp_path / "graph.svg").read_text()
    assert "prefers-color-scheme: dark" in alone
    assert alone.count("--series-4:") == 2
    assert ElementTree.fromstring(alone).tag.endswith("svg")


def test_files_are_written_whole_and_foreign_texts_stay_texts(tmp_path: Path) -> None:
    label = 'a<b & "$x$"'
    graph = GraphConfig(
        nodes={"a": NodeConfig(role="target", left=("video",), label=label)}, labels={"a": GateConfig()}
    )
    write_drawing(tmp_path / "a.svg", tmp_path / "a.png", graph, STANDARD, title="of $5 & <more>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg"]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    texts = [element.text for element in root.iter() if element.tag.endswith("}text")]
    assert "of $5 & <more>" in texts
    assert any(text and text.startswith("V>") and "a<b &" in text and "$x$" in text for text in texts)
    assert graph_svg(graph, STANDARD) == graph_svg(graph, STANDARD), "the same graph gives the same drawing"


def test_facts_of_a_graph() -> None:
    facts = graph_facts(parse_graph(MIXED, STANDARD), STANDARD)
    assert facts.networks == ("tv", "all", "ad", "old", "lonely")
    assert facts.learning == ("tv", "all", "ad", "lonely")
    assert facts.needed == ("tv", "all", "ad", "old", "both")
    assert facts.trained == ("tv", "all", "ad")
    assert facts.unneeded == ("lonely",)
    assert facts.special_case is None
    assert parse_graph(facts.text, STANDARD) == parse_graph(MIXED, STANDARD)
