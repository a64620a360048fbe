"""Data, encoders and experiments small enough for a test; what every test of classifiers begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from trichord.batch import Batch, Features
from trichord.classification.directory import ClassifierDirectory
from trichord.classification.experiment import ClassifierExperimentConfig, LearningConfig
from trichord.classification.loading import LoadedClassifier, load_classifier
from trichord.classification.model import FusionClassifierConfig
from trichord.classification.run import run_classifier
from trichord.data import Dataset, ModalityArrays, write_dataset
from trichord.encoders import EncoderConfig, GatedHeadConfig, LinearHeadConfig
from trichord.evaluation.class_scores import ClassScores
from trichord.files import read_json
from trichord.runs import RunOptions
from trichord.training.optimization import OptimizerConfig

QUIET = RunOptions(progress=False)
EVERY_STEP = replace(QUIET, checkpoint_steps=1)
CLASSES = ("calm", "glad", "sad")
LETTERS = {"video": "V", "audio": "A"}
WIDTHS = {"video": 6, "audio": 9}
SPLITS = {"train": 45, "val": 18, "test": 21}
LEARNING = LearningConfig(
    optimizer=OptimizerConfig(learning_rate=0.01, weight_decay=0.01), epochs=3, batch_size=16, label_smoothing=0.1
)
ENCODERS: dict[str, EncoderConfig] = {
    "video": GatedHeadConfig(input_dim=6, output_dim=5, hidden_dim=7, dropout=0.2, standardize=True),
    "audio": GatedHeadConfig(input_dim=9, output_dim=4, hidden_dim=6, dropout=0.2, standardize=True),
}


def make_data(folder: Path, *, complete: bool = False, several: bool = False) -> Dataset:
    """Two noisy views of a class; where not `complete`, every fifth item lacks audio, every seventh lacks video."""
    generator = np.random.default_rng(3)
    rows = sum(SPLITS.values())
    numbers = np.arange(rows) % len(CLASSES)
    number = np.arange(rows)
    modalities = {}
    for name, every in (("video", 7), ("audio", 5)):
        means = generator.normal(size=(len(CLASSES), WIDTHS[name]))
        values = (means[numbers] + generator.normal(size=(rows, WIDTHS[name]))).astype(np.float32)
        held = number if complete else number[number % every != 1]
        modalities[name] = ModalityArrays(values[held], items=held)
    columns: dict[str, Any] = {
        "id": [f"item {row}" for row in range(rows)],
        "split": [name for name, count in SPLITS.items() for _ in range(count)],
        "mood": [CLASSES[k] for k in numbers],
    }
    if several:
        columns["mood"] = [sorted({CLASSES[k], CLASSES[(k + row) % 3]}) for row, k in enumerate(numbers)]
    return write_dataset(folder, name="moods", items=pa.table(columns), modalities=modalities)


def classifier(kind: str, names: Sequence[str] = ("video", "audio"), **changes: Any) -> ClassifierExperimentConfig:
    """Return an experiment; `model__NAME` changes a field of its model, `learning__NAME` one of its learning."""
    model = {key.removeprefix("model__"): changes.pop(key) for key in list(changes) if key.startswith("model__")}
    learning = {
        key.removeprefix("learning__"): changes.pop(key) for key in list(changes) if key.startswith("learning__")
    }
    encoders = model.pop("encoders", ENCODERS)
    return ClassifierExperimentConfig(
        recipe="test",
        kind=kind,  # type: ignore[arg-type]
        letters=LETTERS,
        model=FusionClassifierConfig(
            encoders={name: encoders[name] for name in names}, **({"classes": CLASSES, "dropout": 0.1} | model)
        ),
        learning=replace(LEARNING, **learning),
        **({"label": "mood", "train": tuple(names), "seed": 5} | changes),
    )


def train_experts(dataset: Dataset, folder: Path, **changes: Any) -> dict[str, LoadedClassifier]:
    """Train an expert of either modality."""
    experts = {}
    for name in LETTERS:
        run_classifier(classifier("expert", [name], **changes), dataset, folder / f"expert {name}", options=QUIET)
        experts[name] = load_classifier(folder / f"expert {name}")
    return experts


def hashes(experts: dict[str, LoadedClassifier]) -> dict[str, str]:
    return {name: expert.hashes[name] for name, expert in experts.items()}


def same_scores(one: ClassScores, other: ClassScores) -> bool:
    return all(
        np.array_equal(getattr(one, field), getattr(other, field)) for field in ("items", "truth", "logits", "held")
    )


def assert_same_classifier(one: ClassifierDirectory, other: ClassifierDirectory) -> None:
    """Weights, answers and records are equal to the bit; times are not compared."""
    files = {str(p.relative_to(one.path)) for p in one.path.rglob("*") if p.suffix in (".safetensors", ".npz")}
    assert files == {
        str(p.relative_to(other.path)) for p in other.path.rglob("*") if p.suffix in (".safetensors", ".npz")
    }
    for name in files:
        if name.endswith(".safetensors"):
            assert (one.path / name).read_bytes() == (other.path / name).read_bytes(), name
    for path in (one.path / "scores").rglob("*.json"):
        assert read_json(path) == read_json(other.path / path.relative_to(one.path))
    lines, again = (
        [{k: v for k, v in m.items() if k != "items_per_second"} for m in d.metrics()] for d in (one, other)
    )
    assert lines == again
    timed = ("seconds",)
    status, repeated = ({k: v for k, v in d.status().items() if k not in timed} for d in (one, other))
    assert status == repeated


ROWS = 11


def make_batch(rows: slice = slice(0, ROWS), dtype: torch.dtype = torch.float32) -> Batch:
    """Rows of one global batch: the first four lack audio, and row 2 and the last lack video."""
    generator = torch.Generator().manual_seed(4)
    items = torch.arange(ROWS)[rows]
    features = {}
    for name, lacking in (("video", {2, ROWS - 1}), ("audio", {0, 1, 2, 3})):
        values = torch.randn(ROWS, WIDTHS[name], generator=generator).to(dtype)[rows]
        held = torch.tensor([item not in lacking for item in items.tolist()], dtype=torch.bool)
        if held.any():
            features[name] = Features(values[held], torch.nonzero(held).squeeze(1))
    return Batch(items, features)


PLAIN: dict[str, EncoderConfig] = {
    "video": LinearHeadConfig(input_dim=6, output_dim=5),
    "audio": LinearHeadConfig(input_dim=9, output_dim=4),
}
