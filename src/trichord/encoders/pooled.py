"""Heads for pooled vectors: linear, gated, and linear with a residual branch, each with optional standardisation."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from trichord.batch import Encoded, Features
from trichord.encoders.contract import Encoder, EncoderConfig
from trichord.encoders.gated import GatedUnit
from trichord.encoders.standardize import Standardize
from trichord.errors import ConfigError
from trichord.shapes import Float, Tensor


@dataclass(frozen=True, kw_only=True)
class PooledEncoderConfig(EncoderConfig):
    """Settings that every head for pooled vectors has.

    Args:
        dropout: share of the (standardised) inputs set to zero in training.
        standardize: fit mean and scale of the input before training. Off, the input is used as it is.
        whiten: decorrelate the standardised input as well; needs `standardize`.
        ridge: variance added along every axis in the whitening, beside the one that standardised values have.
    """

    dropout: float = 0.0
    standardize: bool = False
    whiten: bool = False
    ridge: float = 1e-2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"{type(self).__name__}.dropout must lie in [0, 1), got {self.dropout}")
        if self.ridge <= 0:
            raise ConfigError(f"{type(self).__name__}.ridge must be above 0, got {self.ridge}")
        if self.whiten and not self.standardize:
            raise ConfigError(f"{type(self).__name__}.whiten works on standardised input: set standardize as well")


@dataclass(frozen=True, kw_only=True)
class LinearHeadConfig(PooledEncoderConfig):
    """Settings of `LinearHead`."""


@dataclass(frozen=True, kw_only=True)
class GatedHeadConfig(PooledEncoderConfig):
    """Settings of `GatedHead`.

    Args:
        hidden_dim: width of a hidden layer (linear, GELU) before the gated unit; None, as published: no such layer.
    """

    hidden_dim: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden_dim is not None and self.hidden_dim < 1:
            raise ConfigError(f"GatedHeadConfig.hidden_dim must be at least 1 or None, got {self.hidden_dim}")


@dataclass(frozen=True, kw_only=True)
class ResidualHeadConfig(PooledEncoderConfig):
    """Settings of `ResidualHead`.

    Args:
        hidden_dim: width of the residual branch.
        hidden_dropout: share of the branch's hidden units set to zero in training.
        layer_norm: normalise the input of the residual branch (with a learnt scale and shift).
    """

    hidden_dim: int
    hidden_dropout: float = 0.0
    layer_norm: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden_dim < 1:
            raise ConfigError(f"ResidualHeadConfig.hidden_dim must be at least 1, got {self.hidden_dim}")
        if not 0 <= self.hidden_dropout < 1:
            raise ConfigError(f"ResidualHeadConfig.hidden_dropout must lie in [0, 1), got {self.hidden_dropout}")


class PooledEncoder(Encoder):
    """Base of the heads below: checks pooled vectors, standardises them, and leaves the map to `project`.

    The reconstruction target is the input as it was given, before standardisation, so that a decoder whose output is
    non-negative can reach features that are.
    """

    sequences = False

    def __init__(self, config: PooledEncoderConfig) -> None:
        wanted = Standardize(config.input_dim, whiten=config.whiten, ridge=config.ridge) if config.standardize else None
        super().__init__(config, standardize=wanted)

    def forward(self, features: Features) -> Encoded:
        """Encode pooled vectors (rows, input_dim)."""
        values = self.checked_values(features)
        return Encoded(self.project(values if self.standardize is None else self.standardize(values)), values)

    @abstractmethod
    def project(self, values: Float[Tensor, "rows features"]) -> Float[Tensor, "rows dim"]:
        """Map the standardised input to the joint space."""


class LinearHead(PooledEncoder):
    """One linear map, y = W dropout(x) + b."""

    def __init__(self, config: LinearHeadConfig) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(config.dropout)
        self.linear = nn.Linear(config.input_dim, config.output_dim)

    def project(self, values: Float[Tensor, "rows features"]) -> Float[Tensor, "rows dim"]:
        """Map the standardised input to the joint space."""
        mapped: Tensor = self.linear(self.dropout(values))
        return mapped


class GatedHead(PooledEncoder):
    """Gated embedding unit on pooled vectors: the video branch of MCN (Chen et al. 2021, 4096 -> 6144)."""

    def __init__(self, config: GatedHeadConfig) -> None:
        super().__init__(config)
        width = config.input_dim if config.hidden_dim is None else config.hidden_dim
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = None if config.hidden_dim is None else nn.Linear(config.input_dim, width)
        self.unit = GatedUnit(width, config.output_dim)

    def project(self, values: Float[Tensor, "rows features"]) -> Float[Tensor, "rows dim"]:
        """Map the standardised input to the joint space."""
        kept = self.dropout(values)
        embedding: Tensor = self.unit(kept if self.hidden is None else functional.gelu(self.hidden(kept)))
        return embedding


class ResidualHead(PooledEncoder):
    """A linear map and a small branch beside it: y = W x' + b + W2 dropout(gelu(W1 x' + b1)) + b2, x' = dropout(x).

    On features that already hold most of what is wanted (a pretrained network's), a linear map is hard to beat; the
    branch adds what a linear map cannot express.
    """

    def __init__(self, config: ResidualHeadConfig) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(config.dropout)
        self.linear = nn.Linear(config.input_dim, config.output_dim)
        self.branch = nn.Sequential(
            nn.LayerNorm(config.input_dim) if config.layer_norm else nn.Identity(),
            nn.Linear(config.input_dim, config.hidden_dim),
            nn.GELU(),
            nn.Dropout(config.hidden_dropout),
            nn.Linear(config.hidden_dim, config.output_dim),
        )

    def project(self, values: Float[Tensor, "rows features"]) -> Float[Tensor, "rows dim"]:
        """Map the standardised input to the joint space."""
        kept = self.dropout(values)
        embedding: Tensor = self.linear(kept) + self.branch(kept)
        return embedding


LinearHeadConfig.builds = LinearHead
GatedHeadConfig.builds = GatedHead
ResidualHeadConfig.builds = ResidualHead
