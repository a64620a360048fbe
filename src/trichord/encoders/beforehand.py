"""What of an encoder can be computed once: the part, from the features up, in which nothing learns or is drawn.

| depth | computed beforehand | its values |
|---|---|---|
| "trunk" | the trunk, up to what the head reads | (rows, trunk_dim) |
| "encoder" | the whole encoder | (rows, dim + target_dim): embedding and target side by side |
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from trichord.batch import Encoded, Features
from trichord.encoders.contract import Encoder
from trichord.errors import ConfigError
from trichord.shapes import Float, Tensor

Depth = Literal["trunk", "encoder"]


def is_still(module: nn.Module) -> bool:
    """Whether a module gives the same values for the same features as long as it stays in its mode.

    No parameter learns, no input is dropped and no batch statistics are taken. Matrices of adapters in it that do not
    learn must not be active.
    """
    if any(parameter.requires_grad for parameter in module.parameters()):
        return False
    drawn = (m for m in module.modules() if m.training and isinstance(m, (_DropoutNd, _BatchNorm)))
    return all(isinstance(m, _DropoutNd) and m.p == 0 for m in drawn)


def still_depth(encoder: Encoder) -> Depth | None:
    """Return how far an encoder, in its present mode, can be computed beforehand; None: not at all."""
    if is_still(encoder):
        return "encoder"
    return "trunk" if encoder.trunk_name is not None and is_still(trunk_of(encoder)) else None


def trunk_of(encoder: Encoder) -> nn.Module:
    """Return the trunk; raise `ConfigError` where there is none."""
    if encoder.trunk_name is None:
        raise ConfigError(f"{type(encoder).__name__} has no trunk that could be computed beforehand")
    return encoder.get_submodule(encoder.trunk_name)


def values_width(encoder: Encoder, depth: Depth) -> int:
    """Return the width of what `compute_below` returns."""
    return encoder.trunk_dim if depth == "trunk" else encoder.output_dim + encoder.target_dim


def compute_below(encoder: Encoder, features: Features, depth: Depth) -> Float[Tensor, "rows width"]:
    """Compute what can be computed beforehand."""
    if depth == "trunk":
        trunk_of(encoder)
        return encoder.below_head(features)
    encoded: Encoded = encoder(features)
    return torch.cat([encoded.embedding, encoded.target], dim=1)


def compute_above(encoder: Encoder, values: Float[Tensor, "rows width"], depth: Depth) -> Encoded:
    """Compute the rest from what `compute_below` returned."""
    width = values_width(encoder, depth)
    if values.shape[1] != width:
        raise ConfigError(f"{depth} values of this encoder are {width} wide, got {values.shape[1]}")
    if depth == "trunk":
        return encoder.head(values)
    return Encoded(values[:, : encoder.output_dim], values[:, encoder.output_dim :])
