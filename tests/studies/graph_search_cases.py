"""Search spaces and studies small enough for a test."""

from pathlib import Path
from typing import Any

from trichord.data import Dataset
from trichord.data.planted import PlantedConfig, write_planted
from trichord.graphs.graph import NodeConfig
from trichord.graphs.payloads import EmbeddingConfig, SimilarityConfig
from trichord.studies.graphs import GraphStudy, SearchSpace

TV = NodeConfig(role="peer", left=("text",), right=("video",))
AV = NodeConfig(role="peer", left=("audio",), right=("video",))
OWN = NodeConfig(role="target", left=("text",), right=("video",))
STARTS = {"T-V": "alone/T-V", "A-V": "alone/A-V"}
TINY = PlantedConfig(num_items={"train": 60, "val": 20, "test": 30})


def small_space(**changes: Any) -> SearchSpace:
    settings = {"own": OWN, "kinds": {"T-V": TV, "A-V": AV}, "payloads": {"similarity": SimilarityConfig()}}
    return SearchSpace(**settings | changes)


def large_space(**changes: Any) -> SearchSpace:
    rows = SimilarityConfig(direction="rows")
    payloads = {"embedding": EmbeddingConfig(), "similarity": SimilarityConfig(), "rows": rows}
    settings = {"payloads": payloads, "temperatures": (0.1, 0.3), "effects": ("pull", "push"), "ensemble": True}
    return small_space(**settings | changes)


def tiny_dataset(folder: Path) -> Dataset:
    path = folder / "data"
    return Dataset.open(path) if path.exists() else write_planted(path, TINY)


def tiny_study(**changes: Any) -> GraphStudy:
    settings: dict[str, Any] = {
        "task": "T>V",
        "space": small_space(),
        "num_trials": 3,
        "epochs": 2,
        "num_best": 1,
        "ranking_seeds": 1,
        "num_seeds": 1,
    }
    return GraphStudy(**settings | changes)
