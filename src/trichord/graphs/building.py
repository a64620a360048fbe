"""A graph from gates that were drawn: edges that are Cutoff are left out, nodes that nothing reaches become frozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from trichord.errors import ConfigError
from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import EdgeConfig, GraphConfig, NodeConfig
from trichord.graphs.rules import unreached


def build_graph(
    nodes: Mapping[str, NodeConfig],
    edges: Iterable[EdgeConfig],
    labels: Mapping[str, GateConfig],
    starts: Mapping[str, str],
) -> GraphConfig:
    """Build a graph as published: a node all of whose incoming edges are Cutoff is one that was trained alone before.

    Graphs that do the same come out equal, because edges and label edges that are Cutoff are left out.

    Args:
        nodes: name -> node.
        edges: edges, Cutoff ones among them.
        labels: name -> gate of the label edge, Cutoff ones among them.
        starts: name -> run or node folder whose weights a peer takes when it becomes frozen; one that is not named
            here keeps its own start.

    Raises:
        ConfigError: a peer became frozen and there are no weights for it, nothing reaches the target (published: such a
            graph is rejected; `unreached` tells beforehand), or another rule is broken.
    """
    edges = tuple(edge for edge in edges if edge.gate.open)
    labels = {name: gate for name, gate in labels.items() if gate.open}
    silent = [name for name in unreached(nodes, edges, labels) if nodes[name].role == "peer"]
    return GraphConfig(
        nodes={name: _frozen(name, node, starts) if name in silent else node for name, node in nodes.items()},
        edges=edges,
        labels=labels,
    )


def _frozen(name: str, node: NodeConfig, starts: Mapping[str, str]) -> NodeConfig:
    start = starts.get(name, node.start)
    if not start:
        raise ConfigError(
            f"every edge that ends at {name} is Cutoff, so that it is a network that was trained alone, but no run is "
            f"named whose weights it takes; name one for {name}"
        )
    return replace(node, role="frozen", start=start)
