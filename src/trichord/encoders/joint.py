"""JointEncoder: a dictionary from modality to encoder, one space, normalised in one place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from trichord.batch import Embeddings, Encoded, Features
from trichord.config import Config
from trichord.encoders.beforehand import Depth, compute_above, values_width
from trichord.encoders.contract import Encoder, EncoderConfig
from trichord.errors import ConfigError, DataError, nearest
from trichord.shapes import Bool, Float, Int, Tensor

SMALLEST_NORM = 1e-6


def check_names(names: Iterable[str]) -> None:
    """Raise `ConfigError` for a name under which a module cannot hold the encoder of a modality."""
    taken = nn.ModuleDict()
    for name in names:
        if not (name.isidentifier() and name == name.lower()) or hasattr(taken, name):
            raise ConfigError(
                f"{name!r} cannot name a modality: take a lower-case identifier that is no attribute of a module"
            )


@dataclass(frozen=True, kw_only=True)
class JointEncoderConfig(Config):
    """Settings of `JointEncoder`.

    Args:
        encoders: modality name -> its encoder; all of one output_dim.
        normalize: bring every vector to length one. Off, as published in MCN: dot products of unbounded vectors.
    """

    encoders: dict[str, EncoderConfig]
    normalize: bool = True

    def __post_init__(self) -> None:
        if not self.encoders:
            raise ConfigError("JointEncoderConfig.encoders is empty; give one encoder or more")
        check_names(self.encoders)
        widths = {name: encoder.output_dim for name, encoder in self.encoders.items()}
        if len(set(widths.values())) > 1:
            raise ConfigError(f"encoders of one space must have the same output_dim, got {widths}")


def unit_rows(vectors: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
    """Divide every row by its length; a row shorter than `SMALLEST_NORM` is divided by that, so zero stays zero."""
    squares: Tensor = vectors.square().sum(dim=1, keepdim=True)
    return vectors * squares.clamp_min(SMALLEST_NORM**2).rsqrt()


def scatter_rows(
    values: Float[Tensor, "rows dim"], rows: Int[Tensor, " rows"], batch_size: int
) -> Float[Tensor, "{batch_size} dim"]:
    """Place values at their rows of a (batch, dim) array of zeros.

    Rows ascend and are distinct, so as many values as the batch has rows are in their places already.
    """
    if len(values) == batch_size:
        return values
    return values.new_zeros(batch_size, values.shape[1]).index_copy(0, rows, values)


class JointEncoder(nn.Module):
    """Encodes any number of modalities into one space; it knows them by name only.

    Args:
        config: encoders by modality, and whether vectors are normalised.
    """

    def __init__(self, config: JointEncoderConfig) -> None:
        super().__init__()
        self.normalize = config.normalize
        self.encoders = nn.ModuleDict({name: encoder.build() for name, encoder in config.encoders.items()})
        self.dim = next(iter(config.encoders.values())).output_dim
        self._given: dict[str, Depth] = {}

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that have an encoder."""
        return tuple(self.encoders)

    def encoder(self, name: str) -> Encoder:
        """Return one modality's encoder; raise `ConfigError` for a modality that has none."""
        if name not in self.encoders:
            raise ConfigError(f"there is no encoder for the modality {name!r}; {nearest(name, self.modalities)}")
        found = self.encoders[name]
        assert isinstance(found, Encoder)
        return found

    @contextmanager
    def given(self, depths: Mapping[str, Depth]) -> Iterator[None]:
        """Take for features of the named modalities what was computed from them, while the block runs.

        Args:
            depths: modality name -> how far it was computed; see `trichord.encoders.beforehand`.
        """
        for name in depths:
            self.encoder(name)
        before, self._given = self._given, dict(depths)
        try:
            yield
        finally:
            self._given = before

    def forward(
        self, features: Mapping[str, Features], batch_size: int, only: Collection[str] | None = None
    ) -> Embeddings:
        """Encode a batch.

        A modality that the batch lacks altogether is encoded from zero rows. Its vectors are zeros and present
        nowhere, yet its parameters take part: their gradient is zero rather than absent, and processes that have rows
        of it do not wait for one that has none.

        Args:
            features: modality name -> features of the rows that hold it.
            batch_size: rows of the batch.
            only: encode these modalities alone; None encodes all that have an encoder.

        Returns:
            Vectors (batch, dim) and targets (batch, target_dim), in float32 at least, of every requested modality.

        Raises:
            ConfigError: a modality in `features` or `only` has no encoder.
            DataError: features do not suit their encoder.
        """
        for name in (*features, *(only or ())):
            self.encoder(name)
        names = [name for name in self.modalities if only is None or name in only]
        vectors: dict[str, Tensor] = {}
        present: dict[str, Tensor] = {}
        targets: dict[str, Tensor] = {}
        for name in names:
            given = features.get(name)
            held = self._empty_features(name) if given is None else given
            encoded = self._encode(name, held, batch_size)
            vectors[name] = scatter_rows(encoded.embedding, held.rows, batch_size)
            targets[name] = scatter_rows(encoded.target, held.rows, batch_size)
            present[name] = _presence(held.rows, batch_size)
        return Embeddings(vectors, present, targets)

    def _empty_features(self, name: str) -> Features:
        encoder = self.encoder(name)
        none = encoder.empty_features()
        if name not in self._given:
            return none
        width = values_width(encoder, self._given[name])
        return Features(next(encoder.parameters()).new_zeros(0, width), none.rows)

    def _encode(self, name: str, features: Features, batch_size: int) -> Encoded:
        if not len(features.values) == len(features.rows) <= batch_size:
            raise DataError(
                f"{name}: {len(features.values)} values at {len(features.rows)} rows of a batch of {batch_size}",
                remedy="Give one value for each row that holds the modality",
            )
        try:
            encoded: Encoded = (
                compute_above(self.encoder(name), features.values, self._given[name])
                if name in self._given
                else self.encoders[name](features)
            )
        except DataError as error:
            rule = f"{name}: {error.rule}"
            raise DataError(rule, file=error.file, row=error.row, remedy=error.remedy) from error
        embedding, target = (
            part.to(torch.promote_types(part.dtype, torch.float32)) for part in (encoded.embedding, encoded.target)
        )
        return Encoded(unit_rows(embedding) if self.normalize else embedding, target)


def _presence(rows: Int[Tensor, " rows"], batch_size: int) -> Bool[Tensor, " batch"]:
    return torch.zeros(batch_size, dtype=torch.bool, device=rows.device).index_fill(0, rows, True)


JointEncoderConfig.builds = JointEncoder
