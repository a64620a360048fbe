"""Which nodes a node's knowledge comes from, and a graph of some of its nodes alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from trichord.errors import ConfigError, nearest
from trichord.graphs.graph import GraphConfig


def needed_nodes(graph: GraphConfig, name: str | None = None) -> tuple[str, ...]:
    """Return the nodes on which a node's numbers depend, itself among them, in the order of the graph.

    These are the nodes from which it can be reached through open edges, and the members of every ensemble among them.
    Training the others as well would change nothing about it.

    Args:
        graph: the graph.
        name: a node; None: the target.

    Raises:
        ConfigError: there is no such node.
    """
    name = graph.target if name is None else name
    _check_known(graph, [name])
    found: set[str] = set()
    waiting = [name]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [*graph.nodes[node].members, *(edge.source for edge in graph.incoming(node))]
    return tuple(node for node in graph.nodes if node in found)


def heard_nodes(graph: GraphConfig) -> frozenset[str]:
    """Return the nodes whose scores an open edge looks at: its two ends, and the members of an ensemble among them."""
    ends = {end for edge in graph.edges if edge.gate.open for end in (edge.source, edge.target)}
    return frozenset(ends.union(*(graph.nodes[end].members for end in ends)))


def only(graph: GraphConfig, names: Collection[str]) -> GraphConfig:
    """Return the graph of some nodes and the edges between them.

    Args:
        graph: the graph.
        names: nodes to keep, the target among them.

    Raises:
        ConfigError: there is no such node, or what is left breaks a rule: no target, a member of an ensemble that is
            gone, a node that nothing reaches any more.
    """
    _check_known(graph, names)
    return replace(
        graph,
        nodes={name: node for name, node in graph.nodes.items() if name in names},
        edges=tuple(edge for edge in graph.edges if edge.source in names and edge.target in names),
        labels={name: gate for name, gate in graph.labels.items() if name in names},
    )


def _check_known(graph: GraphConfig, names: Collection[str]) -> None:
    for name in names:
        if name not in graph.nodes:
            raise ConfigError(f"the graph has no node {name!r}; {nearest(name, tuple(graph.nodes))}")
