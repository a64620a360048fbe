"""What a node depends on, graphs of some nodes alone, graphs from drawn gates, and special cases."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trichord.errors import ConfigError
from trichord.graphs.building import build_graph
from trichord.graphs.gates import GateConfig, GateKind
from trichord.graphs.graph import EdgeConfig, GraphConfig, NodeConfig
from trichord.graphs.payloads import SimilarityConfig
from trichord.graphs.reach import heard_nodes, needed_nodes, only
from trichord.graphs.special import special_case
from trichord.graphs.text import parse_graph
from trichord.modality import STANDARD

CHAIN = """
tv: target T-V; a: peer T-V; b: peer T-V; c: peer T-V; d: peer T-V; both: ensemble a b
label -> tv: through; label -> a: through; label -> b: through; label -> c: through; label -> d: through
both -> tv: similarity through; c -> b: rows linear; tv -> d: gram through
"""


def read(text: str) -> GraphConfig:
    return parse_graph(text, STANDARD)


def node(role: str = "peer", start: str = "") -> NodeConfig:
    return NodeConfig(role=role, left=("text",), right=("video",), start=start)  # type: ignore[arg-type]


def drawn(source: str, target: str, kind: GateKind = "through") -> EdgeConfig:
    return EdgeConfig(source=source, target=target, payload=SimilarityConfig(), gate=GateConfig(kind=kind))


def test_members_of_an_ensemble_and_what_teaches_them_are_needed() -> None:
    graph = read(CHAIN)
    assert needed_nodes(graph) == ("tv", "a", "b", "c", "both")
    assert needed_nodes(graph, "b") == ("b", "c")
    assert needed_nodes(graph, "a") == ("a",)
    assert needed_nodes(graph, "both") == ("a", "b", "c", "both")
    assert needed_nodes(graph, "d") == ("tv", "a", "b", "c", "d", "both")
    with pytest.raises(ConfigError, match="no node 'bath'; did you mean 'both'"):
        needed_nodes(graph, "bath")


def test_an_edge_hears_its_ends_and_the_members_of_an_ensemble() -> None:
    assert heard_nodes(read(CHAIN)) == {"tv", "a", "b", "c", "d", "both"}
    silent = "tv: target T-V; a: peer T-V; b: peer T-V; c: peer T-V; two: ensemble a c"
    labels = "; ".join(f"label -> {name}: through" for name in ("tv", "a", "b", "c"))
    assert heard_nodes(read(f"{silent}; {labels}; a -> tv: rows cutoff")) == set()
    assert heard_nodes(read(f"{silent}; {labels}; a -> tv: rows cutoff; b -> tv: rows correct")) == {"tv", "b"}
    assert heard_nodes(read(f"{silent}; {labels}; two -> b: rows linear")) == {"two", "a", "c", "b"}


@given(st.integers(1, 5), st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12), st.data())
def test_needed_nodes_are_those_with_a_path(size: int, pairs: set[tuple[int, int]], data: st.DataObject) -> None:
    names = [f"n{i}" for i in range(size)]
    pairs = {(a, b) for a, b in pairs if a < size and b < size and a != b}
    kinds = {pair: data.draw(st.sampled_from(["through", "cutoff"])) for pair in sorted(pairs)}
    graph = GraphConfig(
        nodes={name: node("target" if name == "n0" else "peer") for name in names},
        edges=tuple(drawn(names[a], names[b], kind) for (a, b), kind in kinds.items()),
        labels={name: GateConfig() for name in names},
    )
    step = np.eye(size, dtype=int)
    for (a, b), kind in kinds.items():
        step[a, b] = kind == "through"
    closure = np.linalg.matrix_power(step, size) > 0
    for end in range(size):
        assert set(needed_nodes(graph, names[end])) == {names[i] for i in range(size) if closure[i, end]}


def test_a_graph_of_the_needed_nodes_alone() -> None:
    graph = read(CHAIN)
    kept = only(graph, needed_nodes(graph))
    assert "d" not in kept.nodes
    assert list(kept.nodes) == ["tv", "a", "b", "c", "both"]
    assert [edge.name for edge in kept.edges] == ["both -> tv", "c -> b"]
    assert set(kept.labels) == {"tv", "a", "b", "c"}
    assert only(kept, needed_nodes(kept)) == kept
    assert only(graph, list(graph.nodes)) == graph


def test_a_graph_that_lost_what_it_stands_on_is_refused() -> None:
    graph = read(CHAIN)
    with pytest.raises(ConfigError, match="ensemble both has a member 'b' that is no node"):
        only(graph, ("tv", "a", "both"))
    with pytest.raises(ConfigError, match="exactly one node that is its target"):
        only(graph, ("a", "b"))
    with pytest.raises(ConfigError, match="no node 'e'"):
        only(graph, ("tv", "e"))


def test_drawn_gates_make_the_published_graph() -> None:
    nodes = {"tv": node("target"), "a": node(), "b": node(start="runs/b"), "c": node()}
    edges = [drawn("a", "tv"), drawn("tv", "a", "cutoff"), drawn("b", "c", "linear"), drawn("c", "b", "cutoff")]
    labels = {"tv": GateConfig(), "a": GateConfig(kind="cutoff"), "c": GateConfig(kind="cutoff")}
    graph = build_graph(nodes, edges, labels, {"a": "runs/a", "c": "runs/c"})
    assert graph.nodes["a"] == node("frozen", "runs/a"), "nothing reaches it: trained alone before"
    assert graph.nodes["b"] == node("frozen", "runs/b"), "it keeps the start it has"
    assert graph.nodes["c"] == node(), "an edge reaches it"
    assert [edge.name for edge in graph.edges] == ["a -> tv", "b -> c"]
    assert graph.labels == {"tv": GateConfig()}


def test_every_drawn_graph_is_valid_or_has_a_target_that_never_learns() -> None:
    nodes = {"tv": node("target"), "a": node()}
    roles = []
    for there, back, own, other in product(("through", "cutoff"), repeat=4):
        edges = [drawn("tv", "a", there), drawn("a", "tv", back)]
        labels = {"tv": GateConfig(kind=own), "a": GateConfig(kind=other)}
        if (back, own) == ("cutoff", "cutoff"):
            with pytest.raises(ConfigError, match="every edge that ends at the target tv is Cutoff"):
                build_graph(nodes, edges, labels, {"a": "runs/a"})
        else:
            graph = build_graph(nodes, edges, labels, {"a": "runs/a"})
            assert graph.nodes["a"].role == ("frozen" if (there, other) == ("cutoff", "cutoff") else "peer")
            roles.append(graph.nodes["a"].role)
    assert (roles.count("frozen"), roles.count("peer")) == (3, 9)


def test_a_frozen_node_without_weights_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ends at a is Cutoff.*name one for a"):
        build_graph({"tv": node("target"), "a": node()}, [], {"tv": GateConfig()}, {})


THREE = "tv: target T-V; a: peer V-A; b: peer T-A; label -> tv: through; label -> a: through; label -> b: through; "
MUTUAL = "; ".join(f"{s} -> {t}: rows through" for s, t in permutations(("tv", "a", "b"), 2))
TAUGHT = "tv: target T-V; old: frozen T-V from x; older: frozen T-V from y; mean: ensemble old older; "


@pytest.mark.parametrize(
    ("text", "case"),
    [
        ("tv: target T-V; label -> tv: through", "independent training"),
        (THREE, "independent training"),
        (THREE + "tv -> a: rows through", "independent training"),
        ("tv: target T-V; label -> tv: linear", None),
        (THREE + MUTUAL, "deep mutual learning"),
        (THREE + "c: peer T-V; label -> c: through; tv -> c: rows linear;" + MUTUAL, "deep mutual learning"),
        (THREE + MUTUAL.replace("b -> a: rows through", "b -> a: rows linear"), None),
        (THREE + MUTUAL.replace("b -> a: rows through", "b -> a: cutoff"), None),
        (THREE + MUTUAL + " push", None),
        (THREE + MUTUAL + " weight=2", None),
        (TAUGHT + "label -> tv: through; old -> tv: gram through", "distillation"),
        (TAUGHT + "label -> tv: through; mean -> tv: rows through; old -> tv: gram through", "distillation"),
        (TAUGHT + "label -> tv: through; old -> tv: gram correct", None),
        (TAUGHT + "old -> tv: gram correct", "label-free learning"),
        (TAUGHT + "both: ensemble old tv; label -> tv: through; both -> tv: rows through", None),
        (THREE + "a -> tv: rows through", None),
    ],
)
def test_special_cases(text: str, case: str | None) -> None:
    assert special_case(read(text)) == case
