"""The best graph and what it must beat: the same target by the means that were known before graphs were searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

from trichord.graphs.gates import GateConfig
from trichord.graphs.graph import EdgeConfig, GraphConfig, NodeConfig
from trichord.graphs.payload import PayloadConfig
from trichord.reports.numbers import counted
from trichord.studies.graphs.experiments import alone
from trichord.studies.graphs.search import drawn_graph
from trichord.studies.graphs.space import ENSEMBLE, TARGET, THROUGH, SearchSpace, at_temperature
from trichord.studies.graphs.study import GraphStudy

BEST = "best graph"
TEACHER = "teacher"
THE_BASE = "the base as it is"
"""In place of the name of a kind: the base of adapters without one."""


@dataclass(frozen=True)
class Entry:
    """A graph that takes part in the final comparison, or in the ranking before it.

    Args:
        name: short.
        sentence: what it is.
        graph: the graph; where a node starts from something, from the name of the kind that was trained alone.
        scored: name of the node that is scored; "" is the target.
    """

    name: str
    sentence: str
    graph: GraphConfig
    scored: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that it needs trained alone before."""
        return tuple(dict.fromkeys(node.start for node in self.graph.nodes.values() if node.start))

    @property
    def networks(self) -> int:
        """Networks that are trained for one result: frozen ones among them, and the base of adapters once."""
        return sum(node.learns or bool(node.start) for node in self.graph.nodes.values()) + self.over_base

    @property
    def over_base(self) -> bool:
        """Whether one of its nodes is an adapter, or the base as it is."""
        return any(node.adapter for node in self.graph.nodes.values())

    def starting(self, starts: Mapping[str, str]) -> GraphConfig:
        """Return the graph with folders in place of the names of kinds."""
        nodes = {
            name: replace(node, start=starts[node.start]) if node.start else node
            for name, node in self.graph.nodes.items()
        }
        return replace(self.graph, nodes=nodes)


def found_graph(study: GraphStudy, drawn: Mapping[str, Any], name: str, sentence: str) -> Entry:
    """Return the graph that was found in a search."""
    return Entry(name, sentence, drawn_graph(study, drawn, {kind: kind for kind in study.space.kinds}))


def find_rivals(study: GraphStudy, best: Entry, drawn: Mapping[str, Any], strongest: str) -> tuple[Entry, ...]:
    """Return the four rivals of the best graph.

    Args:
        study: the study.
        best: the best graph.
        drawn: the draws that it came from.
        strongest: the kind that answers the task best when it is trained alone, or `THE_BASE`.
    """
    space = study.space
    size = max(2, best.networks)
    teacher = (
        f"{THE_BASE}, frozen: it"
        if strongest == THE_BASE
        else f"{strongest}, frozen after training alone with a seed of its own on the same data: it"
    )
    return (
        Entry("independent", "The target trained alone.", alone(space.own)),
        Entry("mutual learning", "The same nodes, every edge and label edge Through.", _mutual(study, best, drawn)),
        Entry(
            "distillation",
            f"The target taught by {teacher} is the strongest on {study.selection_split} without a graph; edge and "
            "label edge Through.",
            distillation(study, strongest),
        ),
        Entry(
            "ensemble",
            f"The mean of the tables of {size} targets trained alone with different seeds: "
            + (
                f"as many networks as the best graph trains{', its base counted once' if best.over_base else ''}."
                if size == best.networks
                else f"the best graph trains {counted(best.networks, 'network')}."
            ),
            _independent(space.own, size),
            ENSEMBLE,
        ),
    )


def distillation(study: GraphStudy, strongest: str) -> GraphConfig:
    """Return the graph of a target that one frozen network teaches: that of a kind, or the base as it is."""
    space = study.space
    if strongest == THE_BASE:
        teacher = NodeConfig(role="frozen", left=space.own.left, right=space.own.right, adapter=True)
    else:
        teacher = replace(space.trained_alone[strongest], role="frozen", start=strongest)
    return GraphConfig(
        nodes={TARGET: space.own, TEACHER: teacher},
        edges=(_through(TEACHER, TARGET, first_payload(space)),),
        labels={TARGET: THROUGH},
    )


def first_payload(space: SearchSpace) -> PayloadConfig:
    """Return what edges of rivals pass: the first payload of the space at its first temperature."""
    payload = next(iter(space.payloads.values()))
    return at_temperature(payload, space.temperatures[0]) if space.temperatures else payload


def _mutual(study: GraphStudy, best: Entry, drawn: Mapping[str, Any]) -> GraphConfig:
    """Return deep mutual learning among the networks of the best graph; of all that were drawn, where it has one."""
    graph = best.graph
    if sum(node.role != "ensemble" for node in graph.nodes.values()) < 2:
        whole = study.space.graph(drawn, {kind: kind for kind in study.space.kinds})
        assert whole is not None, "the best graph has a target that learns"
        graph = whole
    nodes = {
        name: replace(node, role="peer", start="") if node.role == "frozen" else node
        for name, node in graph.nodes.items()
        if node.role != "ensemble"
    }
    payload = first_payload(study.space)
    edges = tuple(_through(source, target, payload) for source, target in permutations(nodes, 2))
    return GraphConfig(nodes=nodes, edges=edges, labels=dict.fromkeys(nodes, THROUGH))


def _independent(own: NodeConfig, size: int) -> GraphConfig:
    names = [TARGET, *(f"n{number}" for number in range(1, size))]
    nodes = {name: own if name == TARGET else replace(own, role="peer") for name in names}
    labels: dict[str, GateConfig] = dict.fromkeys(names, THROUGH)
    return GraphConfig(nodes=nodes | {ENSEMBLE: NodeConfig(role="ensemble", members=tuple(names))}, labels=labels)


def _through(source: str, target: str, payload: PayloadConfig) -> EdgeConfig:
    return EdgeConfig(source=source, target=target, payload=payload, gate=THROUGH)
