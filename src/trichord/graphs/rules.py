"""What makes a graph a valid one, and what is wrong with one that is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, get_args

from trichord.errors import ConfigError, nearest
from trichord.graphs.gates import GateConfig, GateKind
from trichord.graphs.node_rules import LABEL, check_name, check_node
from trichord.graphs.words import payload_word, payload_words

if TYPE_CHECKING:
    from trichord.graphs.graph import EdgeConfig, GraphConfig, NodeConfig


def check_graph(graph: GraphConfig) -> None:
    """Raise `ConfigError` naming the node or edge, the rule and the remedy where a rule is broken."""
    for name, node in graph.nodes.items():
        check_name(name)
        check_node(name, node)
    _check_one_target(graph.nodes)
    for name, node in graph.nodes.items():
        if node.role == "ensemble":
            _check_members(name, node.members, graph.nodes)
    _check_one_label(graph.nodes)
    _check_pairs(graph)
    for edge in graph.edges:
        _check_payload(edge, graph.nodes)
    for name, gate in graph.labels.items():
        _check_label_edge(name, gate, graph.nodes)
    _check_frozen(graph)
    _check_reached(graph)


def unreached(
    nodes: Mapping[str, NodeConfig], edges: Sequence[EdgeConfig], labels: Mapping[str, GateConfig]
) -> tuple[str, ...]:
    """Return the names of the nodes that would learn, but all of whose incoming edges, labels included, are Cutoff."""
    reached = {edge.target for edge in edges if edge.gate.open} | {name for name, gate in labels.items() if gate.open}
    return tuple(name for name, node in nodes.items() if node.learns and name not in reached)


def label_of(name: str, nodes: Mapping[str, NodeConfig]) -> str:
    """Return the label that a node tells apart, "" where it compares two sides; an ensemble does as its members do."""
    node = nodes[name]
    return label_of(node.members[0], nodes) if node.role == "ensemble" else node.label


def _check_one_target(nodes: Mapping[str, NodeConfig]) -> None:
    targets = [name for name, node in nodes.items() if node.role == "target"]
    if len(targets) != 1:
        found = f"{', '.join(targets)} all are" if targets else "none is"
        raise ConfigError(f"a graph has exactly one node that is its target, but {found}; call the others peers")


def _check_members(name: str, members: Sequence[str], nodes: Mapping[str, NodeConfig]) -> None:
    for member in members:
        if member not in nodes:
            raise ConfigError(
                f"ensemble {name} has a member {member!r} that is no node; {nearest(member, tuple(nodes))}"
            )
        if nodes[member].role == "ensemble":
            raise ConfigError(
                f"ensemble {name} has the ensemble {member} as a member; name the members of that instead"
            )
    if len(members) < 2 or len(set(members)) != len(members):
        raise ConfigError(f"ensemble {name} averages two different nodes or more, got: {', '.join(members) or 'none'}")
    answers = {member: label_of(member, nodes) for member in members}
    if len(set(answers.values())) > 1:
        said = ", ".join(f"{member} ({_answer(answer)})" for member, answer in answers.items())
        raise ConfigError(
            f"the members of ensemble {name} must all answer alike, got {said}; make two ensembles of them"
        )


def _check_one_label(nodes: Mapping[str, NodeConfig]) -> None:
    labels = {name: node.label for name, node in nodes.items() if node.classifies}
    if len(set(labels.values())) > 1:
        said = ", ".join(f"{name} {label!r}" for name, label in labels.items())
        raise ConfigError(f"all classifiers of a graph tell the same label apart, got {said}; give them one label")


def _check_pairs(graph: GraphConfig) -> None:
    from trichord.graphs.graph import Effect  # which imports this file

    seen = set()
    for edge in graph.edges:
        for end in (edge.source, edge.target):
            if end not in graph.nodes:
                raise ConfigError(f"edge {edge.name}: there is no node {end!r}; {nearest(end, tuple(graph.nodes))}")
        if edge.source == edge.target:
            raise ConfigError(f"edge {edge.name}: a node does not teach itself; its own loss is its label edge")
        if graph.nodes[edge.target].role == "ensemble":
            raise ConfigError(f"edge {edge.name}: an ensemble has nothing that learns; let the edge end at its members")
        if (edge.source, edge.target) in seen:
            raise ConfigError(f"edge {edge.name} is there twice; keep one")
        if edge.effect not in get_args(Effect):
            raise ConfigError(f"edge {edge.name}: its effect is pull or push, got {edge.effect!r}")
        if not isfinite(edge.weight):
            raise ConfigError(f"edge {edge.name}: its weight must be a finite number, got {edge.weight}")
        _check_gate(f"edge {edge.name}", edge.gate)
        seen.add((edge.source, edge.target))


def _check_gate(place: str, gate: GateConfig) -> None:
    kinds = get_args(GateKind)
    if gate.kind not in kinds:
        raise ConfigError(f"{place}: there is no gate {gate.kind!r}; {nearest(gate.kind, kinds)}")


def _check_payload(edge: EdgeConfig, nodes: Mapping[str, NodeConfig]) -> None:
    word, payload = payload_word(edge.payload), edge.payload
    source, target = (label_of(end, nodes) for end in (edge.source, edge.target))
    if bool(source) != bool(target):
        raise ConfigError(
            f"edge {edge.name}: {edge.source} ({_answer(source)}) and {edge.target} ({_answer(target)}) do not answer "
            "alike, so that neither can pass anything to the other; leave the edge out"
        )
    kind = "classes" if target else "sides"
    vectors = nodes[edge.source].role != "ensemble"
    can = ", ".join(payload_words(kind, vectors=vectors))
    if payload.answers not in (kind, "both"):
        raise ConfigError(
            f"edge {edge.name}: {word} is not passed between nodes that {_does(kind)}; they can pass {can}"
        )
    if payload.needs_vectors and not vectors:
        raise ConfigError(
            f"edge {edge.name}: {word} needs vectors, which the ensemble {edge.source} does not have; it can pass {can}"
        )


def _check_label_edge(name: str, gate: GateConfig, nodes: Mapping[str, NodeConfig]) -> None:
    if name not in nodes:
        raise ConfigError(f"edge {LABEL} -> {name}: there is no node {name!r}; {nearest(name, tuple(nodes))}")
    if not nodes[name].learns:
        raise ConfigError(
            f"edge {LABEL} -> {name}: {_role(nodes[name])} has no loss of its own; leave this edge out, or call {name} "
            "a peer"
        )
    _check_gate(f"edge {LABEL} -> {name}", gate)


def _check_frozen(graph: GraphConfig) -> None:
    frozen = [name for name, node in graph.nodes.items() if node.role == "frozen"]
    cycle = find_cycle({name: [e.source for e in graph.incoming(name) if e.source in frozen] for name in frozen})
    if cycle:
        raise ConfigError(
            f"frozen nodes teach each other in a cycle: {' -> '.join(cycle)}. None of them ever learns; leave these "
            "edges out, or call those that shall learn peers"
        )
    for name in frozen:
        for edge in graph.incoming(name):
            raise ConfigError(
                f"edge {edge.name}: {name} is frozen and never learns; leave this edge out, or call {name} a peer"
            )


def find_cycle(sources: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a cycle as names in the direction of the edges, the first again at the end; nothing where there is none.

    Args:
        sources: name -> names of the nodes from which an edge leads to it.
    """
    done: set[str] = set()

    def climb(path: list[str]) -> list[str]:
        for source in sources[path[-1]]:
            if source in path:
                return [source, *reversed(path[path.index(source) :])]
            if source not in done:
                found = climb([*path, source])
                if found:
                    return found
        done.add(path[-1])
        return []

    return next((cycle for name in sources if name not in done and (cycle := climb([name]))), [])


def _check_reached(graph: GraphConfig) -> None:
    for name in unreached(graph.nodes, graph.edges, graph.labels):
        if name == graph.target:
            raise ConfigError(
                f"every edge that ends at the target {name} is Cutoff, its label edge too, so that it would never "
                f"learn; open one, for instance {LABEL} -> {name}: through"
            )
        raise ConfigError(
            f"every edge that ends at {name} is Cutoff, its label edge too, so that it never learns; call it frozen "
            "and name the run that it comes from, or open an edge"
        )


def _answer(label: str) -> str:
    return f"tells {label!r} apart" if label else "compares two sides"


def _does(kind: str) -> str:
    return "compare two sides" if kind == "sides" else "classify"


def _role(node: NodeConfig) -> str:
    return "an ensemble" if node.role == "ensemble" else "a frozen node"
