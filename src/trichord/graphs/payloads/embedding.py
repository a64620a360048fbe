"""Vectors themselves, through a linear projector of the learning node's width into the source's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from torch.nn import functional

from trichord.graphs.output import NodeOutput
from trichord.graphs.overlap import held, places, shared_sides
from trichord.graphs.payload import Payload, PayloadConfig, RowLosses, mean_by_item
from trichord.objectives.contract import check_positive
from trichord.objectives.contrast import full_precision


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig(PayloadConfig):
    """Configuration of `Embedding`; there is nothing to set."""

    needs_vectors: ClassVar[bool] = True


class Embedding(Payload):
    """1 - cos(P v', v) for every item and side that both nodes hold: v of the source, v' of the target, P learnt.

    An item's loss is the mean over the sides that both nodes hold of it. Every side has a projector of its own, without
    a bias, because cosines have an origin. The projectors learn with the target and belong to the edge: they are
    thrown away with it, and drawn at the start from torch's generator, which the caller seeds.

    Push: cos(P v', v). The projector learns to turn away as well, so it is a weak push.
    """

    def __init__(self, config: EmbeddingConfig, *, source_dim: int, target_dim: int) -> None:
        super().__init__(config, source_dim=source_dim, target_dim=target_dim)
        check_positive("source_dim", source_dim)
        check_positive("target_dim", target_dim)
        self.projectors = nn.ModuleDict(
            {name: nn.Linear(target_dim, source_dim, bias=False) for name in ("left", "right")}
        )

    def forward(self, source: NodeOutput, target: NodeOutput, *, push: bool, seed: int) -> RowLosses:
        """Compare the vectors; see the class."""
        parts = []
        for name in shared_sides(source, target):
            theirs, ours = source.sides[name], target.sides[name]
            items = theirs.present & ours.present
            vectors = held(ours, items)
            with full_precision(vectors):
                projected = self.projectors[name](vectors)
            cosines = functional.cosine_similarity(projected, held(theirs, items), dim=1)
            parts.append(RowLosses(cosines if push else 1 - cosines, places(items)))
        return mean_by_item(parts, len(target.table.rows))


EmbeddingConfig.builds = Embedding
