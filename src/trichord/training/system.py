"""Model and objectives as one module, so that a step is one forward pass and one record of loss terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import nn

from trichord.adapters.lora import LowRank
from trichord.batch import Batch, Embeddings, Segments
from trichord.dist import gather_rows, world_size
from trichord.encoders import JointEncoder
from trichord.objectives import LossTerms, Objective
from trichord.shapes import Tensor


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


@dataclass(frozen=True)
class AdapterView:
    """What a stage looks at through one adapter.

    Args:
        modalities: names of the modalities of its pair, which are encoded.
        objective: what is minimised on their vectors.
    """

    modalities: tuple[str, ...]
    objective: Objective


class System(nn.Module):
    """What one stage trains.

    Args:
        model: the joint encoder.
        objective: the objective on the vectors of the base; None where there is none.
        modalities: names of the modalities that are encoded for it.
        low_rank: the adapters in the model.
        views: name of an adapter -> what is looked at through it. Terms are named "VT/part/term".
    """

    def __init__(
        self,
        model: JointEncoder,
        objective: Objective | None,
        modalities: tuple[str, ...],
        low_rank: LowRank | None = None,
        views: Mapping[str, AdapterView] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.modalities = modalities
        self.low_rank = low_rank or LowRank(model)
        self.views = dict(views or {})
        self.view_objectives = nn.ModuleDict({name: view.objective for name, view in self.views.items()})

    def forward(self, batch: Batch) -> LossTerms:
        """Encode this process's rows, gather those of all processes, and return the loss of the global batch.

        A pair that has an adapter is encoded through it, so that shared weights learn what is common to all pairs.
        """
        merged: dict[str, Tensor] = {}
        if self.objective is not None:
            merged |= self._look(batch, self.modalities, self.objective).terms
        for name, view in self.views.items():
            with self.low_rank.active(name):
                terms = self._look(batch, view.modalities, view.objective).terms
            merged |= {f"{name}/{term}": value for term, value in terms.items()}
        return LossTerms(merged)

    def _look(self, batch: Batch, modalities: tuple[str, ...], objective: Objective) -> LossTerms:
        embeddings = self.model(batch.features, len(batch), only=modalities)
        terms: LossTerms = objective(gather_embeddings(replace(embeddings, segments=batch.segments)))
        return terms
