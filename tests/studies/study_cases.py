"""A corpus and a study small enough for a test."""

from pathlib import Path

from trichord.data import Dataset
from trichord.data.planted import PlantedConfig, write_planted
from trichord.evaluation.cca_baseline import CcaGrid
from trichord.recipes import planted
from trichord.studies import OrdersStudy

SMALL = PlantedConfig(num_items={"train": 120, "val": 40, "test": 60})
GRID = CcaGrid(ridges=(0.1, 1.0), dims=(16,), exponents=(0.5,), caption_uses=("mean",))
SHORT = {
    "stages.0.epochs": 3,
    "stages.1.epochs": 4,
    "stages.0.batch_size": 60,
    "stages.1.batch_size": 60,
    "evaluation.scoring.num_resamples": 50,
}


def small_dataset(folder: Path) -> Dataset:
    path = folder / "data"
    return Dataset.open(path) if path.exists() else write_planted(path, SMALL)


def small_study(**changes: object) -> OrdersStudy:
    settings = {"orders": ("VT_A", "AVT"), "num_seeds": 2, "recipe": planted, "changes": SHORT, "baseline": None}
    return OrdersStudy(**settings | changes)  # type: ignore[arg-type]
