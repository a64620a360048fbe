"""Every rule of graphs is broken once, and the message names the place and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trichord.errors import ConfigError
from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import EdgeConfig, GraphConfig, NodeConfig
from trichord.graphs.payload import PayloadConfig
from trichord.graphs.payloads import CentroidsConfig, EmbeddingConfig, GramConfig, LogitsConfig, SimilarityConfig
from trichord.graphs.rules import find_cycle, label_of, unreached

THROUGH, CUTOFF = GateConfig(), GateConfig(kind="cutoff")
TV = NodeConfig(role="target", left=("text",), right=("video",))
VA = NodeConfig(role="peer", left=("video",), right=("audio",))
OLD = NodeConfig(role="frozen", left=("text",), right=("video",), start="runs/vt")
DIGIT = NodeConfig(role="peer", left=("image",), label="digit")
BOTH = NodeConfig(role="ensemble", members=("tv", "va"))


def edge(source: str, target: str, payload: PayloadConfig | None = None, gate: GateConfig = THROUGH) -> EdgeConfig:
    return EdgeConfig(source=source, target=target, payload=payload or SimilarityConfig(), gate=gate)


def graph(*edges: EdgeConfig, labels: Mapping[str, GateConfig] | None = None, **nodes: NodeConfig) -> GraphConfig:
    """Build a graph of a target, named nodes, and an open label edge for all that learn where none are named."""
    every = {"tv": TV, **nodes}
    own = {name: THROUGH for name, node in every.items() if node.learns}
    return GraphConfig(nodes=every, edges=edges, labels=own if labels is None else dict(labels))


def refused(*words: str, by: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        by()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_a_graph_of_every_role_is_valid() -> None:
    built = graph(
        edge("old", "tv"),
        edge("both", "tv", gate=GateConfig(kind="linear")),
        edge("tv", "va", EmbeddingConfig()),
        va=VA,
        old=OLD,
        both=BOTH,
        base=replace(OLD, adapter=True, start=""),
    )
    assert built.target == "tv"
    assert [incoming.source for incoming in built.incoming("tv")] == ["old", "both"], "an ensemble may teach a member"


@pytest.mark.parametrize(
    "name", ["label", "keys", "training", "forward", "two words", "2nd", "", "a.b", "a-b", "größe"]
)
def test_names_that_cannot_be_used(name: str) -> None:
    with pytest.raises(ConfigError, match="node"):
        graph(**{name: VA})


def test_exactly_one_target() -> None:
    refused("exactly one", "none is", by=lambda: GraphConfig(nodes={"va": VA}, labels={"va": THROUGH}))
    refused("exactly one", "tv, other all are", by=lambda: graph(other=TV))


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (NodeConfig(role="peer"), "two sides"),
        (NodeConfig(role="peer", left=("text",)), "two sides"),
        (NodeConfig(role="peer", left=("text", "video"), right=("video",)), "disjoint"),
        (replace(DIGIT, right=("text",)), "none on its right"),
        (replace(DIGIT, left=()), "modalities on its left"),
        (replace(DIGIT, order="AVT"), "no order"),
        (replace(DIGIT, adapter=True), "cannot classify"),
        (replace(OLD, start=""), "from RUN"),
        (replace(VA, members=("tv",)), "no ensemble"),
        (replace(BOTH, left=("text",), start="x"), "leave out left, start"),
        (replace(BOTH, members=("tv",)), "two different nodes"),
        (replace(BOTH, members=("tv", "tv")), "two different nodes"),
        (replace(BOTH, members=("tv", "vb")), "is no node; known: tv, x"),
        (replace(BOTH, members=("tv", "x")), "the members of that instead"),
    ],
)
def test_a_node_that_breaks_a_rule(node: NodeConfig, words: str) -> None:
    refused("x", words, by=lambda: graph(x=node))


def test_an_unknown_role_gate_and_effect() -> None:
    # What a file can hold: types are checked while tests run, so that the fields are set past them.
    node, gate, line = replace(VA), GateConfig(), edge("va", "tv")
    object.__setattr__(node, "role", "pear")
    refused("node va", "did you mean 'peer'?", by=lambda: graph(va=node))
    object.__setattr__(gate, "kind", "linnear")
    refused("edge va -> tv", "did you mean 'linear'?", by=lambda: graph(edge("va", "tv", gate=gate), va=VA))
    refused("edge label -> tv", "did you mean 'linear'?", by=lambda: graph(labels={"tv": gate}))
    object.__setattr__(line, "effect", "pul")
    refused("edge va -> tv", "pull or push", by=lambda: graph(line, va=VA))


def test_members_answer_alike_and_classifiers_tell_one_label_apart() -> None:
    refused(
        "ensemble both",
        "tv (compares two sides)",
        "'digit'",
        by=lambda: graph(d=DIGIT, both=replace(BOTH, members=("tv", "d"))),
    )
    refused("same label", "'digit'", "'writer'", by=lambda: graph(d=DIGIT, w=replace(DIGIT, label="writer")))
    assert label_of("all", {"a": DIGIT, "b": DIGIT, "all": replace(BOTH, members=("a", "b"))}) == "digit"


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ([edge("vb", "tv")], "no node 'vb'; known: both, old, tv, va"),
        ([edge("tv", "olds")], "no node 'olds'; did you mean 'old'?"),
        ([edge("tv", "tv")], "does not teach itself"),
        ([edge("tv", "both")], "an ensemble has nothing that learns"),
        ([edge("va", "tv"), edge("va", "tv", GramConfig())], "is there twice"),
        ([edge("va", "old")], "old is frozen and never learns"),
        ([replace(edge("va", "tv"), weight=float("inf"))], "finite"),
    ],
)
def test_an_edge_that_breaks_a_rule(edges: list[EdgeConfig], words: str) -> None:
    refused(f"edge {edges[0].name}", words, by=lambda: graph(*edges, va=VA, old=OLD, both=BOTH))


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("-inf")])
def test_a_weight_is_above_zero(weight: float) -> None:
    words = f"the weight of edge va -> tv must be above 0, got {weight}; leave the edge out"
    refused(words, by=lambda: replace(edge("va", "tv"), weight=weight))


def test_an_edge_into_a_frozen_node_may_be_cutoff() -> None:
    assert not graph(edge("va", "old", gate=CUTOFF), va=VA, old=OLD).incoming("old")


def test_payloads_that_nodes_cannot_give() -> None:
    three = {"va": VA, "both": BOTH}
    refused(
        "edge va -> tv",
        "logits",
        "pass similarity, rows, columns, gram",
        by=lambda: graph(edge("va", "tv", LogitsConfig()), **three),
    )
    for payload in (GramConfig(), EmbeddingConfig(), CentroidsConfig()):
        refused(
            "edge both -> tv",
            "ensemble both",
            "pass similarity, rows, columns",
            by=lambda p=payload: graph(edge("both", "tv", p), **three),
        )
    refused(
        "edge a -> b",
        "similarity",
        "classify",
        "pass gram, centroids, logits",
        by=lambda: graph(edge("a", "b"), a=DIGIT, b=DIGIT),
    )
    refused("edge a -> tv", "'digit'", "do not answer alike", by=lambda: graph(edge("a", "tv", GramConfig()), a=DIGIT))
    pair = replace(BOTH, members=("a", "b"))
    refused(
        "edge all -> a",
        "needs vectors",
        "it can pass logits",
        by=lambda: graph(edge("all", "a", GramConfig()), a=DIGIT, b=DIGIT, all=pair),
    )
    assert graph(edge("a", "b", LogitsConfig()), edge("all", "b", LogitsConfig()), a=DIGIT, b=DIGIT, all=pair)


def test_a_payload_of_ones_own_is_judged_by_what_it_says() -> None:
    @dataclass(frozen=True, kw_only=True)
    class OwnConfig(PayloadConfig):
        answers = "classes"

    refused("OwnConfig", by=lambda: graph(edge("va", "tv", OwnConfig()), va=VA))
    assert graph(edge("a", "b", OwnConfig()), a=DIGIT, b=DIGIT)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("old", "a frozen node has no loss"),
        ("both", "an ensemble has no loss"),
        ("bath", "no node 'bath'; did you mean 'both'?"),
    ],
)
def test_label_edges_end_at_nodes_that_learn(name: str, words: str) -> None:
    labels = {"tv": THROUGH, "va": THROUGH, name: THROUGH}
    refused(f"edge label -> {name}", words, by=lambda: graph(labels=labels, va=VA, old=OLD, both=BOTH))


def test_a_node_that_nothing_reaches() -> None:
    refused("target tv", "label -> tv: through", by=lambda: graph(labels={"va": THROUGH}, va=VA))
    refused("target tv", by=lambda: graph(edge("va", "tv", gate=CUTOFF), labels={"tv": CUTOFF, "va": THROUGH}, va=VA))
    refused("ends at va", "call it frozen", by=lambda: graph(labels={"tv": THROUGH}, va=VA))
    taught = graph(edge("tv", "va"), labels={"tv": THROUGH}, va=VA)
    assert unreached(taught.nodes, taught.edges, taught.labels) == ()
    assert unreached(taught.nodes, (), {}) == ("tv", "va")


def test_a_cycle_of_frozen_nodes_is_named_before_anything_else() -> None:
    three = {"a": OLD, "b": OLD, "c": OLD}
    cycle = [edge("c", "a"), edge("b", "c"), edge("a", "b"), edge("tv", "a")]
    refused("cycle", "a -> b -> c -> a", "peers", by=lambda: graph(*cycle, **three))
    refused("edge b -> c", "c is frozen", by=lambda: graph(cycle[1], **three))
    refused("edge c -> a", "a is frozen", by=lambda: graph(*cycle[:2], replace(cycle[2], gate=CUTOFF), **three))


@given(st.integers(1, 6), st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_a_cycle_is_found_where_powers_of_the_edges_never_vanish(size: int, pairs: set[tuple[int, int]]) -> None:
    pairs = {(a, b) for a, b in pairs if a < size and b < size}
    sources = {str(b): [str(a) for a, c in sorted(pairs) if c == b] for b in range(size)}
    edges = np.zeros((size, size), dtype=int)
    for a, b in pairs:
        edges[a, b] = 1
    cycle = find_cycle(sources)
    assert bool(cycle) == bool(np.linalg.matrix_power(edges, size).any())
    if cycle:
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        assert all((int(a), int(b)) in pairs for a, b in pairwise(cycle))
