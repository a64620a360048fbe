"""What an encoder is: features of one modality in, vectors of the joint space out, not normalised."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import nn

from trichord.batch import Encoded, Features
from trichord.config import Config
from trichord.encoders.standardize import Standardize
from trichord.errors import ConfigError, DataError
from trichord.shapes import Float, Tensor


@dataclass(frozen=True, kw_only=True)
class EncoderConfig(Config):
    """Sizes that every encoder has.

    Args:
        input_dim: width of a feature vector, or of one step of a sequence.
        output_dim: width of the joint space.
    """

    input_dim: int
    output_dim: int

    def __post_init__(self) -> None:
        for name in ("input_dim", "output_dim"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{type(self).__name__}.{name} must be at least 1, got {getattr(self, name)}")

    @property
    def target_dim(self) -> int:
        """Width of `Encoded.target`; the input itself unless an encoder says otherwise."""
        return self.input_dim

    @property
    def kind(self) -> str:
        """Kind of features it takes, as `trichord.data` names it: "pooled", "sequence" or "words"."""
        return "sequence" if self.builds.sequences else "pooled"


class Encoder(nn.Module, ABC):
    """Base of every encoder.

    A subclass sets `sequences` and writes `forward`. It must accept zero rows, because a modality that a batch lacks
    is encoded from none: every process then takes part in the same collective calls and every parameter has a
    gradient.

    Args:
        config: its sizes.
        standardize: statistics of the input that are fitted before training, None where there is nothing to fit.
    """

    sequences: ClassVar[bool]
    trunk_name: ClassVar[str | None] = None
    """The submodule that does most of the work, under a head; None: the encoder is not divided. An encoder that has a
    trunk writes `below_head` and `head`, and its `forward` is one after the other (`trichord.encoders.beforehand`)."""

    def __init__(self, config: EncoderConfig, *, standardize: Standardize | None = None) -> None:
        super().__init__()
        self.input_dim, self.output_dim, self.target_dim = config.input_dim, config.output_dim, config.target_dim
        self.standardize = standardize

    @abstractmethod
    def forward(self, features: Features) -> Encoded:
        """Encode the rows of a batch that hold this modality.

        Raises:
            DataError: `features` are not of the kind or width this encoder was built for.
        """

    @property
    def trunk_dim(self) -> int:
        """Width of what the head reads."""
        return self.target_dim

    def below_head(self, features: Features) -> Float[Tensor, "rows width"]:
        """Return what the head reads, one vector for each row: the trunk's output, pooled."""
        raise NotImplementedError(f"{type(self).__name__} names no trunk")

    def head(self, values: Float[Tensor, "rows width"]) -> Encoded:
        """Encode what `below_head` returned."""
        raise NotImplementedError(f"{type(self).__name__} names no trunk")

    def fit_statistics(self, chunks: Iterable[Tensor]) -> bool:
        """Fit the input statistics on the values of the fitting split; return False where there is nothing to fit.

        Args:
            chunks: (any number, features) each; together the whole split.
        """
        if self.standardize is None:
            return False
        self.standardize.fit(chunks)
        return True

    def empty_features(self) -> Features:
        """Return features of zero rows, of the kind and width this encoder takes."""
        parameter = next(self.parameters())
        none = torch.zeros(0, dtype=torch.long, device=parameter.device)
        if self.sequences:
            return Features(parameter.new_zeros(0, 1, self.input_dim), none, none)
        return Features(parameter.new_zeros(0, self.input_dim), none)

    def checked_values(self, features: Features) -> Tensor:
        """Return the values in the precision of the parameters, after checking kind and width."""
        check_kind(features, sequences=self.sequences, input_dim=self.input_dim)
        return features.values.to(next(self.parameters()).dtype)


@runtime_checkable
class Encoders(Protocol):
    """Whatever has one encoder per modality: a joint encoder, a classifier."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that have an encoder."""

    def encoder(self, name: str) -> Encoder:
        """Return one modality's encoder."""


def check_kind(features: Features, *, sequences: bool, input_dim: int) -> None:
    """Raise `DataError` unless features are pooled vectors or sequences, as wanted, of the wanted width."""
    found = tuple(features.values.shape)
    expected = f"sequences of shape (rows, time, {input_dim})" if sequences else f"vectors of shape (rows, {input_dim})"
    if len(found) != 2 + sequences or found[-1] != input_dim:
        raise DataError(
            f"this encoder takes {expected}, got values of shape {found}",
            remedy="Choose an encoder for this kind of feature, or set its input_dim to the width of the data",
        )
    if sequences != (features.lengths is not None):
        raise DataError(
            f"this encoder takes {expected} {'with' if sequences else 'without'} lengths, "
            f"got {'none' if features.lengths is None else 'some'}",
            remedy="Give lengths with sequences, and only with them",
        )


def checked_lengths(features: Features, *, minimum: int) -> Tensor:
    """Return the lengths of sequences; raise `DataError` at the first that lies outside minimum ... time."""
    assert features.lengths is not None, "check_kind comes first"
    lengths, time = features.lengths, features.values.shape[1]
    wrong = (lengths < minimum) | (lengths > time)
    if bool(wrong.any()):
        place = int(wrong.nonzero()[0])
        raise DataError(
            f"a sequence must have {minimum} to {time} steps (the padded length), got {int(lengths[place])}",
            row=int(features.rows[place]),
            remedy="Leave rows without content out of the features: they lack the modality",
        )
    return lengths
