"""A small data set written by hand with NumPy and pandas, never by the package's own writer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

IDS = ["a", "b", "c", "d", "e"]
SPLITS = ["train", "train", "val", "test", "test"]
CAPTIONS = [["one", "two"], ["three"], [], ["four", "five", "six"], ["seven"]]
TEXT_ITEMS = [0, 0, 1, 3, 3, 3, 4]
AUDIO_ITEMS, AUDIO_LENGTHS = [0, 2, 3], [2, 4, 1]


def make(folder: Path) -> Path:
    """Write five items: video for all, audio sequences for three, one to three text instances for four."""
    folder.mkdir()
    random = np.random.default_rng(3)
    modalities = {
        "video": {"letter": "V", "kind": "pooled", "dim": 4},
        "audio": {"letter": "A", "kind": "sequence", "dim": 3},
        "text": {"letter": "T", "kind": "pooled", "dim": 2},
    }
    write_header(folder, modalities)
    write_items(folder, IDS, SPLITS)
    np.save(folder / "video.npy", random.standard_normal((5, 4)).astype(np.float16))
    np.save(folder / "audio.npy", random.standard_normal((sum(AUDIO_LENGTHS), 3)).astype(np.float32))
    np.save(folder / "audio.items.npy", np.array(AUDIO_ITEMS, dtype=np.int64))
    np.save(folder / "audio.offsets.npy", np.concatenate([[0], np.cumsum(AUDIO_LENGTHS)]).astype(np.int64))
    np.save(folder / "text.npy", random.standard_normal((7, 2)))
    np.save(folder / "text.items.npy", np.array(TEXT_ITEMS, dtype=np.int64))
    return folder


def write_header(folder: Path, modalities: dict, **more: object) -> None:
    header = {"format": "trichord-dataset", "version": 1, "name": "five", "modalities": modalities, **more}
    (folder / "dataset.json").write_text(json.dumps(header))


def write_items(folder: Path, ids: list, splits: list, **more: object) -> None:
    columns = {
        "id": ids,
        "split": splits,
        "captions": CAPTIONS,
        "source": ["x", "x", "y", "z", "z"],
        "start": [0.0, 2.0, 0.0, 0.0, 1.0],
        "end": [2.0, 4.0, 1.5, 1.0, 2.0],
        "emotion": [0, 1, 2, 0, 1],
    }
    pd.DataFrame({**columns, **more}).to_parquet(folder / "items.parquet", index=False)
