"""Short clips: what their modalities see, rendered one clip at a time, and the record of a file of clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from trichord.config import Config
from trichord.data.generated.phrasing import caption
from trichord.data.generated.signal import Moments, SignalConfig
from trichord.data.generated.sound import patterns, render_log_mel
from trichord.data.generated.visual import STREAMS, mixing_matrix, render_rows
from trichord.errors import ConfigError
from trichord.modality import AUDIO, VIDEO
from trichord.randomness import numpy_generator
from trichord.shapes import Float

AudioType = Literal["float32", "float16"]


@dataclass(frozen=True, kw_only=True)
class ClipFilesConfig(Config):
    """Settings that every pickle of clips has.

    Args:
        signal: what the clips mean.
        seed: seed of the clips.
        frames: fewest and most mel frames of a clip, 100 a second.
        audio_type: type of the numbers in a spectrogram.
        protocol: pickle protocol; files written by Python 3.6 have 3.
    """

    signal: SignalConfig
    seed: int = 0
    frames: tuple[int, int] = (100, 200)
    audio_type: AudioType = "float32"
    protocol: int = 4

    def __post_init__(self) -> None:
        check_range("frames", self.frames)
        if not 2 <= self.protocol <= 5:
            raise ConfigError(f"protocol is a pickle protocol from 2 to 5, got {self.protocol}")


def check_range(name: str, bounds: tuple[float, float], least: float = 1) -> None:
    """Raise `ConfigError` unless both ends are at least `least` and in order."""
    if not least <= bounds[0] <= bounds[1]:
        raise ConfigError(f"{name} is (fewest, most), at least {least}, got {bounds}")


@dataclass(frozen=True)
class Clip:
    """One rendered clip.

    Args:
        rows: stream ("2d", "3d") -> (time, dim) features, float32, every row of unit length.
        audio: (mels, frames) log-mel.
        captions: its captions.
    """

    rows: Mapping[str, np.ndarray]
    audio: torch.Tensor
    captions: list[str]


@dataclass(frozen=True)
class WrittenSplit:
    """One file of clips.

    Args:
        file: where it lies.
        ids: clips in the order of the file.
        attributes: group -> (clips, attributes) true values.
    """

    file: Path
    ids: tuple[str, ...]
    attributes: Mapping[str, Float[np.ndarray, "clips attributes"]]


def render_clips(
    moments: Moments, config: ClipFilesConfig, purpose: str, num_rows: tuple[int, int] = (1, 1)
) -> Iterator[Clip]:
    """Render clips, one after the other; each from a generator of its own.

    Args:
        moments: what is seen.
        config: settings.
        purpose: what the clips are for, the same as of the moments.
        num_rows: fewest and most feature rows of each stream.
    """
    signal = config.signal
    widths = {name: signal.width(name) for name in (VIDEO.name, AUDIO.name)}
    mixing = {s: mixing_matrix(s, widths[VIDEO.name], signal.visual.dim, signal.seed) for s in STREAMS}
    sounds = patterns(signal.sound, widths[AUDIO.name], signal.seed)
    for number in range(len(moments.video)):
        generator = numpy_generator(config.seed, f"generated/{purpose}/rendering", number)
        frames = int(generator.integers(config.frames[0], config.frames[1] + 1))
        audio = render_log_mel(np.tile(moments.audio[number], (frames, 1)), sounds, signal.sound, generator)
        captions = [caption(values, signal.phrasing, generator) for values in moments.text[number]]
        time = int(generator.integers(num_rows[0], num_rows[1] + 1))
        seen = np.tile(moments.video[number], (time, 1))
        rows = {stream: render_rows(seen, mixing[stream], signal.visual, generator) for stream in STREAMS}
        yield Clip(rows, torch.from_numpy(audio.astype(config.audio_type)), captions)
