"""Log-mel spectrograms: each thing audio sees is a pattern over the mel bands that pulses at a rate of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trichord.config import Config
from trichord.errors import ConfigError
from trichord.randomness import numpy_generator
from trichord.shapes import Float

FRAMES_PER_SECOND = 100
FLOOR = -80.0


@dataclass(frozen=True, kw_only=True)
class SoundConfig(Config):
    """Settings of rendered spectrograms.

    Args:
        num_mels: mel bands; published: 40.
        loudness: decibels (root mean square over the bands) of a pattern whose value is one.
        frame_noise: decibels of the noise on every band of every frame.
        pulse: depth of the pulsing, from 0 (steady) to 1 (down to silence).
        slowest, fastest: rates of the pulses, in Hz; the patterns' rates are spread evenly between them.
    """

    num_mels: int = 40
    loudness: float = 3.0
    frame_noise: float = 3.0
    pulse: float = 0.3
    slowest: float = 1.0
    fastest: float = 8.0

    def __post_init__(self) -> None:
        if self.num_mels < 2 or self.loudness <= 0 or self.frame_noise < 0:
            raise ConfigError("a spectrogram has two bands or more, some loudness, and noise that is not negative")
        if not 0 <= self.pulse <= 1 or not 0 < self.slowest <= self.fastest:
            raise ConfigError("pulse lies in [0, 1], and rates are above 0, slowest first")


@dataclass(frozen=True)
class Patterns:
    """What the things audio sees sound like.

    Args:
        bands: (width, num_mels) orthogonal rows of root mean square one and mean zero, so that none is mere volume.
        rates: (width,) pulses per second.
    """

    bands: Float[np.ndarray, "width mels"]
    rates: Float[np.ndarray, " width"]


def patterns(config: SoundConfig, width: int, seed: int) -> Patterns:
    """Return the patterns of a seed; there are fewer than mel bands."""
    drawn = numpy_generator(seed, f"generated/patterns/{width}").standard_normal((config.num_mels, width))
    basis = np.linalg.qr(np.concatenate([np.ones((config.num_mels, 1)), drawn], axis=1))[0][:, 1:]
    return Patterns(basis.T * np.sqrt(config.num_mels), np.linspace(config.slowest, config.fastest, width))


def render_log_mel(
    seen: Float[np.ndarray, "frames width"], sounds: Patterns, config: SoundConfig, generator: np.random.Generator
) -> Float[np.ndarray, "mels frames"]:
    """Return a log-mel spectrogram in decibels below its peak, from -80 to 0, float32.

    Args:
        seen: (frames, width) what audio sees in every frame, 100 frames a second.
        sounds: the patterns.
        config: settings.
        generator: draws the phases of the pulses, and the noise.
    """
    seconds = np.arange(len(seen))[:, None] / FRAMES_PER_SECOND
    phases = generator.uniform(0, 2 * np.pi, seen.shape[1])
    pulses = 1 + config.pulse * np.cos(2 * np.pi * sounds.rates * seconds + phases)
    noise = generator.standard_normal((len(seen), config.num_mels))
    decibels = config.loudness * (seen * pulses) @ sounds.bands + config.frame_noise * noise
    below = np.clip(decibels - decibels.max(initial=-np.inf), FLOOR, 0)
    return np.ascontiguousarray(below.T, np.float32)
