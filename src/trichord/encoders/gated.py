"""Gated embedding unit: a linear map whose output is gated by its own context."""

from __future__ import annotations

import torch
from torch import nn

from trichord.shapes import Float, Tensor


def gate(values: Float[Tensor, "rows dim"], logits: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
    """Return values * sigmoid(logits), element by element."""
    return values * torch.sigmoid(logits)


class GatedUnit(nn.Module):
    """Gated embedding unit of Miech et al. (2018), as in MCN: u = W1 x + b1, y = u * sigmoid(W2 u + b2).

    The output is neither normalised nor batch-normalised.

    Args:
        input_dim: width of x.
        output_dim: width of u and y.
    """

    def __init__(self, input_dim: int, output_dim: int) -> None:
        super().__init__()
        self.projection = nn.Linear(input_dim, output_dim)
        self.context = nn.Linear(output_dim, output_dim)

    def forward(self, values: Float[Tensor, "rows features"]) -> Float[Tensor, "rows dim"]:
        """Map (rows, input_dim) to (rows, output_dim)."""
        projected = self.projection(values)
        return gate(projected, self.context(projected))
