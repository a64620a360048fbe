"""Video features: what video sees, mixed into the width of the published backbones, rectified, of unit length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trichord.config import Config
from trichord.errors import ConfigError
from trichord.randomness import numpy_generator
from trichord.shapes import Float

STREAMS = ("2d", "3d")


@dataclass(frozen=True, kw_only=True)
class VisualConfig(Config):
    """Settings of rendered features.

    Args:
        dim: width of one stream; published: 2048 (ResNet-152, and ResNeXt-101 for 3D).
        threshold: what a feature must exceed to be above zero, in standard deviations; larger makes features sparser.
        frame_noise: standard deviation of the noise on every feature of every row, against one for the signal.
    """

    dim: int = 2048
    threshold: float = 0.5
    frame_noise: float = 0.5

    def __post_init__(self) -> None:
        if self.dim < 1 or self.frame_noise < 0:
            raise ConfigError(f"dim is at least 1 and frame_noise not negative, got {self.dim}, {self.frame_noise}")


def mixing_matrix(stream: str, width: int, dim: int, seed: int) -> Float[np.ndarray, "width dim"]:
    """Return the fixed matrix of a stream; it mixes standard normal values to standard normal values."""
    drawn = numpy_generator(seed, f"generated/mixing/{stream}/{width}/{dim}").standard_normal((width, dim))
    scaled: np.ndarray = (drawn / np.linalg.norm(drawn, axis=0)).astype(np.float32)
    return scaled


def render_rows(
    seen: Float[np.ndarray, "rows width"],
    mixing: Float[np.ndarray, "width dim"],
    config: VisualConfig,
    generator: np.random.Generator,
) -> Float[np.ndarray, "rows dim"]:
    """Return one feature vector for every row of what is seen: not negative, of unit length, float32."""
    noise = generator.standard_normal((len(seen), mixing.shape[1]), dtype=np.float32)
    raised = seen.astype(np.float32) @ mixing + config.frame_noise * noise - config.threshold
    return unit_length(np.maximum(raised, 0))


def pool_rows(rows: Float[np.ndarray, "time dim"]) -> Float[np.ndarray, " dim"]:
    """Return the largest value of every feature over time, as a vector of unit length."""
    pooled: np.ndarray = unit_length(rows.max(axis=0, keepdims=True))[0]
    return pooled


def unit_length(rows: Float[np.ndarray, "rows dim"]) -> Float[np.ndarray, "rows dim"]:
    """Divide every row by its length; a row of zeros stays as it is."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    divided: np.ndarray = rows / np.where(lengths > 0, lengths, 1)
    return divided
