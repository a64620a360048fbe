"""A pretrained network of transformers as an encoder: what its processor made of raw inputs -> one vector per row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from trichord.backbones import (
    Checkpoint,
    Preparer,
    copy_files,
    find_family,
    load_model,
    load_preparer,
    make_model,
    open_checkpoint,
)
from trichord.backbones.families import READS
from trichord.backbones.models import read_config
from trichord.backbones.pooling import samples_needed
from trichord.batch import Encoded, Features
from trichord.encoders.contract import Encoder, EncoderConfig
from trichord.encoders.padding import mean_of_first, true_positions
from trichord.errors import ConfigError, DataError, nearest
from trichord.files import hash_tensors
from trichord.shapes import Float, Tensor


@dataclass(frozen=True, kw_only=True)
class BackboneConfig(EncoderConfig):
    """Settings of `Backbone`; made by `describe_backbone`.

    Args:
        source: folder or hub name of the checkpoint. Nothing is downloaded.
        family: what it is, see `trichord.backbones.families`.
        reads: kind of raw input: "image", "frames", "waveform" or "text".
        pooling: which vector stands for an image, recording or caption, see `trichord.backbones.pooling`. The vectors
            of frames are averaged.
        weights: hash of the pretrained weights.
        processor: hash of the files of the processor that prepares raw inputs.
        rate: samples per second of recordings; None for other kinds.
        pretrained: start from the weights of the checkpoint; off, only its shape is taken, for weights that are loaded
            afterwards.
    """

    source: str
    family: str
    reads: str
    pooling: str
    weights: str
    processor: str
    rate: int | None = None
    pretrained: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        family = find_family(self.family)
        if READS.get(self.reads) != family.reads:
            raise ConfigError(f"BackboneConfig: {family.name} reads {family.reads}s, not the kind {self.reads!r}")
        if self.pooling not in family.poolings:
            raise ConfigError(f"the pooling of {family.name} is {nearest(self.pooling, list(family.poolings))}")
        if (self.rate is None) == (self.reads == "waveform"):
            raise ConfigError(f"BackboneConfig.rate is for recordings, and they have one; got {self.rate}")

    @property
    def target_dim(self) -> int:
        """Width of the vector: raw inputs are nothing that a decoder could rebuild."""
        return self.output_dim

    @property
    def kind(self) -> str:
        """Kind of raw input."""
        return self.reads

    def checkpoint(self) -> Checkpoint:
        """Find the checkpoint; raise `ConfigError` where it is gone or has become something else."""
        found = open_checkpoint(self.source, self.reads, self.family)
        if found.processor_hash() != self.processor:
            raise ConfigError(
                f"{found.folder}: the files of the processor are not those the encoder was made with "
                f"({found.processor_hash()}, not {self.processor}); bring them back, or learn anew"
            )
        return found

    def check_inputs(self, name: str, kind: str, rate: int | None) -> None:
        """Raise `ConfigError` unless raw inputs are of the kind and rate that the encoder was made for."""
        pairs = ((kind, rate), (self.reads, self.rate))
        if pairs[0] != pairs[1]:
            found, wanted = (what + (f" of {per} per second" if per else "") for what, per in pairs)
            raise ConfigError(f"{name} is of the kind {found}, and its encoder, {self.family}, was made for {wanted}")

    def preparer(self) -> Preparer:
        """Load what prepares raw inputs, for `trichord.data.prepared.prepare`."""
        return load_preparer(self.checkpoint(), self.reads, self.rate)


def describe_backbone(source: str, kind: str, *, rate: int | None = None, pooling: str | None = None) -> BackboneConfig:
    """Return the configuration of a pretrained encoder; its weights are read once, for their hash.

    Args:
        source: folder or hub name of the checkpoint.
        kind: of raw input it is to read.
        rate: samples per second of recordings.
        pooling: see `BackboneConfig`; None takes the family's default.

    Raises:
        ConfigError: there is no such checkpoint, it is not supported, damaged or incomplete, or it does not suit the
            inputs.
    """
    checkpoint = open_checkpoint(source, kind)
    family, shape = checkpoint.family, read_config(checkpoint)
    load_preparer(checkpoint, kind, rate)
    return BackboneConfig(
        input_dim=family.input_dim(shape),
        output_dim=int(shape.hidden_size),
        source=source,
        family=family.name,
        reads=kind,
        pooling=next(iter(family.poolings)) if pooling is None else pooling,
        weights=hash_tensors(load_model(checkpoint).state_dict()),
        processor=checkpoint.processor_hash(),
        rate=rate,
    )


def save_backbone_files(config: BackboneConfig, folder: Path) -> None:
    """Copy what builds the encoder again beside its weights: config.json and the files of the processor."""
    copy_files(config.checkpoint(), folder)


def relocated(config: BackboneConfig, folder: Path) -> BackboneConfig:
    """Return the same encoder's configuration, built of files that `save_backbone_files` wrote, without weights."""
    return replace(config, source=str(folder), pretrained=False)


def attention_targets(config: BackboneConfig) -> str:
    """Return the expression that names the attention's query and value layers, for `LowRankConfig.targets`.

    SigLIP's pooling head keeps query, key and value in one tensor, which no matrices are put beside.
    """
    find_family(config.family)
    return r".*\.(query|value|q_proj|v_proj|q_lin|v_lin)"


class Backbone(Encoder):
    """vector = pool(network(prepared input)); of frames, the mean over the true ones. Nothing is learnt on top of it.

    Takes images (rows, colours, height, width), frames (rows, time, colours, height, width) with lengths, recordings
    (rows, frames, mels) or (rows, samples) with lengths, or token ids (rows, tokens) with lengths.
    """

    sequences = False

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        self.reads, self.family = config.reads, find_family(config.family)
        self.pool = self.family.poolings[config.pooling]
        checkpoint = config.checkpoint()
        self.model = load_model(checkpoint) if config.pretrained else make_model(checkpoint)
        shape = self._shape
        if (self.family.input_dim(shape), shape.hidden_size) != (config.input_dim, config.output_dim):
            raise ConfigError(
                f"{checkpoint.folder}: the network is {self.family.input_dim(shape)} -> {shape.hidden_size} wide, the "
                f"configuration says {config.input_dim} -> {config.output_dim}"
            )
        if config.pretrained and hash_tensors(self.model.state_dict()) != config.weights:
            raise ConfigError(
                f"{checkpoint.folder}: the weights are not those the encoder was made with ({config.weights}); bring "
                "them back, or learn anew"
            )

    @property
    def _shape(self) -> Any:
        """The network's own configuration."""
        return self.model.config

    def forward(self, features: Features) -> Encoded:
        """Encode prepared inputs.

        Raises:
            DataError: they are of another kind or width than the network reads.
        """
        values = self._checked(features)
        if not len(values):
            # Some networks cannot take zero rows. Of one row, none is kept: the gradient of every weight is zero.
            trial = self._trial()
            length = torch.full((1,), trial.shape[1], dtype=torch.long, device=trial.device)
            vectors = self.pool(self.model, trial, length)[:0]
        elif self.reads == "frames":
            vectors = self._frames(values, features)
        else:
            vectors = self.pool(self.model, values, features.lengths)
        return Encoded(vectors, vectors)

    def _frames(self, values: Tensor, features: Features) -> Float[Tensor, "rows width"]:
        assert features.lengths is not None, "checked"
        true = true_positions(features.lengths, values.shape[1])
        found = self.pool(self.model, values[true], None)
        spread = found.new_zeros(*true.shape, found.shape[1]).masked_scatter(true[:, :, None], found)
        return mean_of_first(spread, features.lengths)

    def empty_features(self) -> Features:
        """Return zero prepared inputs."""
        trial = self._trial()
        none = torch.zeros(0, dtype=torch.long, device=trial.device)
        values = trial[:0, None] if self.reads == "frames" else trial[:0]
        return Features(values, none, none if self._has_lengths else None)

    @property
    def _has_lengths(self) -> bool:
        return self.reads in ("frames", "text") or "mean" in self.family.poolings

    def _trial(self) -> Tensor:
        """Return one input of zeros, as small as the network takes it; of frames, one image."""
        weight, shape = next(self.parameters()), self._shape
        if self.reads == "text":
            return torch.zeros(1, 1, dtype=torch.long, device=weight.device)
        sizes = self.family.row_shape(shape)
        smallest = samples_needed(shape) if self.reads == "waveform" and None in sizes else 0
        return weight.new_zeros(1, *(smallest or 2 * int(shape.patch_size) if size is None else size for size in sizes))

    def _checked(self, features: Features) -> Tensor:
        values, wanted = features.values, self.family.row_shape(self._shape)
        frames = self.reads == "frames"
        found = tuple(values.shape[2:] if frames else values.shape[1:])
        fits = values.ndim == len(wanted) + 1 + frames and all(
            size in (None, had) for size, had in zip(wanted, found, strict=True)
        )
        whole = not values.is_floating_point()
        if not fits or whole != (self.reads == "text") or (features.lengths is not None) != self._has_lengths:
            shape = ", ".join("any" if size is None else str(size) for size in (None, *[None] * frames, *wanted))
            raise DataError(
                f"{self.family.name} reads prepared inputs (kind {self.reads!r}) of shape ({shape}) "
                f"{'with' if self._has_lengths else 'without'} lengths, got {values.dtype} of shape "
                f"{tuple(values.shape)}",
                remedy="prepare the raw inputs with the processor of this checkpoint",
            )
        return values if whole else values.to(next(self.parameters()).dtype)


BackboneConfig.builds = Backbone
