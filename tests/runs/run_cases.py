"""A small data set and a small experiment with everything that has state: ring buffer, centroids, dropout, captions."""

from pathlib import Path

from trichord.config import replaced
from trichord.data import Dataset
from trichord.data.planted import PlantedConfig, write_planted
from trichord.recipes import mcn_fixed_small
from trichord.runs import ExperimentConfig

TINY = PlantedConfig(num_items={"train": 90, "val": 40, "test": 50}, missing={"audio": 0.2})


def tiny_dataset(folder: Path) -> Dataset:
    path = folder / "data"
    return Dataset.open(path) if path.exists() else write_planted(path, TINY)


def tiny_experiment(dataset: Dataset, order: str = "VT_A", **changes: object) -> ExperimentConfig:
    config = mcn_fixed_small(dataset.spec, order, 0)
    stages = {
        f"stages.{n}.{name}": value
        for n in range(len(config.stages))
        for name, value in {
            "epochs": 3,
            "batch_size": 32,
            "objective.parts.cluster.num_clusters": 8,
            "objective.parts.cluster.memory_size": 64,
            "objective.parts.cluster.refresh_every": 3,
            "objective.parts.reconstruction.hidden": 16,
        }.items()
    }
    encoders = {f"model.encoders.{name}.dropout": 0.2 for name in config.model.encoders}
    encoders |= {f"model.encoders.{name}.standardize": True for name in config.model.encoders}
    return replaced(config, stages | encoders | {"evaluation.scoring.num_resamples": 50} | changes)
