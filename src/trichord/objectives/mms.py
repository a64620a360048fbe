"""Masked margin softmax, the contrastive loss of MCN and AVLnet."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trichord.errors import ConfigError
from trichord.objectives.contract import PairObjective, PairObjectiveConfig
from trichord.objectives.contrast import both_directions
from trichord.shapes import Bool, Float, Tensor


def masked_margin_softmax(
    left: Float[Tensor, "batch dim"],
    right: Float[Tensor, "batch dim"],
    margin: float = 0.001,
    blocked: Bool[Tensor, "batch batch"] | None = None,
) -> Float[Tensor, ""]:
    """Return CE_rows(S - margin I) + CE_columns(S - margin I), S = left right^T, the diagonal being the target.

    As published by Ilharco et al. (CoNLL 2019) and used by MCN (Chen et al., ICCV 2021): the sum of the two directions,
    not their mean, and raw inner products without a temperature. Entries that are blocked leave the softmaxes.
    """
    return both_directions(left @ right.T, margin=margin, blocked=blocked)


@dataclass(frozen=True, kw_only=True)
class MaskedMarginSoftmaxConfig(PairObjectiveConfig):
    """Configuration of `MaskedMarginSoftmax`.

    Args:
        margin: subtracted from the similarity of the true pair.
    """

    margin: float = 0.001

    def __post_init__(self) -> None:
        if not (math.isfinite(self.margin) and self.margin >= 0):
            raise ConfigError(f"margin must be a finite number of at least 0, got {self.margin}")


class MaskedMarginSoftmax(PairObjective):
    """`masked_margin_softmax` as a module.

    The scale of the logits is that of the vectors it is given. With unit vectors the logits lie in [-1, 1] and the
    softmax is nearly flat; prefer `InfoNCE` there.
    """

    def __init__(self, config: MaskedMarginSoftmaxConfig) -> None:
        super().__init__()
        self.margin = config.margin

    def forward(
        self,
        left: Float[Tensor, "batch dim"],
        right: Float[Tensor, "batch dim"],
        blocked: Bool[Tensor, "batch batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the loss of matching rows against all others that are not blocked."""
        return masked_margin_softmax(left, right, self.margin, blocked)


MaskedMarginSoftmaxConfig.builds = MaskedMarginSoftmax
