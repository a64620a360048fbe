"""A learnable factor on similarities (the inverse of a temperature), bounded from above."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from trichord.errors import ConfigError
from trichord.objectives.contract import check_positive
from trichord.shapes import Float, Tensor


class _UpperBound(torch.autograd.Function):
    """min(value, bound) whose gradient can still pull a value at the bound down, but not push it further up.

    The gradient of a plain clamp is zero beyond the bound: a value that crosses it once would stay there for ever.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(value >= bound)
        return value.clamp(max=bound)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (at_bound,) = ctx.saved_tensors
        (gradient,) = gradients
        return gradient.masked_fill(at_bound & (gradient < 0), 0.0), None


class LearnableScale(nn.Module):
    """exp(log_scale), log_scale being learned; never above `max_scale`.

    Args:
        initial: scale at the start; 1 / temperature.
        max_scale: upper bound, applied in the forward pass; None for no bound.

    Raises:
        ConfigError: if a value is not positive, or the initial scale lies above the bound.
    """

    def __init__(self, initial: float, max_scale: float | None) -> None:
        check_positive("the initial scale (1 / temperature)", initial)
        if max_scale is not None:
            check_positive("max_scale", max_scale)
            if initial > max_scale:
                raise ConfigError(f"the initial scale {initial} (1 / temperature) is above max_scale {max_scale}")
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(initial)))
        self.max_scale = max_scale

    def forward(self) -> Float[Tensor, ""]:
        """Return the scale."""
        if self.max_scale is None:
            return self.log_scale.exp()
        bounded: Tensor = _UpperBound.apply(self.log_scale, math.log(self.max_scale))  # type: ignore[no-untyped-call]
        return bounded.exp()
