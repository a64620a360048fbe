"""Model and objectives as one module, so that a step is one forward pass and one record of loss terms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from torch import nn

from trichord.adapters.lora import LowRank
from trichord.adapters.targets import OWN
from trichord.batch import Batch, Embeddings, Segments
from trichord.curricula import training_mode
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


class Trainable(nn.Module, ABC):
    """What the training loop drives.

    A checkpoint holds the whole module. Its `model` is what is validated and handed on.
    """

    model: nn.Module

    @abstractmethod
    def forward(self, batch: Batch) -> LossTerms:
        """Return the loss of the global batch, given this process's rows."""

    @abstractmethod
    def set_mode(self) -> None:
        """Put what learns in training mode, and what is frozen in evaluation mode."""


def adapted(encoders: nn.ModuleDict) -> set[str]:
    """Return the modalities whose encoders hold matrices that learn.

    The other side of an adapter of one side alone is none of them: its vectors are those of the base, in training too.
    """
    return {
        name
        for name, encoder in encoders.items()
        if any(OWN.search(f".{key}") and parameter.requires_grad for key, parameter in encoder.named_parameters())
    }


class System(Trainable):
    """What one stage trains.

    Args:
        model: the joint encoder.
        objective: the objective on the vectors of the base; None where there is none.
        modalities: names of the modalities that are encoded for it.
        low_rank: the adapters in the model.
        views: name of an adapter -> what is looked at through it. Terms are named "VT/part/term".
        learning: names of the modalities whose encoders learn as a whole; None: all that are encoded.
    """

    model: JointEncoder

    def __init__(
        self,
        model: JointEncoder,
        objective: Objective | None,
        modalities: tuple[str, ...],
        low_rank: LowRank | None = None,
        views: Mapping[str, AdapterView] | None = None,
        learning: Collection[str] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.modalities = modalities
        self.low_rank = low_rank or LowRank(model)
        self.views = dict(views or {})
        self.learning = tuple(modalities if learning is None else learning)
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

    def set_mode(self) -> None:
        """Put what learns in training mode; encoders through which adapters learn drop inputs as well."""
        self.train()
        training_mode(self.model.encoders, self.learning, adapted(self.model.encoders))

    def _look(self, batch: Batch, modalities: tuple[str, ...], objective: Objective) -> LossTerms:
        embeddings = self.model(batch.features, len(batch), only=modalities)
        terms: LossTerms = objective(gather_embeddings(replace(embeddings, segments=batch.segments)))
        return terms
