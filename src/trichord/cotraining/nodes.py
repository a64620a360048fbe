"""Nodes at work: a batch in, what the node says about it out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional

from trichord.adapters.lora import LowRank, own_tensors
from trichord.batch import Batch, Embeddings
from trichord.curricula import training_mode
from trichord.dist import gather_rows
from trichord.encoders import JointEncoder
from trichord.graphs.output import NodeOutput, Side, Table, unheard
from trichord.graphs.payload import Payload
from trichord.objectives import LossTerms, Objective
from trichord.shapes import Int, Tensor
from trichord.training.system import gather_embeddings


@dataclass(frozen=True)
class Network:
    """The network of a node.

    Args:
        model: the encoders; those of the base for an adapter.
        encoded: names of the modalities that are encoded in training.
        low_rank: the adapters in the model.
        adapter: name of the node's own adapter; None for a network of its own, or the base as it is.
        shared: whether other nodes use the same model: it is the base.
    """

    model: JointEncoder
    encoded: tuple[str, ...]
    low_rank: LowRank
    adapter: str | None = None
    shared: bool = False

    def dropping(self) -> tuple[str, ...]:
        """Return the modalities that are in training mode while its node learns.

        As in `trichord.training.system.adapted`, the other side of an adapter of one side alone is none of them.
        """
        if self.adapter is None:
            return self.encoded
        own = own_tensors(self.model, [self.adapter])
        return tuple(name for name in self.encoded if any(key.startswith(f"encoders.{name}.") for key in own))


class Node(nn.Module, ABC):
    """What every node with a network has.

    Args:
        network: its network.
        payloads: name of an incoming edge -> its payload, whose projectors learn with the node.
    """

    def __init__(self, network: Network, payloads: Mapping[str, Payload]) -> None:
        super().__init__()
        self.network = network
        self.model = network.model
        self.payloads = nn.ModuleDict(dict(payloads))
        self.dropping = network.dropping()

    @property
    @abstractmethod
    def learns(self) -> bool:
        """Whether it has a loss of its own, and so is in training mode while it trains."""

    @property
    def incoming(self) -> dict[str, Payload]:
        """Name of an incoming edge -> its payload."""
        return {name: module for name, module in self.payloads.items() if isinstance(module, Payload)}

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Let rows pass through its adapter, and through no other, while the block runs."""
        with self.network.low_rank.active(*([] if self.network.adapter is None else [self.network.adapter])):
            yield

    def set_mode(self) -> None:
        """Put it in training mode where it learns, and in evaluation mode where it is frozen."""
        self.train(self.learns)
        names = self.dropping if self.learns else ()
        training_mode(self.model.encoders, () if self.network.shared else names, names)

    def embed(self, batch: Batch) -> Embeddings:
        """Encode this process's rows and gather those of all processes."""
        names = self.network.encoded
        held = {name: features for name, features in batch.features.items() if name in names}
        with self.looking():
            found = self.model(held, len(batch), only=names)
        return gather_embeddings(replace(found, segments=batch.segments))


class PairNode(Node):
    """A node that compares two sides.

    Args:
        network, payloads: see `Node`.
        left, right: names of the modalities of its sides.
        objective: its own loss; None for a frozen node.
        heard: whether an edge looks at what it says; otherwise it computes its own loss alone.
    """

    def __init__(
        self,
        network: Network,
        payloads: Mapping[str, Payload],
        left: tuple[str, ...],
        right: tuple[str, ...],
        objective: Objective | None,
        *,
        heard: bool = True,
    ) -> None:
        super().__init__(network, payloads)
        self.left, self.right = left, right
        self.objective, self.heard = objective, heard

    @property
    def learns(self) -> bool:
        """Whether it has a loss of its own."""
        return self.objective is not None

    def forward(self, batch: Batch) -> NodeOutput:
        """Say what the node says about the global batch; where nobody hears it, its table and sides are empty."""
        embeddings = self.embed(batch)
        label: LossTerms | None = None if self.objective is None else self.objective(embeddings)
        if not self.heard:
            return unheard(label)
        sides = {"left": self._side(embeddings, self.left), "right": self._side(embeddings, self.right)}
        left, right = sides["left"], sides["right"]
        places = torch.arange(len(left.present), device=left.present.device)
        return NodeOutput(label, Table(left.vectors @ right.vectors.T, left.present, right.present, places), sides)

    def _side(self, embeddings: Embeddings, names: tuple[str, ...]) -> Side:
        vectors, present = embeddings.joined(names)
        if len(names) > 1 or not self.model.normalize:
            vectors = functional.normalize(vectors, dim=1)
        if len(names) > 1:
            vectors = vectors.masked_fill(~present.unsqueeze(1), 0.0)
        return Side(vectors, present)


class ClassNode(Node):
    """A node that tells classes apart; the sum of the vectors of its modalities are its logits.

    Args:
        network, payloads: see `Node`.
        left: names of its modalities.
        numbers: (items of the data set,) class of each item; the gates of its edges ask for it, frozen or not.
        learns: whether it has a loss of its own; a frozen node does not.
    """

    numbers: Tensor

    def __init__(
        self,
        network: Network,
        payloads: Mapping[str, Payload],
        left: tuple[str, ...],
        numbers: Int[Tensor, " items"],
        *,
        learns: bool,
    ) -> None:
        super().__init__(network, payloads)
        self.left, self._learns = left, learns
        self.register_buffer("numbers", numbers, persistent=False)

    @property
    def learns(self) -> bool:
        """Whether it has a loss of its own."""
        return self._learns

    def forward(self, batch: Batch) -> NodeOutput:
        """Say what the node says about the global batch."""
        embeddings = self.embed(batch)
        logits, present = embeddings.joined(self.left)
        truth = self.numbers[gather_rows(batch.items)]
        label = LossTerms({"classes": class_loss(logits[present], truth[present])}) if self.learns else None
        columns = torch.ones(logits.shape[1], dtype=torch.bool, device=logits.device)
        return NodeOutput(label, Table(logits, present, columns, truth), {"left": Side(logits, present)}, True)


def class_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the mean cross-entropy of rows with their classes; 0, attached to the graph, of none."""
    return functional.cross_entropy(logits, truth) if len(logits) else logits.sum()
