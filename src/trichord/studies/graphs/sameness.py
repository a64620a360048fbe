"""Whether two graphs are one but for the names of their nodes: a spelling that all such graphs share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from trichord.graphs.graph import GraphConfig

Colours = Mapping[str, str]


@dataclass(frozen=True)
class _Marked:
    """A graph as marks.

    Args:
        nodes: name -> what the node is, without its name.
        edges: (source, target) -> what passes between them.
    """

    nodes: Mapping[str, str]
    edges: Mapping[tuple[str, str], str]


def nameless(graph: GraphConfig) -> str:
    """Return a spelling that graphs share exactly when they differ by the names and the order of their nodes alone.

    Nodes are told apart by what they are and, over and over, by what their neighbours are. Where some are still alike,
    each of them is set apart in turn, and the least spelling is taken; of two that can change places without any
    change, one is enough. It takes n^2 steps for graphs that are drawn at random, not the n! of trying all names.
    """
    return _least(_mark(graph), {})


def _mark(graph: GraphConfig) -> _Marked:
    nodes = {}
    for name, node in graph.nodes.items():
        label = graph.labels.get(name)
        nodes[name] = _plain([replace(node, members=()).to_dict(), None if label is None else label.to_dict()])
    edges: dict[tuple[str, str], str] = {}
    for edge in graph.edges:
        edges[edge.source, edge.target] = _plain(replace(edge, source="", target="").to_dict())
    for name, node in graph.nodes.items():
        for member in node.members:
            edges[member, name] = f"member {edges.get((member, name), '')}"
    return _Marked(nodes, edges)


def _least(graph: _Marked, apart: Colours) -> str:
    """Return the least spelling, given nodes that were set apart: name -> mark."""
    colours = _refine(graph, {name: f"{mark}|{apart.get(name, '')}" for name, mark in graph.nodes.items()})
    groups: dict[str, list[str]] = {}
    for name, colour in colours.items():
        groups.setdefault(colour, []).append(name)
    alike = next((groups[colour] for colour in sorted(groups) if len(groups[colour]) > 1), None)
    if alike is None:
        order = sorted(colours, key=lambda name: colours[name])
        place = {name: number for number, name in enumerate(order)}
        edges = sorted([place[s], place[t], mark] for (s, t), mark in graph.edges.items())
        return _plain([[graph.nodes[name] for name in order], edges])
    tried: list[str] = []
    for name in alike:
        if not any(_exchangeable(graph, name, other) for other in tried):
            tried.append(name)
    return min(_least(graph, {**apart, name: str(len(apart) + 1)}) for name in tried)


def _refine(graph: _Marked, colours: Colours) -> dict[str, str]:
    """Tell nodes apart by their neighbours until nothing more is told apart; colours do not depend on names."""
    found = _numbered(colours)
    while True:
        seen = {
            name: _plain(
                [
                    colour,
                    sorted([mark, found[s]] for (s, t), mark in graph.edges.items() if t == name),
                    sorted([mark, found[t]] for (s, t), mark in graph.edges.items() if s == name),
                ]
            )
            for name, colour in found.items()
        }
        finer = _numbered(seen)
        if len(set(finer.values())) == len(set(found.values())):
            return finer
        found = finer


def _numbered(colours: Colours) -> dict[str, str]:
    """Return short colours in the same order."""
    number = {colour: f"{place:04d}" for place, colour in enumerate(sorted(set(colours.values())))}
    return {name: number[colour] for name, colour in colours.items()}


def _exchangeable(graph: _Marked, one: str, other: str) -> bool:
    """Whether the graph is the same after two nodes changed places."""
    swap = {one: other, other: one}
    swapped = {(swap.get(s, s), swap.get(t, t)): mark for (s, t), mark in graph.edges.items()}
    return graph.nodes[one] == graph.nodes[other] and swapped == graph.edges


def _plain(value: object) -> str:
    return json.dumps(value, sort_keys=True)
