"""Symmetric InfoNCE with a learnable temperature, the loss of CLIP."""

from __future__ import annotations

from dataclasses import dataclass

from trichord.objectives.contract import PairObjective, PairObjectiveConfig, check_fraction, check_positive
from trichord.objectives.contrast import both_directions
from trichord.objectives.scale import LearnableScale
from trichord.shapes import Bool, Float, Tensor


def info_nce(
    left: Float[Tensor, "batch dim"],
    right: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""] | float,
    label_smoothing: float = 0.0,
    blocked: Bool[Tensor, "batch batch"] | None = None,
) -> Float[Tensor, ""]:
    """Return 1/2 [CE_rows(scale S) + CE_columns(scale S)], S = left right^T, the diagonal being the target.

    van den Oord et al. (2018) in both directions, as in CLIP (Radford et al., ICML 2021). The vectors are used as they
    are given; hand in unit vectors to make S the cosine. Entries that are blocked leave the softmaxes.
    """
    # Scaling the vectors, not the table, spares a pass over it, forward and backward.
    return 0.5 * both_directions((scale * left) @ right.T, label_smoothing, blocked=blocked)


@dataclass(frozen=True, kw_only=True)
class InfoNCEConfig(PairObjectiveConfig):
    """Configuration of `InfoNCE`.

    Args:
        initial_temperature: the inverse of the scale at the start.
        max_scale: upper bound of the scale.
        label_smoothing: share of the target spread over all candidates, in [0, 1).
    """

    initial_temperature: float = 0.07
    max_scale: float = 100.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_positive("initial_temperature", self.initial_temperature)
        check_fraction("label_smoothing", self.label_smoothing)


class InfoNCE(PairObjective):
    """`info_nce` with a learnable scale.

    CLIP overwrites the parameter with its clamped value after each step; here the bound is part of the forward pass, so
    the optimiser owns the parameter alone.
    """

    def __init__(self, config: InfoNCEConfig) -> None:
        super().__init__()
        self.scale = LearnableScale(1 / config.initial_temperature, config.max_scale)
        self.label_smoothing = config.label_smoothing

    def forward(
        self,
        left: Float[Tensor, "batch dim"],
        right: Float[Tensor, "batch dim"],
        blocked: Bool[Tensor, "batch batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the loss of matching rows against all others that are not blocked."""
        return info_nce(left, right, self.scale(), self.label_smoothing, blocked)


InfoNCEConfig.builds = InfoNCE
