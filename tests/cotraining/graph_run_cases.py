"""Graphs, experiments and data small enough for a test; what every test of co-training begins with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from trichord.config import replaced
from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.experiment import GraphExperimentConfig
from trichord.cotraining.recorder import GraphRecorder
from trichord.cotraining.run import run_graph
from trichord.data import Dataset
from trichord.data.planted import PlantedConfig, plant, write_planted
from trichord.data.writing import ModalityArrays, write_dataset
from trichord.evaluation import EvaluationConfig
from trichord.files import read_json
from trichord.graphs.text import parse_graph
from trichord.recipes import heads
from trichord.recipes.graphs import graph_experiment
from trichord.runs import ExperimentConfig, Model, RunDirectory, RunOptions, run_experiment
from trichord.training.loop import Position

QUIET = RunOptions(progress=False)
COMPLETE = PlantedConfig(num_items={"train": 70, "val": 30, "test": 30})
EPOCHS, BATCH = 3, 24
SCORING = EvaluationConfig(num_resamples=20)
MUTUAL = """
    tv: target T-V
    av: peer A-V
    label -> tv: through
    label -> av: through
    tv -> av: similarity through
    av -> tv: similarity through
"""


def complete(folder: Path) -> Dataset:
    """Every item holds text, video and audio."""
    path = folder / "complete"
    return Dataset.open(path) if path.exists() else write_planted(path, COMPLETE)


def unpaired(folder: Path) -> Dataset:
    """Half of the items to learn from hold audio and text, the others audio and video; the others hold everything."""
    path = folder / "unpaired"
    if path.exists():
        return Dataset.open(path)
    corpus = plant(COMPLETE)
    splits = np.array(corpus.splits)
    number = np.arange(len(splits))
    lacks = {"video": (splits == "train") & (number % 2 == 0), "text": (splits == "train") & (number % 2 == 1)}
    modalities = {}
    for name in ("text", "video", "audio"):
        held = np.flatnonzero(~lacks.get(name, np.zeros(len(splits), bool)))
        values = np.ascontiguousarray(corpus.features[name][held, 0])
        modalities[name] = ModalityArrays(values, items=held)
    items = {"id": [f"item{i}" for i in number], "split": splits.tolist()}
    return write_dataset(path, name="unpaired", items=items, modalities=modalities)


WORDS = ("one", "two", "three")


def classed(folder: Path, name: str = "classed", words: tuple[str, ...] = WORDS) -> Dataset:
    """Images of four by four pixels and some sounds, of three classes; a few items lack the sound, one the image."""
    path = folder / name
    if path.exists():
        return Dataset.open(path)
    random = np.random.default_rng(0)
    count = 100
    kinds = random.integers(0, len(words), count)
    kinds[:3] = range(3)
    centres = random.normal(size=(len(words), 16))
    images = (centres[kinds] + 1.2 * random.normal(size=(count, 16))).astype(np.float32)
    sounds = (centres[kinds, :6] + 1.5 * random.normal(size=(count, 6))).astype(np.float32)
    seen, heard = np.flatnonzero(np.arange(count) != 93), np.flatnonzero(np.arange(count) % 5 != 4)
    splits = ["train"] * 60 + ["val"] * 20 + ["test"] * 20
    return write_dataset(
        path,
        name=name,
        items={"id": [f"item{i}" for i in range(count)], "split": splits, "word": [words[k] for k in kinds]},
        modalities={
            "image": ModalityArrays(images[seen], items=seen, letter="I"),
            "sound": ModalityArrays(sounds[heard], items=heard, letter="S"),
        },
    )


def experiment(
    dataset: Dataset, text: str, task: str = "T>V", seed: int = 0, *, base: Model | None = None, **changes: Any
) -> GraphExperimentConfig:
    """Return a graph's experiment; changes are named like fields of it, or are choices of `graph_experiment`."""
    graph = parse_graph(text, dataset.modalities)
    own = {"recipe", "scored", "fit_splits", "selection", "report_split", "evaluate_every", "adaptation"}
    choices = {"report_split": "test"} | {name: value for name, value in changes.items() if name in own}
    config = graph_experiment(dataset, graph, task, seed, base=base, epochs=EPOCHS, **choices)
    rest = {name: value for name, value in changes.items() if name not in own}
    return replace(config, **({"batch_size": BATCH, "scoring": SCORING} | rest))


def alone(dataset: Dataset, order: str, seed: int = 0, **changes: Any) -> ExperimentConfig:
    """Return the experiment of an ordinary run for as long and in as large batches as the graphs of `experiment`."""
    config = heads(dataset.spec, order, seed)
    small = {"stages.0.epochs": EPOCHS, "stages.0.batch_size": BATCH, "stages.0.keep": "last"}
    return replaced(config, {**small, "evaluation.scoring.num_resamples": 20, **changes})


def train(config: GraphExperimentConfig, dataset: Dataset, out: Path, **given: Any) -> GraphDirectory:
    return run_graph(config, dataset, out, **{"options": QUIET} | given)


def train_alone(config: ExperimentConfig, dataset: Dataset, out: Path, **given: Any) -> RunDirectory:
    return run_experiment(config, dataset, out, options=QUIET, **given)


def hashes(directory: GraphDirectory) -> dict[str, str]:
    """Return name of every node that learnt -> hash of its weights."""
    return dict(directory.status()["nodes"])


def weights(directory: GraphDirectory, node: str) -> dict[str, torch.Tensor]:
    return dict(load_file(directory.node_folder(node) / "model.safetensors"))


class StoppedError(Exception):
    """The process "died"."""


def dying_at(position: Position) -> Callable[[GraphRecorder, Position], None]:
    """Return a stand-in for `GraphRecorder.at_boundary` that "dies" before anything of a position is saved."""
    original = GraphRecorder.at_boundary

    def at_boundary(self: GraphRecorder, upcoming: Position) -> None:
        if upcoming == position:
            raise StoppedError
        original(self, upcoming)

    return at_boundary


def lines_of(directory: GraphDirectory) -> list[dict[str, Any]]:
    """Return what was logged, without the times."""
    lines = directory.metrics()
    for line in lines:
        line.pop("items_per_second", None)
    return lines


def assert_same_graph(one: GraphDirectory, other: GraphDirectory) -> None:
    """Weights, logged numbers, curve and results are equal bit for bit."""
    assert one.finished
    assert other.finished
    assert hashes(one) == hashes(other)
    assert lines_of(one) == lines_of(other)
    assert one.curve() == other.curve()
    files = sorted(file.relative_to(one.path) for file in (one.path / "nodes").glob("*/results/*/*.json"))
    assert files
    for file in files:
        assert read_json(one.path / file) == read_json(other.path / file)
