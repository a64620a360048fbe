"""Published files written by hand, with pickle, NumPy and torch alone, and what the folders of data sets hold."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

WORDS = ["stir", "the", "onions", "in", "pan", "cut", "fry", "eggs", "now", "玉ねぎ"]


def word_bytes(words: list[str] = WORDS, dim: int = 4) -> bytes:
    """Bytes of a word2vec binary file."""
    vectors = np.random.default_rng(1).standard_normal((len(words), dim)).astype("<f4")
    rows = [w.encode() + b" " + v.tobytes() + b"\n" for w, v in zip(words, vectors, strict=True)]
    return b"%d %d\n" % vectors.shape + b"".join(rows)


def word_file(folder: Path, words: list[str] = WORDS) -> Path:
    file = folder / "words.bin"
    file.write_bytes(word_bytes(words))
    return file


def youcook2_entry(name: str, seed: int = 0, **changed: Any) -> dict[str, Any]:
    """One clip of YouCook2; a changed part that is None is left out."""
    random = np.random.default_rng(seed)
    entry = {
        "id": name,
        "2d": random.random(2048).astype(np.float32),
        "3d": random.random(2048).astype(np.float32),
        "audio": torch.from_numpy((-80 * random.random((40, 8))).astype(np.float32)),
        "caption": "stir the onions in the pan",
        **changed,
    }
    return {key: value for key, value in entry.items() if value is not None}


def msrvtt_entry(name: str, seed: int = 0, **changed: Any) -> dict[str, Any]:
    """One test clip of MSR-VTT."""
    plain = youcook2_entry(name, seed)
    entry = {
        "id": name,
        "2d_pooled": plain["2d"],
        "3d_pooled": plain["3d"],
        "audio": plain["audio"],
        "eval_caption": plain["caption"],
        **changed,
    }
    return {key: value for key, value in entry.items() if value is not None}


def dump(file: Path, data: Any, protocol: int = 4) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps(data, protocol))
    return file


def narrated_video(folder: Path, name: str, seconds: int = 20, seed: int = 0, below: str = "video_0") -> str:
    """Write the three archives of one narrated video and return its row of the list."""
    random = np.random.default_rng(seed)
    place = folder / below / name
    place.mkdir(parents=True)
    np.savez(place / f"{name}_2d.npz", features=random.random((seconds, 2048)).astype(np.float16))
    np.savez(place / f"{name}_3d.npz", features=random.random((seconds * 3 // 2, 2048)).astype(np.float16))
    np.savez(place / f"{name}_spec.npz", arr_0=(-80 * random.random((40, 100 * seconds))).astype(np.float16))
    return f"{below}/{name}"


def said(*rows: tuple[float, float, str]) -> dict[str, list[Any]]:
    """The entry of a video in caption.pickle."""
    return {key: [row[k] for row in rows] for k, key in enumerate(("start", "end", "text"))}


def content(folder: Path) -> dict[str, bytes]:
    """Name of every file -> its bytes."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def unit(*vectors: np.ndarray) -> np.ndarray:
    """Each vector brought to length one, side by side."""
    return np.concatenate(
        [np.asarray(v, np.float64) / np.sqrt((np.asarray(v, np.float64) ** 2).sum()) for v in vectors]
    )
