"""Gram matrices: which items a node finds alike within one side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch.nn import functional

from trichord.graphs.divergence import unlikeness
from trichord.graphs.output import NodeOutput
from trichord.graphs.overlap import held, places, shared_sides
from trichord.graphs.payload import Payload, PayloadConfig, RowLosses, mean_by_item
from trichord.objectives.contract import check_positive
from trichord.objectives.contrast import full_precision
from trichord.shapes import Float, Tensor


@dataclass(frozen=True, kw_only=True)
class GramConfig(PayloadConfig):
    """Configuration of `Gram`.

    Args:
        temperature: divides the cosines of both nodes.
    """

    answers: ClassVar[Literal["sides", "classes", "both"]] = "both"
    needs_vectors: ClassVar[bool] = True

    temperature: float = 0.1

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)


class Gram(Payload):
    """Relations within a side: KL between softmaxes of each item's cosines to the other items of the same side.

    For a side that both nodes have (left to left, right to right) and the items whose side both hold, G_ij =
    cos(v_i, v_j), j other than i, and item i has KL(softmax(G_i / T) || softmax(G'_i / T)). An item's loss is the mean
    over the sides that both nodes hold of it. A classifier's side is its logits. The widths of the two nodes may
    differ, and so may the modality behind a side: audio can be taught which items look alike.

    Push: the cosine of the two softmaxes in place of the divergence.
    """

    def __init__(self, config: GramConfig, *, source_dim: int = 0, target_dim: int = 0) -> None:
        super().__init__(config, source_dim=source_dim, target_dim=target_dim)
        self.config = config

    def forward(self, source: NodeOutput, target: NodeOutput, *, push: bool, seed: int) -> RowLosses:
        """Compare the relations; see the class."""
        parts = []
        for name in shared_sides(source, target):
            theirs, ours = source.sides[name], target.sides[name]
            items = theirs.present & ours.present
            relations = (other_cosines(held(theirs, items)), other_cosines(held(ours, items)))
            losses = unlikeness(*relations, self.config.temperature, push=push)
            parts.append(RowLosses(losses, places(items)))
        return mean_by_item(parts, len(target.table.rows))


def other_cosines(vectors: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows others"]:
    """Return the cosines of every row to all others, in their order: the Gram matrix less its diagonal."""
    with full_precision(vectors):
        units = functional.normalize(vectors, dim=1)
        table = units @ units.T
    n = len(table)
    if n < 2:
        return table[:, :0]
    # Without its first entry, the table read in rows that are one longer has the diagonal as its last column.
    return table.flatten()[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1)


GramConfig.builds = Gram
