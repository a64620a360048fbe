"""A knowledge transfer graph as plain data: nodes with a role, edges with a payload and a gate, label edges.

Minami, Hirakawa, Yamashita, Fujiyoshi (ACCV 2020): every node is a network, every ordered pair of nodes an edge that
passes knowledge through a gate, and every node has a label edge, its own loss, through a gate of its own. Ours are
nodes that answer retrieval between two sides, payloads beyond class logits, frozen and ensemble nodes as roles, and an
edge that is not written down: it is Cutoff.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trichord.config import Config
from trichord.errors import ConfigError
from trichord.graphs.gates import GateConfig
from trichord.graphs.payload import PayloadConfig
from trichord.graphs.rules import check_graph

Role = Literal["target", "peer", "frozen", "ensemble"]
Effect = Literal["pull", "push"]


@dataclass(frozen=True, kw_only=True)
class NodeConfig(Config):
    """A node. Which network it is, is named here and described in the experiment.

    Args:
        role: "target": its score is what the graph is for, there is exactly one; "peer": learns beside it; "frozen":
            passes knowledge on and never learns; "ensemble": the mean of its members' tables, nothing of its own.
        left, right: names of the modalities of either side it compares, as in `trichord.modality.Pair`. A classifier
            has modalities on the left and none on the right.
        label: column of the data set whose values a classifier tells apart; "" for a node that compares two sides.
        order: letters of the modalities that its own loss pulls together, "AVT" for all pairs of three; "" means those
            of its two sides.
        model: name of the kind of network it is, one of those the recipe knows; "" is the recipe's own.
        adapter: whether it is the base of the experiment with low-rank matrices of its own.
        start: folder of the finished run, or of the node of a finished graph, whose weights it starts from; "" starts
            from random weights. A frozen node that is no adapter needs one.
        members: names of the nodes that an ensemble averages; nothing for other roles.
    """

    role: Role
    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    label: str = ""
    order: str = ""
    model: str = ""
    adapter: bool = False
    start: str = ""
    members: tuple[str, ...] = ()

    @property
    def learns(self) -> bool:
        """Whether it has weights that change."""
        return self.role in ("target", "peer")

    @property
    def classifies(self) -> bool:
        """Whether it answers with one of several classes rather than by comparing two sides."""
        return bool(self.label)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities of its two sides."""
        return (*self.left, *self.right)


@dataclass(frozen=True, kw_only=True)
class EdgeConfig(Config):
    """What one node passes to another.

    Args:
        source: name of the node that knows.
        target: name of the node that learns from it.
        payload: what is passed, and how it becomes a loss of each row.
        gate: what becomes of these losses.
        effect: "pull" makes the target like the source, "push" unlike it.
        weight: factor on the edge's loss; published: 1.
    """

    source: str
    target: str
    payload: PayloadConfig
    gate: GateConfig
    effect: Effect = "pull"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ConfigError(f"the weight of edge {self.name} must be above 0, got {self.weight}; leave the edge out")

    @property
    def name(self) -> str:
        """Its name, "source -> target"."""
        return f"{self.source} -> {self.target}"


@dataclass(frozen=True, kw_only=True)
class GraphConfig(Config):
    """A graph. An edge or label edge that is not named is Cutoff.

    Args:
        nodes: name -> node, in the order in which they are drawn and seeded.
        edges: edges between nodes, each ordered pair at most once.
        labels: name of a node that learns -> gate of its label edge.

    Raises:
        ConfigError: a rule of `trichord.graphs.rules` is broken.
    """

    nodes: dict[str, NodeConfig]
    edges: tuple[EdgeConfig, ...] = ()
    labels: dict[str, GateConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_graph(self)

    @property
    def target(self) -> str:
        """Name of the target node."""
        return next(name for name, node in self.nodes.items() if node.role == "target")

    def incoming(self, name: str) -> tuple[EdgeConfig, ...]:
        """Edges that end at a node and are open."""
        return tuple(edge for edge in self.edges if edge.target == name and edge.gate.open)
