"""Lifts a pair objective to chosen pairs of modalities, each with a weight."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from trichord.batch import Embeddings
from trichord.config import Config
from trichord.errors import ConfigError
from trichord.modality import Pair
from trichord.objectives.contract import (
    PairObjectiveConfig,
    SetObjective,
    SetObjectiveConfig,
    check_modalities,
    check_names,
    check_positive,
)
from trichord.objectives.overlaps import overlapping_rows
from trichord.objectives.selection import chosen_rows
from trichord.objectives.terms import LossTerms
from trichord.shapes import Bool, Float, Tensor


@dataclass(frozen=True, kw_only=True)
class WeightedPairConfig(Config):
    """Two sides to be pulled together, and how strongly.

    Args:
        left, right: modality names of either side; the vectors of a composite side are summed.
        weight: factor on this pair's loss; above 0.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        Pair(self.left, self.right)
        check_names(f"the left side of pair {self.name!r}", self.left)
        check_names(f"the right side of pair {self.name!r}", self.right)
        check_positive(f"the weight of pair {self.name!r}", self.weight)

    @property
    def name(self) -> str:
        """Name of the pair's loss term, such as "text-video+audio"."""
        return f"{'+'.join(self.left)}-{'+'.join(self.right)}"


@dataclass(frozen=True, kw_only=True)
class PairwiseConfig(SetObjectiveConfig):
    """Configuration of `Pairwise`.

    Args:
        objective: the pair objective.
        pairs: the pairs it is applied to.
        shared: one objective (one temperature) for all pairs, or one for each.
        normalize_joined: whether the sum of a composite side is L2-normalised. The sum of unit vectors is not a unit
            vector: leave it as it is for `MaskedMarginSoftmax` as published, normalise it where a temperature expects
            cosines.
        mask_overlaps: whether rows of one source video whose segments overlap in time are left out of each other's
            negatives; needs `Embeddings.segments`. Off, as published in MCN, where clips of one video that show the
            same seconds are pushed apart.
    """

    objective: PairObjectiveConfig
    pairs: tuple[WeightedPairConfig, ...]
    shared: bool = True
    normalize_joined: bool = False
    mask_overlaps: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [pair.name for pair in self.pairs]
        if not names or len(set(names)) != len(names):
            raise ConfigError(f"pairs must hold at least one pair, and each once, got {names}; use weight instead")


class Pairwise(SetObjective):
    """One term for each pair, over the rows that hold every modality of both sides."""

    def __init__(self, config: PairwiseConfig) -> None:
        super().__init__()
        self.config = config
        keys = ["shared"] if config.shared else [pair.name for pair in config.pairs]
        self.objectives = nn.ModuleDict({key: config.objective.build() for key in keys})

    def forward(self, embeddings: Embeddings) -> LossTerms:
        """Return one weighted term for each pair, named like "text-video+audio".

        Raises:
            ConfigError: if a pair names a modality that the embeddings do not hold, or overlaps are to be masked and
                the embeddings do not say which segments the rows are.
        """
        blocked = self._blocked(embeddings) if self.config.mask_overlaps else None
        return LossTerms({pair.name: self._term(pair, embeddings, blocked) for pair in self.config.pairs})

    def _blocked(self, embeddings: Embeddings) -> Bool[Tensor, "batch batch"]:
        if embeddings.segments is None:
            raise ConfigError(
                "mask_overlaps needs to know which segment of which source a row is, and these embeddings do not say; "
                "use data with the columns source, start and end, or leave mask_overlaps off"
            )
        return overlapping_rows(embeddings.segments)

    def _term(
        self, pair: WeightedPairConfig, embeddings: Embeddings, blocked: Bool[Tensor, "batch batch"] | None
    ) -> Float[Tensor, ""]:
        check_modalities(embeddings, (*pair.left, *pair.right), f"pair {pair.name!r}")
        left, left_present = self._side(pair.left, embeddings)
        right, right_present = self._side(pair.right, embeddings)
        rows = left_present & right_present
        objective = self.objectives["shared" if self.config.shared else pair.name]
        tables = chosen_rows(left, rows), chosen_rows(right, rows)
        among = None if blocked is None else chosen_rows(chosen_rows(blocked, rows).T, rows).T
        loss: Tensor = objective(*tables) if among is None else objective(*tables, among)
        return pair.weight * loss

    def _side(
        self, names: tuple[str, ...], embeddings: Embeddings
    ) -> tuple[Float[Tensor, "batch dim"], Bool[Tensor, " batch"]]:
        vectors, present = embeddings.joined(names)
        if self.config.normalize_joined and len(names) > 1:
            vectors = functional.normalize(vectors, dim=1)
        return vectors, present


PairwiseConfig.builds = Pairwise
