"""Small data sets for step localisation, and a model whose vectors are known beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from trichord.batch import Embeddings, Features
from trichord.data.dataset import Dataset
from trichord.data.writing import ModalityArrays, write_dataset

RATE = 100


@dataclass(frozen=True)
class MadeVideo:
    """Vectors (seconds, dim), the annotation, and frames (frames, mel) or None where there is no audio."""

    task: str
    seconds: np.ndarray
    numbers: list[int] | None
    at: list[int] | None
    frames: np.ndarray | None = None


def write_steps(
    folder: Path,
    steps: Mapping[str, np.ndarray],
    videos: Sequence[MadeVideo],
    *,
    numbers: Mapping[str, Sequence[int]] | None = None,
    without_text: int | None = None,
) -> Dataset:
    """Write steps (task -> (steps, dim) text vectors) first, then videos."""
    tasks = [task for task, texts in steps.items() for _ in texts]
    step = [number for task, texts in steps.items() for number in (numbers or {}).get(task, range(1, len(texts) + 1))]
    num_steps, num_videos = len(tasks), len(videos)
    items = {
        "id": [f"step {i}" for i in range(num_steps)] + [f"video {i}" for i in range(num_videos)],
        "split": ["steps"] * num_steps + ["test"] * num_videos,
        "task": tasks + [video.task for video in videos],
        "step": step + [None] * num_videos,
        "step_numbers": [None] * num_steps + [video.numbers for video in videos],
        "step_seconds": [None] * num_steps + [video.at for video in videos],
    }
    texts = [i for i in range(num_steps) if i != without_text]
    modalities = {
        "video": ModalityArrays(
            np.concatenate([video.seconds for video in videos]).astype(np.float32),
            np.repeat(np.arange(num_videos) + num_steps, [len(video.seconds) for video in videos]),
        ),
        "text": ModalityArrays(
            np.concatenate(list(steps.values())).astype(np.float32)[texts], np.array(texts, dtype=np.int64)
        ),
    }
    heard = [i for i, video in enumerate(videos) if video.frames is not None]
    if heard:
        frames = [np.asarray(videos[i].frames, dtype=np.float32) for i in heard]
        modalities["audio"] = ModalityArrays(
            np.concatenate(frames),
            np.array(heard, dtype=np.int64) + num_steps,
            np.concatenate([[0], np.cumsum([len(part) for part in frames])]).astype(np.int64),
        )
    return write_dataset(folder, name="made", items=items, modalities=modalities)


class MeanModel(nn.Module):
    """Vectors as they are; sequences as the mean of their frames. Notes the modes and sizes of its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.dropout = nn.Dropout(0.5)
        self.sizes: list[tuple[str, int]] = []
        self.lengths: list[int] = []

    def forward(self, features: Mapping[str, Features], batch_size: int) -> Embeddings:
        assert not torch.is_grad_enabled()
        vectors = {}
        for name, found in features.items():
            self.sizes.append((name, batch_size))
            values = found.values
            if found.lengths is not None:
                self.lengths += found.lengths.tolist()
                values = values.sum(dim=1) / found.lengths[:, None]
            vectors[name] = self.dropout(values) * self.scale
        return Embeddings(vectors, {name: torch.ones(batch_size, dtype=torch.bool) for name in features})


def heard_seconds(seconds: np.ndarray) -> np.ndarray:
    """Frames that are, for every second, `RATE` times its vector."""
    return np.repeat(seconds, RATE, axis=0)
