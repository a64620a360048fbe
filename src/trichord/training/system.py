"""Model and objective as one module, so that a step is one forward pass and one record of loss terms."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from trichord.batch import Batch, Embeddings, Segments
from trichord.dist import gather_rows, world_size
from trichord.encoders import JointEncoder
from trichord.objectives import LossTerms, Objective


def gather_embeddings(embeddings: Embeddings) -> Embeddings:
    """Concatenate the rows of all processes; the embeddings themselves on one process."""
    if world_size() == 1:
        return embeddings
    names = sorted(embeddings.vectors)
    return Embeddings(
        vectors={name: gather_rows(embeddings.vectors[name]) for name in names},
        present={name: gather_rows(embeddings.present[name]) for name in names},
        targets={name: gather_rows(embeddings.targets[name]) for name in sorted(embeddings.targets)},
        segments=None if embeddings.segments is None else _gather_segments(embeddings.segments),
    )


def _gather_segments(segments: Segments) -> Segments:
    return Segments(gather_rows(segments.source), gather_rows(segments.start), gather_rows(segments.end))


class System(nn.Module):
    """What one stage trains.

    Args:
        model: the joint encoder.
        objective: the stage's objective.
        modalities: names of the modalities this stage encodes.
    """

    def __init__(self, model: JointEncoder, objective: Objective, modalities: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.modalities = modalities

    def forward(self, batch: Batch) -> LossTerms:
        """Encode this process's rows, gather those of all processes, and return the loss of the global batch."""
        embeddings = self.model(batch.features, len(batch), only=self.modalities)
        terms: LossTerms = self.objective(gather_embeddings(replace(embeddings, segments=batch.segments)))
        return terms
