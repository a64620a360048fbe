"""The networks that nodes of a graph may be, besides the recipe's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isqrt

from trichord.encoders import EncoderConfig, GatedHeadConfig, ImageHeadConfig, LinearHeadConfig, ResidualHeadConfig
from trichord.encoders.pooled import PooledEncoderConfig
from trichord.errors import ConfigError, nearest


def linear(encoder: PooledEncoderConfig) -> EncoderConfig:
    """One linear map, with as much of the input dropped and standardised as before."""
    return LinearHeadConfig(
        input_dim=encoder.input_dim,
        output_dim=encoder.output_dim,
        dropout=encoder.dropout,
        standardize=encoder.standardize,
    )


def gated(encoder: PooledEncoderConfig) -> EncoderConfig:
    """The gated unit of MCN on the same input."""
    return GatedHeadConfig(
        input_dim=encoder.input_dim,
        output_dim=encoder.output_dim,
        dropout=encoder.dropout,
        standardize=encoder.standardize,
    )


def wide(encoder: PooledEncoderConfig) -> EncoderConfig:
    """A residual branch of twice the width of the joint space."""
    dropped = encoder.hidden_dropout if isinstance(encoder, ResidualHeadConfig) else 0.0
    return ResidualHeadConfig(
        input_dim=encoder.input_dim,
        output_dim=encoder.output_dim,
        hidden_dim=2 * encoder.output_dim,
        dropout=encoder.dropout,
        hidden_dropout=dropped,
        standardize=encoder.standardize,
    )


Vary = Callable[[PooledEncoderConfig], EncoderConfig]
VARIANTS: Mapping[str, Vary] = {"linear": linear, "gated": gated, "wide": wide}
"""What a node's network may be besides the recipe's own, on pooled vectors."""


def _perceptron(hidden: int) -> Callable[[int, int], EncoderConfig]:
    def build(input_dim: int, classes: int) -> EncoderConfig:
        return ResidualHeadConfig(input_dim=input_dim, output_dim=classes, hidden_dim=hidden, hidden_dropout=0.3)

    return build


def _linear_classifier(input_dim: int, classes: int) -> EncoderConfig:
    return LinearHeadConfig(input_dim=input_dim, output_dim=classes)


def _convolution(input_dim: int, classes: int) -> EncoderConfig:
    side = isqrt(input_dim)
    if side * side != input_dim:
        raise ConfigError(f"model=convolution looks at square images; {input_dim} features are none")
    return ImageHeadConfig(input_dim=input_dim, output_dim=classes, height=side, width=side)


CLASSIFIERS: Mapping[str, Callable[[int, int], EncoderConfig]] = {
    "": _perceptron(64),
    "linear": _linear_classifier,
    "narrow": _perceptron(16),
    "wide": _perceptron(256),
    "convolution": _convolution,
}
"""What a node that classifies may be."""


def find_model(
    kinds: Mapping[str, Callable[..., EncoderConfig]], model: str, name: str
) -> Callable[..., EncoderConfig]:
    """Return what builds a kind of network; raise `ConfigError` naming the node where there is none."""
    if model not in kinds:
        options = tuple(kind for kind in kinds if kind)
        raise ConfigError(f"node {name!r}: there is no model={model}; {nearest(model, options)}")
    return kinds[model]
