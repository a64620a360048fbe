"""The special cases of a knowledge transfer graph that have a name of their own."""

from __future__ import annotations

from itertools import permutations
from typing import Literal

from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import EdgeConfig, GraphConfig
from trichord.graphs.reach import needed_nodes

SpecialCase = Literal["independent training", "label-free learning", "distillation", "deep mutual learning"]


def special_case(graph: GraphConfig) -> SpecialCase | None:
    """Return the name of what a graph is for its target, judged by the nodes that its numbers depend on.

    Independent training: nothing but the label edge, Through. Label-free learning: other nodes teach it and its label
    edge is Cutoff, whatever the gates. Distillation: frozen nodes, or ensembles of them, teach it. Deep mutual learning
    (Zhang et al., CVPR 2018): all nodes learn and teach each other. In the last two every edge and label edge is
    Through, pulls, and has weight 1, as published.
    """
    target, needed = graph.target, needed_nodes(graph)
    edges = [edge for name in needed for edge in graph.incoming(name)]
    gates = {name: graph.labels.get(name, GateConfig(kind="cutoff")) for name in needed if graph.nodes[name].learns}
    if not gates[target].open:
        return "label-free learning"
    if any(gate.kind != "through" for gate in gates.values()) or not all(map(_plain, edges)):
        return None
    if not edges:
        return "independent training"
    if list(gates) == [target]:
        return "distillation" if all(not _holds(graph, edge.source, target) for edge in edges) else None
    pairs = {(edge.source, edge.target) for edge in edges}
    everyone = len(gates) == len(needed) and pairs == set(permutations(needed, 2))
    return "deep mutual learning" if everyone else None


def _plain(edge: EdgeConfig) -> bool:
    return edge.gate.kind == "through" and edge.effect == "pull" and edge.weight == 1


def _holds(graph: GraphConfig, ensemble: str, member: str) -> bool:
    return member in graph.nodes[ensemble].members
