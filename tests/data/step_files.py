"""Features and annotations of step videos written by hand, and a model to locate their steps with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from published_maker import word_file
from torch import nn

from trichord.batch import Embeddings
from trichord.data import Dataset

STEPS = {"10": ["cut the onions", "fry eggs"], "20": ["stir"]}
PAIRS = {"a": "10", "b": "10", "c": "20", **{f"more{k}": "20" for k in range(9)}}


def write_features(folder: Path, video: str, seconds: int, seed: int) -> dict[str, np.ndarray]:
    """Write the features and the sound of a video and return them."""
    random = np.random.default_rng(seed)
    flat = random.random((seconds, 2048)).astype(np.float32)
    deep = random.random((3 * seconds // 2, 2048)).astype(np.float32)
    mel = (-80 * random.random((40, 100 * seconds))).astype(np.float16)
    np.save(folder / f"{video}_2d.npy", flat)
    np.save(folder / f"{video}_3d.npy", deep)
    np.savez(folder / f"{video}.npz", arr_0=mel)
    return {"2d": flat, "3d": deep, "mel": mel}


def write_crosstask_by_hand(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Write twelve videos of six seconds, annotated by grids: step 1 at second 2."""
    (folder / "step.json").write_text(json.dumps(STEPS))
    (folder / "cvpr19_test.csv").write_text(
        "video_id,task\n" + "".join(f"{video},{task}\n" for video, task in PAIRS.items())
    )
    word_file(folder)
    written = {}
    for seed, (video, task) in enumerate(PAIRS.items()):
        written[video] = write_features(folder, video, 6, seed)
        grid = np.zeros((6, len(STEPS[task])))
        grid[2, 0] = 1
        np.save(folder / f"{task}_{video}.npy", grid)
    return written


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    return {"features": folder, "words": folder / "words.bin", "out": folder / "d", "progress": False, **more}


def vectors(dataset: Dataset, video: str) -> np.ndarray:
    row = dataset.ids.index(video)
    index = dataset.instances("video")
    return dataset.read("video", index.first[row] + np.arange(index.count[row])).values


def marked(dataset: Dataset, video: str) -> list[tuple[int, int]]:
    """The annotated (second, step from 1) of a video."""
    row = dataset.ids.index(video)
    return list(zip(dataset.label("step_seconds")[row], dataset.label("step_numbers")[row], strict=True))


class FirstNumbers(nn.Module):
    """A model without weights: the first numbers of what it is given, and a one."""

    def forward(self, features: Any, batch_size: int) -> Embeddings:
        made = {}
        for name, given in features.items():
            numbers = given.values.reshape(len(given.values), -1).float()[:, :6]
            made[name] = torch.cat([numbers, torch.ones(len(numbers), 7 - numbers.shape[1])], dim=1)
        return Embeddings(made, {name: torch.ones(batch_size, dtype=torch.bool) for name in features})
