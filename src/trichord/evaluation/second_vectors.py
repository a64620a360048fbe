"""One vector per second of a video: its video instances, and windows of its audio around each second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from trichord.batch import Embeddings, Features
from trichord.config import Config
from trichord.data.dataset import Dataset
from trichord.errors import ConfigError, DataError
from trichord.evaluation.embed import EmbeddingTable, embed_split, evaluating, model_device
from trichord.modality import AUDIO
from trichord.shapes import Int


@dataclass(frozen=True, kw_only=True)
class AudioWindowConfig(Config):
    """How audio is cut into windows; the defaults are those of the MCN evaluation.

    Args:
        seconds: length of a window, even: as much before the second's beginning as after it.
        frames_per_second: audio steps per second.
        max_frames: a window has at most as many frames; at 8 s of 100 frames the limit is never reached.
    """

    seconds: int = 8
    frames_per_second: int = 100
    max_frames: int = 1024

    def __post_init__(self) -> None:
        if self.seconds < 2 or self.seconds % 2 or self.frames_per_second < 1 or self.max_frames < 1:
            raise ConfigError(
                "AudioWindowConfig: seconds is even and at least 2, frames_per_second and max_frames are at least 1; "
                f"got {self.seconds}, {self.frames_per_second} and {self.max_frames}"
            )


@dataclass(frozen=True)
class AudioWindows:
    """Frames `start` to `stop` - 1 for each second; `num_late` seconds begin when the audio is already over.

    Args:
        start, stop: (seconds,) in frames; every window holds at least one.
        num_late: seconds that begin after the last frame.
    """

    start: Int[np.ndarray, " seconds"]
    stop: Int[np.ndarray, " seconds"]
    num_late: int


def audio_windows(num_seconds: int, num_frames: int, config: AudioWindowConfig) -> AudioWindows:
    """Place a window around the beginning of every second i: [i - 4, i + 4] s, moved to lie inside the video.

    So the first seconds have [0, 8] and the last [T - 8, T]. Audio that ends before the video does ends the room for
    windows too: the seconds after it have its last window, and are counted. A window that
    begins at second s begins at frame 100 s; in the published code two frames earlier, because its conversion of times
    subtracts half an analysis window.

    Args:
        num_seconds: T, seconds of the video.
        num_frames: frames of its audio, at least 1.
        config: length of windows and rate of frames.
    """
    rate, length = config.frames_per_second, config.seconds * config.frames_per_second
    end = min(num_seconds * rate, num_frames)
    centre = np.arange(num_seconds) * rate
    start = np.clip(centre - length // 2, 0, max(0, end - length))
    stop = np.minimum(np.minimum(start + length, end), start + config.max_frames)
    return AudioWindows(start, stop, int((centre >= num_frames).sum()))


def embed_video_seconds(
    model: nn.Module, dataset: Dataset, modality: str, item: int, *, seconds_at_once: int
) -> EmbeddingTable:
    """Encode an item's instances of a pooled modality, one per second; rows are named by their second."""
    table = embed_split(model, dataset, np.array([item]), modalities=[modality], batch_size=seconds_at_once)[modality]
    return EmbeddingTable(table.vectors, np.arange(len(table.vectors)))


@dataclass(frozen=True)
class AudioSeconds:
    """Audio vectors of a video's seconds, named by their second, and how many seconds begin after its audio's end."""

    table: EmbeddingTable
    num_late: int


def embed_audio_seconds(
    model: nn.Module, dataset: Dataset, item: int, num_seconds: int, config: AudioWindowConfig, *, seconds_at_once: int
) -> AudioSeconds:
    """Encode the audio around every second of an item, `seconds_at_once` windows at a time, in plain chunks.

    The published evaluation lets its last chunk grow to twice the size. Memory beyond the item's audio is that of one
    chunk of windows.

    Raises:
        DataError: the item's audio is not one sequence.
    """
    index = dataset.instances(AUDIO.name)
    frames = dataset.read(AUDIO.name, index.first[[item]])
    if int(index.count[item]) != 1 or frames.lengths is None:
        raise DataError(
            f"a video has one sequence of audio frames, found {index.count[item]} "
            f"{'pooled vectors' if frames.lengths is None else 'sequences'}",
            file=dataset.path,
            row=dataset.ids[item],
            remedy="write the frames of the whole video as one sequence",
        )
    whole, place = frames.values[0], model_device(model)
    windows = audio_windows(num_seconds, len(whole), config)
    parts = []
    with evaluating(model), torch.inference_mode():
        for first in range(0, num_seconds, seconds_at_once):
            chosen = slice(first, first + seconds_at_once)
            features = _cut(whole, windows.start[chosen], windows.stop[chosen]).to(place)
            embeddings = model({AUDIO.name: features}, len(features.rows))
            assert isinstance(embeddings, Embeddings), "a model returns Embeddings"
            parts.append(embeddings.vectors[AUDIO.name].float().cpu().numpy())
    return AudioSeconds(EmbeddingTable(np.concatenate(parts), np.arange(num_seconds)), windows.num_late)


def _cut(whole: np.ndarray, start: np.ndarray, stop: np.ndarray) -> Features:
    """Return windows of a sequence, padded with zeros at the end."""
    lengths = stop - start
    values = np.zeros((len(start), int(lengths.max()), whole.shape[1]), np.float32)
    for row, (begin, end) in enumerate(zip(start.tolist(), stop.tolist(), strict=True)):
        values[row, : end - begin] = whole[begin:end]
    return Features(torch.from_numpy(values), torch.arange(len(start)), torch.from_numpy(lengths))
