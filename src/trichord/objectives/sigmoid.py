"""The pairwise sigmoid loss of SigLIP."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from trichord.errors import ConfigError
from trichord.objectives.contract import PairObjective, PairObjectiveConfig, check_positive
from trichord.objectives.contrast import blocked_pairs, inner_products
from trichord.objectives.scale import LearnableScale
from trichord.shapes import Bool, Float, Tensor


def sigmoid_contrast(
    left: Float[Tensor, "batch dim"],
    right: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""] | float,
    bias: Float[Tensor, ""] | float,
    blocked: Bool[Tensor, "batch batch"] | None = None,
) -> Float[Tensor, ""]:
    """Return -1/B sum_ij log sigmoid(z_ij (scale <left_i, right_j> + bias)), z = 1 on the diagonal and -1 off it.

    Zhai et al. (ICCV 2023). Every pair is a binary decision of its own; the sum is divided by the batch size B, not by
    the number of pairs. Negatives that are blocked leave the sum; B stays. No rows give 0.
    """
    logits = scale * inner_products(left, right) + bias
    signs = 2 * torch.eye(len(left), dtype=logits.dtype, device=logits.device) - 1
    judged = functional.logsigmoid(signs * logits)
    blocked = blocked_pairs(blocked)
    if blocked is not None:
        judged = judged.masked_fill(blocked, 0.0)
    return -judged.sum() / max(len(left), 1)


@dataclass(frozen=True, kw_only=True)
class SigmoidContrastConfig(PairObjectiveConfig):
    """Configuration of `SigmoidContrast`; the defaults are those published.

    Args:
        initial_scale: factor on the inner products at the start; its logarithm is learned.
        initial_bias: bias at the start, low because most pairs are negatives.
        max_scale: upper bound of the scale; None (as published) for no bound.
    """

    initial_scale: float = 10.0
    initial_bias: float = -10.0
    max_scale: float | None = None

    def __post_init__(self) -> None:
        check_positive("initial_scale", self.initial_scale)
        if not math.isfinite(self.initial_bias):
            raise ConfigError(f"initial_bias must be a finite number, got {self.initial_bias}")


class SigmoidContrast(PairObjective):
    """`sigmoid_contrast` with a learnable scale and bias, for unit vectors; it depends less on the batch size."""

    def __init__(self, config: SigmoidContrastConfig) -> None:
        super().__init__()
        self.scale = LearnableScale(config.initial_scale, config.max_scale)
        self.bias = nn.Parameter(torch.tensor(config.initial_bias))

    def forward(
        self,
        left: Float[Tensor, "batch dim"],
        right: Float[Tensor, "batch dim"],
        blocked: Bool[Tensor, "batch batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the loss of matching rows against all others that are not blocked."""
        return sigmoid_contrast(left, right, self.scale(), self.bias, blocked)


SigmoidContrastConfig.builds = SigmoidContrast
