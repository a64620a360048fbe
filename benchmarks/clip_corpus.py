"""Generated videos for the clip-loading benchmark, written twice: as npz files of whole videos, and as a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.clip_baseline import Clip, load_clip, npz_path
from trichord.data import Dataset
from trichord.data.writing import ModalityArrays, write_dataset


@dataclass(frozen=True)
class CorpusSize:
    """Sizes of the corpus.

    Args:
        num_videos: files.
        seconds: length of a video.
        clips_per_video: items of a video, of ten seconds each, evenly spread.
        width: width of a frame feature; video vectors hold two of them.
    """

    num_videos: int = 32
    seconds: int = 240
    clips_per_video: int = 16
    width: int = 2048

    def describe(self) -> str:
        """Return the sizes in words."""
        return f"{self.num_videos} videos of {self.seconds} s, {self.clips_per_video} clips of 10 s each"


@dataclass(frozen=True)
class Corpus:
    """Both forms of the same clips.

    Args:
        folder: where the npz files lie.
        clips: what to cut, in the order of the data set's items.
        dataset: the clips as a data set.
    """

    folder: Path
    clips: list[Clip]
    dataset: Dataset


def write_corpus(folder: Path, size: CorpusSize, compressed: bool) -> Corpus:
    """Write float16 features of whole videos (1 and 1.5 rows a second; 100 log-mel frames a second) and their clips."""
    generator = np.random.default_rng(0)
    save = np.savez_compressed if compressed else np.savez
    (folder / "npz").mkdir(parents=True)
    for video in range(size.num_videos):
        flat = generator.random((size.seconds, size.width), dtype=np.float32)
        moving = generator.random((size.seconds * 3 // 2, size.width), dtype=np.float32)
        mel = -80 * generator.random((40, size.seconds * 100), dtype=np.float32)
        save(npz_path(folder, video, "2d"), features=flat.astype(np.float16))
        save(npz_path(folder, video, "3d"), features=moving.astype(np.float16))
        save(npz_path(folder, video, "spec"), arr_0=mel.astype(np.float16))
    starts = np.linspace(0, size.seconds - 10, size.clips_per_video).astype(int).tolist()
    clips = [Clip(video, start, start + 10) for video in range(size.num_videos) for start in starts]
    return Corpus(folder, clips, _as_dataset(folder, clips))


def _as_dataset(folder: Path, clips: list[Clip]) -> Dataset:
    loaded = [load_clip(folder, clip) for clip in clips]
    offsets = np.concatenate([[0], np.cumsum([one.num_frames for one in loaded])]).astype(np.int64)
    frames = np.concatenate([one.audio[:, : one.num_frames].T for one in loaded])
    return write_dataset(
        folder / "dataset",
        name="clips",
        items={"id": [f"{c.video}-{c.start}" for c in clips], "split": ["train"] * len(clips)},
        modalities={
            "video": ModalityArrays(np.stack([one.video for one in loaded]).astype(np.float16)),
            "audio": ModalityArrays(frames, offsets=offsets),
        },
    )
