"""Small data sets, tables and models whose results are known beforehand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from trichord.batch import Embeddings, Features
from trichord.data.dataset import Dataset
from trichord.evaluation.embed import EmbeddingTable
from trichord.evaluation.settings import EvaluationSet
from trichord.modality import STANDARD


def table(vectors: np.ndarray, items: list[int] | np.ndarray | None = None) -> EmbeddingTable:
    owners = np.arange(len(vectors)) if items is None else np.asarray(items, dtype=np.int64)
    return EmbeddingTable(np.asarray(vectors, dtype=np.float32), owners)


def evaluated(num_items: int, **changed: object) -> EvaluationSet:
    fields = {"dataset": "made", "fingerprint": "f", "split": "test", "items_hash": f"hash of {num_items}", **changed}
    return EvaluationSet(items=np.arange(num_items), known=STANDARD, **fields)  # type: ignore[arg-type]


def noisy_tables(
    num_items: int, dim: int, noise: float, seed: int, names: tuple[str, ...]
) -> dict[str, EmbeddingTable]:
    generator = np.random.default_rng(seed)
    shared = generator.normal(size=(num_items, dim))
    return {name: table(shared + noise * generator.normal(size=shared.shape)) for name in names}


def write_dataset(folder: Path, features: Mapping[str, tuple[np.ndarray, np.ndarray]], splits: list[str]) -> Dataset:
    """Write pooled modalities by hand: name -> (instances, dim) values and (instances,) item rows."""
    folder.mkdir()
    letters = {"video": "V", "audio": "A", "text": "T", "smell": "S"}
    modalities = {
        name: {"letter": letters[name], "kind": "pooled", "dim": values.shape[1]}
        for name, (values, _) in features.items()
    }
    header = {"format": "trichord-dataset", "version": 1, "name": "made", "modalities": modalities}
    (folder / "dataset.json").write_text(json.dumps(header))
    for name, (values, items) in features.items():
        np.save(folder / f"{name}.npy", values.astype(np.float32))
        np.save(folder / f"{name}.items.npy", np.asarray(items, dtype=np.int64))
    frame = pd.DataFrame({"id": [f"item {i}" for i in range(len(splits))], "split": splits})
    frame.to_parquet(folder / "items.parquet", index=False)
    return Dataset.open(folder)


class Projections(nn.Module):
    """A joint encoder reduced to one matrix per modality; counts its calls."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.weights = nn.ParameterDict(
            {name: nn.Parameter(torch.tensor(weight, dtype=torch.float32)) for name, weight in weights.items()}
        )
        self.frozen = nn.Dropout(0.5)
        self.sizes: list[int] = []

    def forward(self, features: Mapping[str, Features], batch_size: int) -> Embeddings:
        assert not torch.is_grad_enabled()
        self.sizes.append(batch_size)
        vectors = {name: self.frozen(found.values @ self.weights[name]) for name, found in features.items()}
        present = {name: torch.ones(batch_size, dtype=torch.bool) for name in features}
        return Embeddings(vectors, present)
