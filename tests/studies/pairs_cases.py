"""Corpora and studies of pairs small enough for a test."""

from pathlib import Path

import numpy as np

from trichord.data import Dataset
from trichord.data.planted import PlantedConfig, plant, write_planted
from trichord.data.writing import ModalityArrays, write_dataset
from trichord.modality import STANDARD, parse_pair
from trichord.recipes import planted
from trichord.studies.pairs import PairsStudy

TINY = PlantedConfig(num_items={"train": 80, "val": 30, "test": 40}, missing={"audio": 0.1})
SHORT = {"stages.0.epochs": 2, "stages.0.batch_size": 40, "evaluation.scoring.num_resamples": 20}


def three_modalities(folder: Path) -> Dataset:
    path = folder / "data"
    return Dataset.open(path) if path.exists() else write_planted(path, TINY)


def video_and_audio(folder: Path) -> Dataset:
    """Data without any text."""
    corpus = plant(TINY)
    return write_dataset(
        folder / "data",
        name="seen and heard",
        items={"id": [f"item {i}" for i in range(len(corpus.splits))], "split": corpus.splits},
        modalities={
            name: ModalityArrays(np.ascontiguousarray(corpus.features[name][:, 0])) for name in ("video", "audio")
        },
    )


def pairs_study(*pairs: str, **changes: object) -> PairsStudy:
    settings = {
        "base": "AVT",
        "orders": (),
        "pairs": tuple(parse_pair(pair, STANDARD) for pair in pairs),
        "num_seeds": 1,
        "recipe": planted,
        "changes": SHORT,
        "refit": False,
        "with_together": False,
        "with_specialists": False,
    }
    return PairsStudy(**settings | changes)  # type: ignore[arg-type]
