"""What a graph says about itself before anything is trained: its networks, what the target needs, its special case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trichord.graphs.graph import GraphConfig
from trichord.graphs.reach import needed_nodes
from trichord.graphs.special import SpecialCase, special_case
from trichord.graphs.text import spell_graph
from trichord.modality import Modality


@dataclass(frozen=True)
class GraphFacts:
    """What a graph says about itself.

    Args:
        target: name of the target node.
        networks: nodes that are networks: all but ensembles.
        learning: those that learn.
        needed: nodes on which the target's numbers depend, itself among them.
        trained: those of the needed ones that learn.
        unneeded: nodes that change nothing about the target.
        special_case: the name of what the graph is for its target; None where it is none of those with a name.
        text: its text form on one line.
    """

    target: str
    networks: tuple[str, ...]
    learning: tuple[str, ...]
    needed: tuple[str, ...]
    trained: tuple[str, ...]
    unneeded: tuple[str, ...]
    special_case: SpecialCase | None
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def graph_facts(graph: GraphConfig, known: Sequence[Modality]) -> GraphFacts:
    """Find the facts of a graph."""
    needed = needed_nodes(graph)
    learning = tuple(name for name, node in graph.nodes.items() if node.learns)
    return GraphFacts(
        target=graph.target,
        networks=tuple(name for name, node in graph.nodes.items() if node.role != "ensemble"),
        learning=learning,
        needed=needed,
        trained=tuple(name for name in learning if name in needed),
        unneeded=tuple(name for name in graph.nodes if name not in needed),
        special_case=special_case(graph),
        text=spell_graph(graph, known, separator="; "),
    )
