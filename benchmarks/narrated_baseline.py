"""Training clips of narrated video the published way: open a video's three npz files for its item, cut 32 clips.

Written from a description of that work, for timing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

KINDS = {"2d": "features", "3d": "features", "spec": "arr_0"}
CLIPS_PER_VIDEO, FRAMES, MAX_WORDS, MIN_SECONDS = 32, 1000, 20, 10.0


@dataclass(frozen=True)
class PublishedTree:
    """Published files of narrated videos.

    Args:
        root: folder of the features.
        paths: folder of every video below it; its last part is the video's id.
        captions: id -> lists start, end and text, in memory.
        vectors: word -> its vector, in memory.
    """

    root: Path
    paths: tuple[str, ...]
    captions: Mapping[str, Mapping[str, list[Any]]]
    vectors: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class OpenVideo:
    """Features of a whole video, in memory."""

    flat: np.ndarray
    moving: np.ndarray
    mel: np.ndarray


@dataclass(frozen=True)
class GrownCaption:
    """A clip: seconds, and the words of all its captions."""

    start: float
    end: float
    text: str


def open_video(tree: PublishedTree, path: str) -> OpenVideo:
    """Read a video's three archives."""
    name = Path(path).name
    found = []
    for kind, key in KINDS.items():
        with np.load(tree.root / path / f"{name}_{kind}.npz", allow_pickle=False) as archive:
            found.append(archive[key])
    return OpenVideo(*found)


def grow(captions: Mapping[str, list[Any]], seed: int) -> GrownCaption:
    """Take neighbours of a caption, whichever makes the clip the shorter, until it lasts ten seconds."""
    start, end, text = captions["start"], captions["end"], captions["text"]
    first = last = seed
    said = text[seed]
    while end[last] - start[first] < MIN_SECONDS:
        before = end[last] - start[first - 1] if first > 0 else np.inf
        after = end[last + 1] - start[first] if last < len(text) - 1 else np.inf
        if not np.isfinite(min(before, after)):
            break
        if before <= after:
            first -= 1
        else:
            last += 1
        said += " " + text[first if before <= after else last]
    return GrownCaption(start[first], end[last], said)


def cut_video(whole: OpenVideo, clip: GrownCaption) -> np.ndarray:
    """Take the maximum of either stream over the clip's seconds, bring it to length one, and join the two."""
    streams = ((whole.flat, 1.0), (whole.moving, 1.5))
    pooled = [rows[int(clip.start * fps) : int(clip.end * fps) + 1].astype(np.float32) for rows, fps in streams]
    pooled = [rows.max(axis=0) for rows in pooled]
    return np.concatenate([vector / np.linalg.norm(vector) for vector in pooled])


def cut_audio(whole: OpenVideo, clip: GrownCaption) -> tuple[np.ndarray, int]:
    """Return the clip's mel frames, cropped or padded to 1,000, and how many are true."""
    frames = whole.mel[:, int(clip.start * 100) : int(clip.end * 100) + 1][:, :FRAMES]
    padded = np.zeros((len(whole.mel), FRAMES), frames.dtype)
    padded[:, : frames.shape[1]] = frames
    return padded, frames.shape[1]


def word_vectors(text: str, vectors: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the vectors of the first 20 words that are known, padded with zeros."""
    known = [vectors[word] for word in re.findall(r"[\w']+", text) if word in vectors][:MAX_WORDS]
    padded = np.zeros((MAX_WORDS, len(next(iter(vectors.values())))), np.float32)
    if known:
        padded[: len(known)] = known
    return padded


def draw_captions(tree: PublishedTree, path: str, generator: np.random.Generator) -> np.ndarray:
    """Draw 32 captions of a video, with replacement."""
    return generator.integers(len(tree.captions[Path(path).name]["text"]), size=CLIPS_PER_VIDEO)


def load_item(
    tree: PublishedTree, path: str, seeds: np.ndarray, *, open_per_clip: bool = False
) -> dict[str, torch.Tensor]:
    """Load the clips of some captions of a video.

    Args:
        tree: where from.
        path: the video.
        seeds: numbers of captions.
        open_per_clip: open the archives for every clip, where the published item opens them once.
    """
    captions = tree.captions[Path(path).name]
    whole = open_video(tree, path)
    parts: list[tuple[np.ndarray, np.ndarray, int, np.ndarray]] = []
    for seed in seeds.tolist():
        clip = grow(captions, seed)
        seen = open_video(tree, path) if open_per_clip and parts else whole
        parts.append((cut_video(seen, clip), *cut_audio(seen, clip), word_vectors(clip.text, tree.vectors)))
    video, audio, frames, text = zip(*parts, strict=True)
    return {
        "video": torch.from_numpy(np.stack(video)),
        "audio": torch.from_numpy(np.stack(audio)),
        "frames": torch.tensor(frames),
        "text": torch.from_numpy(np.stack(text)),
    }


def load_items(tree: PublishedTree, paths: tuple[str, ...], generator: np.random.Generator) -> dict[str, torch.Tensor]:
    """Load the items of some videos and join their clips to one batch."""
    return _joined(load_item(tree, path, draw_captions(tree, path, generator)) for path in paths)


def _joined(items: Iterator[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    listed = list(items)
    return {name: torch.cat([item[name] for item in listed]) for name in listed[0]}
