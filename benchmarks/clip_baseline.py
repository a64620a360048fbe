"""Loading clips the way the reference does: open the npz files of the whole video for every item, then cut.

Written from a description of that work, for timing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

FRAMES = 1000


@dataclass(frozen=True)
class Clip:
    """Seconds `start` to `end` of a video."""

    video: int
    start: int
    end: int


@dataclass(frozen=True)
class LoadedClip:
    """Features of a clip: (2 width,) pooled video, (mel, 1000) zero-padded log-mel, and its true frames."""

    video: np.ndarray
    audio: np.ndarray
    num_frames: int


@dataclass(frozen=True)
class OpenVideo:
    """Features of a whole video, in memory."""

    flat: np.ndarray
    moving: np.ndarray
    mel: np.ndarray


def npz_path(folder: Path, video: int, kind: str) -> Path:
    """Return the file of one kind of features of a video."""
    return folder / "npz" / f"{video}_{kind}.npz"


def open_video(folder: Path, video: int) -> OpenVideo:
    """Read all features of a video."""
    with (
        np.load(npz_path(folder, video, "2d"), allow_pickle=False) as flat,
        np.load(npz_path(folder, video, "3d"), allow_pickle=False) as moving,
        np.load(npz_path(folder, video, "spec"), allow_pickle=False) as mel,
    ):
        return OpenVideo(flat["features"], moving["features"], mel["arr_0"])


def cut(whole: OpenVideo, clip: Clip) -> LoadedClip:
    """Pool either stream of frame features over the clip's seconds to a unit vector, and slice the log-mel."""
    streams = [
        whole.flat[clip.start : clip.end + 1],
        whole.moving[int(clip.start * 1.5) : int(clip.end * 1.5) + 1],
    ]
    pooled = [stream.astype(np.float32).max(axis=0) for stream in streams]
    video = np.concatenate([vector / np.linalg.norm(vector) for vector in pooled])
    frames = whole.mel[:, clip.start * 100 : clip.end * 100][:, :FRAMES]
    audio = np.zeros((len(whole.mel), FRAMES), frames.dtype)
    audio[:, : frames.shape[1]] = frames
    return LoadedClip(video, audio, frames.shape[1])


def load_clip(folder: Path, clip: Clip) -> LoadedClip:
    """Open a clip's video and cut the clip out of it."""
    return cut(open_video(folder, clip.video), clip)
