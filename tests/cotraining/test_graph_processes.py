"""Two processes on different rows train a graph as one process does on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from graph_run_cases import alone, classed, complete, experiment, train_alone, unpaired
from processes import run_processes

from trichord.cotraining.build import build_cast
from trichord.cotraining.loop import GraphStep, cotrain
from trichord.cotraining.suitability import read_numbers
from trichord.data import Dataset
from trichord.dist import average_gradients, rank, world_size
from trichord.recipes.adapt import Adaptation
from trichord.runs import load
from trichord.training.engine import Engine
from trichord.training.loop import Position
from trichord.training.source import BatchSource

# Every kind of payload and gate, an ensemble and a node of several modalities; half of the items lack text or video.
RICH = """
    tv: target T-V
    av: peer A-V model=linear
    ta: peer T-A model=gated
    all: peer T-V+A of AVT
    team: ensemble tv av
    label -> tv: through
    label -> av: linear
    label -> ta: negative-linear
    label -> all: through
    av -> tv: similarity correct@5
    ta -> tv: embedding through
    all -> av: gram linear
    tv -> ta: columns through push
    team -> all: rows negative-linear
    all -> ta: centroids through num_clusters=4
"""
CLASSES = """
    one: target I>word
    two: peer S>word model=linear
    label -> one: through
    two -> one: logits correct temperature=2
    one -> two: logits through
"""
ADAPTERS = """
    VT: target T-V adapter
    AT: peer T-A adapter
    label -> VT: through
    label -> AT: through
    AT -> VT: embedding through
    VT -> AT: gram correct@3
"""


class PlainEngine(Engine):
    """What an engine does on a CPU, without accelerate, which finds processes by variables of the environment."""

    def __init__(self) -> None:
        pass

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def prepare_optimizer(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        return optimizer

    def autocast(self) -> AbstractContextManager[None]:
        return nullcontext()

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()

    def clip_parameters(self, parameters: Sequence[torch.nn.Parameter], largest_norm: float | None) -> float:
        if largest_norm is not None:
            return float(torch.nn.utils.clip_grad_norm_(parameters, largest_norm))
        return float(torch.nn.utils.get_total_norm(p.grad for p in parameters if p.grad is not None))

    def release(self) -> None:
        pass


class Listening:
    """Hooks that remember what the steps did."""

    def __init__(self) -> None:
        self.steps: list[GraphStep] = []

    def after_step(self, record: GraphStep) -> None:
        self.steps.append(record)

    def after_epoch(self, epoch: int) -> None:
        pass

    def at_boundary(self, upcoming: Position) -> None:
        pass


def learn(kind: str, folder: str, steps: int) -> dict[str, Any]:
    """Train a few steps; return terms, gradient norms, and every weight and buffer of every node."""
    torch.set_num_threads(1)
    path, base = Path(folder), None
    if kind == "classes":
        dataset, task, text, given = classed(path), "I>word", CLASSES, {}
    elif kind == "adapters":
        dataset, task, text = complete(path), "T>V", ADAPTERS
        base = load(path / "base")
        given = {"base": base, "adaptation": Adaptation()}
    else:
        dataset, task, text, given = unpaired(path), "T>V", RICH, {}
    config = experiment(dataset, text, task, **given)
    numbers = read_numbers(config, dataset)
    given_numbers = None if numbers is None else torch.from_numpy(numbers)
    cast = build_cast(config, dataset, base, torch.device("cpu"), given_numbers)
    for node in cast.nodes.values():  # every process drops inputs of its own rows: another draw than that of one
        for module in node.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    source = BatchSource(
        dataset, dataset.split("train"), config.modalities, config.batch_size, config.seed, 0, fewest=1
    )
    hooks = Listening()
    epochs = steps // source.num_steps
    cotrain(cast, replace(config, epochs=epochs), source, PlainEngine(), Position(0, 0, 0), hooks)
    return {
        "steps": [
            {name: {"terms": s.terms, "norm": s.gradient_norm} for name, s in step.nodes.items()}
            for step in hooks.steps
        ],
        "state": {
            f"{name}.{key}": tensor.clone()
            for name, node in cast.nodes.items()
            for key, tensor in node.state_dict().items()
        },
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all data, and a base."""
    path = tmp_path_factory.mktemp("processes")
    unpaired(path)
    classed(path)
    dataset: Dataset = complete(path)
    train_alone(alone(dataset, "AVT", **{"stages.0.epochs": 1}), dataset, path / "base")
    return path


KINDS = ("sides", "classes", "adapters")


def learn_each(folder: str, steps: int) -> dict[str, Any]:
    return {kind: learn(kind, folder, steps) for kind in KINDS}


@pytest.fixture(scope="module")
def both(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What either of two processes came to; they are started once."""
    return run_processes(learn_each, 2, tmp_path_factory.mktemp("both"), str(folder), 3)


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_equal_one(folder: Path, both: list[dict[str, Any]], kind: str) -> None:
    # Batches of 23 or 24 rows: with 3 steps an epoch, shards are unequal.
    one = learn(kind, str(folder), 3)
    assert len(one["steps"]) == 3
    for two in (found[kind] for found in both):
        for step, (there, here) in enumerate(zip(two["steps"], one["steps"], strict=True)):
            for name, said in here.items():
                assert there[name]["terms"] == pytest.approx(said["terms"], rel=1e-3, abs=1e-5), (step, name)
                assert there[name]["norm"] == pytest.approx(said["norm"], rel=2e-3, abs=1e-6), (step, name)
        assert set(two["state"]) == set(one["state"])
        for name, value in one["state"].items():
            torch.testing.assert_close(
                two["state"][name], value, rtol=1e-3, atol=2e-3, msg=lambda m, n=name: f"{n}: {m}"
            )


def average() -> dict[str, Any]:
    """Parameters with a gradient on both processes, on one, and on none."""
    mine = float(rank() + 1)
    parameters = [
        torch.nn.Parameter(torch.zeros(2, 3)),
        torch.nn.Parameter(torch.zeros(4)),
        torch.nn.Parameter(torch.zeros(1)),
    ]
    parameters[0].grad = torch.full((2, 3), mine)
    if rank() == 0:
        parameters[1].grad = torch.full((4,), 6.0)
    average_gradients(parameters)
    return {str(k): p.grad for k, p in enumerate(parameters) if p.grad is not None} | {"size": world_size()}


def test_gradients_are_averaged(tmp_path: Path) -> None:
    for found in run_processes(average, 2, tmp_path):
        assert found["size"] == 2
        assert torch.equal(found["0"], torch.full((2, 3), 1.5))
        assert torch.equal(found["1"], torch.full((4,), 3.0))
        assert "2" not in found
    alone_found = average()
    assert torch.equal(alone_found["0"], torch.ones(2, 3))
    assert torch.equal(alone_found["1"], torch.full((4,), 6.0))
