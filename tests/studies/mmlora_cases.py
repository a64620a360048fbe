"""A small data set of three classes that video tells apart well, audio poorly, and both together best."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from trichord.data import Dataset, ModalityArrays, write_dataset
from trichord.recipes.classifier_settings import ClassifierSettings
from trichord.studies.mmlora import MMLoRAStudy

CLASSES = ("calm", "glad", "sad")


def planted_dataset(
    folder: Path, items: int = 90, seed: int = 0, *, several: bool = False, missing: bool = False
) -> Dataset:
    """Write the data set.

    Args:
        folder: where to.
        items: three of five in train, one each in val and test.
        seed: of the noise.
        several: an item's label is the list of one or two of the classes.
        missing: every seventh item has no audio.
    """
    random = np.random.default_rng(seed)
    numbers = np.arange(items) % len(CLASSES)
    video = np.eye(len(CLASSES))[numbers] * 2.0 + random.normal(size=(items, len(CLASSES)))
    audio = np.eye(len(CLASSES))[numbers] + random.normal(size=(items, len(CLASSES)))
    noise = random.normal(size=(items, 5))
    held = np.array([not missing or i % 7 != 0 for i in range(items)])
    lists = [[CLASSES[n], CLASSES[(n + 1) % 3]] if i % 2 else [CLASSES[n]] for i, n in enumerate(numbers)]
    table = {
        "id": [f"item {i}" for i in range(items)],
        "split": [("train", "train", "train", "val", "test")[i // 3 % 5] for i in range(items)],
        "source": [f"talker {i // 3}" for i in range(items)],
        "mood": lists if several else [CLASSES[n] for n in numbers],
    }
    arrays = {
        "video": ModalityArrays(np.concatenate([video, noise], axis=1).astype(np.float32)),
        "audio": ModalityArrays(audio.astype(np.float32)[held], np.flatnonzero(held)),
    }
    return write_dataset(folder, name="moods", items=table, modalities=arrays)


def short_study(**changes: object) -> MMLoRAStudy:
    """A study of three epochs."""
    settings = ClassifierSettings(width=8, batch_size=32, epochs=3, learning_rate=0.01, second_rate=0.01)
    return replace(MMLoRAStudy(label="mood", ranks=(1, 2), num_seeds=2, settings=settings), **changes)  # type: ignore[arg-type]
