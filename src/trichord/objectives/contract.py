"""The two contracts of this package: pair objectives, which compare two tables of vectors, and set objectives.

Both see tensors only: no model, rank, device or logging. The rows they get are those of the global batch, gathered
over processes. Similarities follow the caller's autocast; margins, softmaxes and sums are computed in fp32.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from trichord.batch import Embeddings
from trichord.config import Config
from trichord.errors import ConfigError
from trichord.objectives.terms import LossTerms
from trichord.shapes import Bool, Float, Tensor


@dataclass(frozen=True, kw_only=True)
class PairObjectiveConfig(Config):
    """Base of the configurations of pair objectives."""


class PairObjective(nn.Module, ABC):
    """Pulls row i of one table to row i of another, and away from the other rows. It has never heard of video."""

    @abstractmethod
    def forward(
        self,
        left: Float[Tensor, "batch dim"],
        right: Float[Tensor, "batch dim"],
        blocked: Bool[Tensor, "batch batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the loss; finite and attached to the graph for any number of rows, 0 for none.

        Args:
            left, right: the two tables.
            blocked: [i, j] whether row i of the left and row j of the right are neither a true pair nor a negative,
                and so do not count; the diagonal is not looked at. A row may be left without negatives. None, or
                nothing blocked: every other row is a negative.
        """


@dataclass(frozen=True, kw_only=True)
class SetObjectiveConfig(Config):
    """Base of the configurations of set objectives.

    Args:
        weight: factor that `Objective` multiplies every term of this part by; above 0.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        check_positive("weight", self.weight)


class SetObjective(nn.Module, ABC):
    """Computes named loss terms from the embeddings of all modalities; rows join the terms they can join."""

    @abstractmethod
    def forward(self, embeddings: Embeddings) -> LossTerms:
        """Return the terms, before the configuration's `weight`; the same names for every batch."""


def check_positive(field: str, value: float) -> None:
    """Raise `ConfigError` unless the value is finite and above 0."""
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{field} must be a finite number above 0, got {value}")


def check_fraction(field: str, value: float) -> None:
    """Raise `ConfigError` unless the value lies in [0, 1)."""
    if not 0 <= value < 1:
        raise ConfigError(f"{field} must lie in [0, 1), got {value}")


def check_names(field: str, names: Iterable[str]) -> None:
    """Raise `ConfigError` unless there is at least one modality name and none is repeated."""
    names = tuple(names)
    if not names or len(set(names)) != len(names):
        raise ConfigError(f"{field} must name at least one modality, and each once, got {names}")


def check_modalities(embeddings: Embeddings, names: Iterable[str], what: str) -> None:
    """Raise `ConfigError` when the embeddings lack a modality that `what` names."""
    missing = [name for name in names if name not in embeddings.vectors]
    if missing:
        raise ConfigError(
            f"{what} names {missing}, but the embeddings hold {sorted(embeddings.vectors)}; "
            "name modalities that the model encodes"
        )
