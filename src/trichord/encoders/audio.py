"""Audio encoder: ResDAVEnet on log-mel frames, average over time, gated unit, projection."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn
from torch.nn import functional

from trichord.batch import Encoded, Features
from trichord.encoders.contract import Encoder, EncoderConfig, checked_lengths
from trichord.encoders.gated import GatedUnit
from trichord.encoders.padding import mean_of_first, true_positions
from trichord.encoders.resdavenet import ResDAVEnet
from trichord.errors import ConfigError
from trichord.shapes import Float, Int, Tensor


@dataclass(frozen=True, kw_only=True)
class AudioEncoderConfig(EncoderConfig):
    """Settings of `AudioEncoder`; the defaults are the published sizes.

    Args:
        input_dim: mel bands.
        widths: channels of the trunk's stages; each halves the time axis.
        mask_padding: keep padding out of the trunk and of the average. Off, as published: padding passes through the
            trunk, and in training it is part of the average, while in evaluation it is not.
        padding_value: what padded frames are set to before the trunk, in the units of the data. The default is the
            floor of a log-mel in decibels below its peak; published is 0, the loudest value there is. With
            `mask_padding` it has no influence on the embedding.
        training_frames: read this many frames of a clip at most in training; None reads all. Published: 1000. Without
            `mask_padding` every clip is padded to exactly this length, so that what padding does to the numbers does
            not depend on the other clips of the batch.
        evaluation_frames: the same in evaluation; None: as in training. Published: 5120 on YouCook2, 3072 on MSR-VTT.
        unused_input_norm: register the input batch norm that the reference never calls (2 parameters).
    """

    input_dim: int = 40
    widths: tuple[int, ...] = (128, 256, 512, 1024)
    mask_padding: bool = True
    padding_value: float = -80.0
    training_frames: int | None = None
    evaluation_frames: int | None = None
    unused_input_norm: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.widths or min(self.widths) < 1:
            raise ConfigError(
                f"AudioEncoderConfig.widths must hold one width or more, each at least 1, got {self.widths}"
            )
        for name in ("training_frames", "evaluation_frames"):
            frames = getattr(self, name)
            if frames is not None and frames < 1:
                raise ConfigError(f"AudioEncoderConfig.{name} must be at least 1 or None, got {frames}")
        if not self.mask_padding and self.training_frames is None:
            raise ConfigError(
                "AudioEncoderConfig: without mask_padding, set training_frames (published: 1000), the padded length"
            )
        if not math.isfinite(self.padding_value):
            raise ConfigError(f"AudioEncoderConfig.padding_value must be finite, got {self.padding_value}")

    @property
    def target_dim(self) -> int:
        """Width of the pooled trunk output."""
        return self.widths[-1]


class AudioEncoder(Encoder):
    """Audio branch of MCN (Chen et al. 2021).

    Takes log-mel sequences (rows, time, mel). A row of n frames is averaged over its first max(1, n // 16) positions,
    16 being the reduction of the trunk; the reference derives that number from the padded shape of the batch, where it
    comes to the same from 450 frames on. The gated unit works at the trunk's width, for the range of half precision;
    the projection to the joint space comes last. The reconstruction target is the average
    (rows, last width).
    """

    sequences = True
    trunk_name = "trunk"

    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__(config)
        self.mask_padding, self.padding_value = config.mask_padding, config.padding_value
        self.training_frames = config.training_frames
        self.evaluation_frames = config.evaluation_frames or config.training_frames
        self.trunk = ResDAVEnet(config.input_dim, config.widths, unused_input_norm=config.unused_input_norm)
        self.unit = GatedUnit(config.target_dim, config.target_dim)
        self.projection = nn.Linear(config.target_dim, config.output_dim)

    def forward(self, features: Features) -> Encoded:
        """Encode spectrograms.

        Raises:
            DataError: features are no sequences of mel frames, or one has no frame.
        """
        return self.head(self.below_head(features))

    def below_head(self, features: Features) -> Float[Tensor, "rows width"]:
        """Return the average over time of the trunk's positions; see `forward`."""
        values = self.checked_values(features)
        values, lengths = self._cut(values, checked_lengths(features, minimum=1))
        padding = ~true_positions(lengths, values.shape[1])[:, :, None]
        values = values.masked_fill(padding, self.padding_value)
        positions = self.trunk(values, lengths if self.mask_padding else None)
        if self.mask_padding or not self.training:
            return mean_of_first(positions, (lengths // self.trunk.reduction).clamp_min(1))
        average: Tensor = positions.mean(dim=1)
        return average

    def head(self, values: Float[Tensor, "rows width"]) -> Encoded:
        """Encode averages (rows, last width)."""
        return Encoded(self.projection(self.unit(values)), values)

    def _cut(
        self, values: Float[Tensor, "rows time mel"], lengths: Int[Tensor, " rows"]
    ) -> tuple[Float[Tensor, "rows newtime mel"], Int[Tensor, " rows"]]:
        """Crop clips to the frames that are read and, where padding is not masked, pad them to that length."""
        frames = self.training_frames if self.training else self.evaluation_frames
        if frames is None:
            return values, lengths
        values = values[:, :frames]
        if not self.mask_padding:
            values = functional.pad(values, (0, 0, 0, frames - values.shape[1]))
        return values, lengths.clamp(max=frames)


AudioEncoderConfig.builds = AudioEncoder
