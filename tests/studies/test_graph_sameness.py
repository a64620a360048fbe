"""One spelling for graphs that differ by the names of their nodes: against trying all names, and in no time."""

import time
from dataclasses import replace
from itertools import permutations

import numpy as np
from graph_search_cases import AV, OWN, TV

from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import EdgeConfig, GraphConfig, NodeConfig
from trichord.graphs.payloads import SimilarityConfig
from trichord.studies.graphs.sameness import nameless

GATES = ("through", "linear")
PEERS = ("n1", "n2", "n3")


def make(generator: np.random.Generator, peers: int = 3, *, ensemble: bool = False) -> GraphConfig:
    """Draw a graph with few kinds of nodes and edges, so that many of its nodes are alike."""
    names = ["n0", *(f"n{number}" for number in range(1, peers + 1))]
    nodes = {"n0": OWN, **{name: (TV, AV)[generator.integers(2)] for name in names[1:]}}
    if ensemble:
        nodes["mean"] = NodeConfig(role="ensemble", members=tuple(names))
    edges = [
        EdgeConfig(source=s, target=t, payload=SimilarityConfig(), gate=GateConfig(kind=GATES[generator.integers(2)]))
        for s, t in permutations(names, 2)
        if generator.random() < 0.5
    ]
    return GraphConfig(nodes=nodes, edges=tuple(edges), labels=dict.fromkeys(names, GateConfig(kind="through")))


def renamed(graph: GraphConfig, names: dict[str, str]) -> GraphConfig:
    """Return the graph with other names, its nodes and edges in the order of these."""
    nodes = {
        names.get(name, name): replace(node, members=tuple(names.get(member, member) for member in node.members))
        for name, node in graph.nodes.items()
    }
    edges = [
        replace(e, source=names.get(e.source, e.source), target=names.get(e.target, e.target)) for e in graph.edges
    ]
    return GraphConfig(
        nodes=dict(sorted(nodes.items())),
        edges=tuple(sorted(edges, key=lambda edge: edge.name)),
        labels={names.get(name, name): gate for name, gate in graph.labels.items()},
    )


def orders() -> list[dict[str, str]]:
    return [dict(zip(PEERS, order, strict=True)) for order in permutations(PEERS)]


def by_trying(graph: GraphConfig) -> str:
    """Return the least of what the graph is under all names."""
    return min(str(renamed(graph, names)) for names in orders())


def test_it_is_shared_exactly_by_graphs_that_names_make_one() -> None:
    generator = np.random.default_rng(0)
    graphs = [make(generator, ensemble=number % 2 == 0) for number in range(12)]
    for graph in graphs[:4]:
        assert {nameless(renamed(graph, names)) for names in orders()} == {nameless(graph)}
    graphs += [replace(graph, edges=graph.edges[1:]) for graph in graphs]
    graphs += [renamed(graph, orders()[number % 6]) for number, graph in enumerate(graphs)]
    found, tried = [nameless(graph) for graph in graphs], [by_trying(graph) for graph in graphs]
    for one in range(len(graphs)):
        for other in range(one):
            assert (found[one] == found[other]) == (tried[one] == tried[other]), (one, other)


def test_nodes_that_only_places_in_rings_tell_apart_are_told_apart() -> None:
    # Every peer hears one other: two rings of three look, neighbour by neighbour, like one of six.
    def rings(*members: tuple[int, ...]) -> GraphConfig:
        pairs = [(a, b) for ring in members for a, b in zip(ring, (*ring[1:], ring[0]), strict=True)]
        edges = [
            EdgeConfig(source=f"n{a}", target=f"n{b}", payload=SimilarityConfig(), gate=GateConfig(kind="through"))
            for a, b in pairs
        ]
        names = [f"n{number}" for number in range(1, 7)]
        nodes = {"n0": OWN, **dict.fromkeys(names, TV)}
        return GraphConfig(nodes=nodes, edges=tuple(edges), labels=dict.fromkeys(nodes, GateConfig(kind="through")))

    one, two = rings((1, 2, 3, 4, 5, 6)), rings((1, 2, 3), (4, 5, 6))
    assert nameless(one) != nameless(two)
    assert nameless(one) == nameless(rings((1, 4, 2, 6, 3, 5)))
    assert nameless(two) == nameless(rings((1, 5, 3), (6, 2, 4)))


def test_twelve_nodes_take_no_time_whether_all_are_alike_or_none() -> None:
    began = time.monotonic()
    names = [f"n{number}" for number in range(12)]
    nodes = {"n0": OWN, **dict.fromkeys(names[1:], TV)}
    edges = tuple(
        EdgeConfig(source=s, target=t, payload=SimilarityConfig(), gate=GateConfig(kind="through"))
        for s, t in permutations(names, 2)
    )
    whole = GraphConfig(nodes=nodes, edges=edges, labels=dict.fromkeys(names, GateConfig(kind="through")))
    assert nameless(whole) == nameless(replace(whole, edges=edges[::-1]))
    drawn = make(np.random.default_rng(1), 11)
    assert nameless(drawn) != nameless(replace(drawn, edges=drawn.edges[1:]))
    assert time.monotonic() - began < 5, "all names are 40 million"
