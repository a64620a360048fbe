"""A classifier that was stopped anywhere, in whatever way, goes on to the very numbers it would have come to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from classifier_cases import EVERY_STEP, QUIET, assert_same_classifier, classifier, hashes, make_data, train_experts

from trichord.adapters.settings import LowRankConfig
from trichord.classification import run
from trichord.classification.directory import ClassifierDirectory
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.loading import LoadedClassifier
from trichord.classification.measure import Measuring
from trichord.classification.run import run_classifier
from trichord.data import Dataset
from trichord.errors import RunError
from trichord.runs.recorder import Recorder
from trichord.training.loop import Position


class StoppedError(Exception):
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resume")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return make_data(folder / "data")


@pytest.fixture(scope="module")
def experts(folder: Path, dataset: Dataset) -> dict[str, LoadedClassifier]:
    return train_experts(dataset, folder, learning__epochs=1)


def matrices(experts: Mapping[str, LoadedClassifier]) -> ClassifierExperimentConfig:
    """Matrices with dropout in one encoder, the other frozen; the best weights are kept."""
    low_rank = {"video": LowRankConfig(rank=2, dropout=0.3)}
    return classifier("mmlora", train=(), starts=hashes(dict(experts)), low_rank=low_rank, learning__keep="best")


def taught(experts: Mapping[str, LoadedClassifier]) -> ClassifierExperimentConfig:
    return classifier("teacher", teachers=hashes(dict(experts)), learning__distillation=1.0)


KINDS = {"matrices": matrices, "taught": taught}


@pytest.fixture(scope="module")
def wholes(folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier]) -> dict[str, ClassifierDirectory]:
    return {
        name: run_classifier(make(experts), dataset, folder / f"whole {name}", options=QUIET, experts=experts)
        for name, make in KINDS.items()
    }


# In the middle of an epoch, at its end before it is saved, with a checkpoint from a step before, and at the end.
@pytest.mark.parametrize(
    ("kind", "epoch", "step", "every"),
    [("matrices", 0, 2, 1), ("matrices", 2, 1, 2), ("taught", 1, 0, 1), ("taught", 3, 0, 4)],
)
def test_one_that_died_goes_on_exactly(
    folder: Path,
    dataset: Dataset,
    experts: dict[str, LoadedClassifier],
    wholes: dict[str, ClassifierDirectory],
    kind: str,
    epoch: int,
    step: int,
    every: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = Recorder.at_boundary

    def at_boundary(self: Recorder, upcoming: Position) -> None:
        if upcoming == Position(0, epoch, step):
            raise StoppedError
        original(self, upcoming)

    out = folder / f"died {kind} {epoch} {step}"
    options = replace(QUIET, checkpoint_steps=every)
    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "at_boundary", at_boundary)
        with pytest.raises(StoppedError):
            run_classifier(KINDS[kind](experts), dataset, out, options=options, experts=experts)
    there = ClassifierDirectory(out)
    assert there.status()["state"] == "failed"
    assert there.checkpoint_file.exists()
    again = run_classifier(KINDS[kind](experts), dataset, out, options=options, experts=experts)
    assert_same_classifier(again, wholes[kind])
    assert not again.checkpoint_file.exists()


def test_a_user_who_stops_it_keeps_what_was_done(
    folder: Path,
    dataset: Dataset,
    experts: dict[str, LoadedClassifier],
    wholes: dict[str, ClassifierDirectory],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = Measuring.validate

    def interrupt(self: Measuring) -> Mapping[str, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        return original(self)

    out = folder / "interrupted"
    with monkeypatch.context() as patched:
        patched.setattr(Measuring, "validate", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_classifier(taught(experts), dataset, out, options=QUIET, experts=experts)
    there = ClassifierDirectory(out)
    assert there.status()["state"] == "interrupted"
    assert [line["epoch"] for line in there.metrics() if line["kind"] == "validation"] == [1]
    assert_same_classifier(run_classifier(taught(experts), dataset, out, experts=experts), wholes["taught"])


def test_one_that_died_while_it_was_saved(
    folder: Path,
    dataset: Dataset,
    experts: dict[str, LoadedClassifier],
    wholes: dict[str, ClassifierDirectory],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(*arguments: Any) -> None:
        raise StoppedError

    for module, name in ((run, "save_classifier"), (Measuring, "scores"), (Measuring, "probe")):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, die)
            with pytest.raises(StoppedError):
                run_classifier(taught(experts), dataset, folder / "saving", options=EVERY_STEP, experts=experts)
    again = run_classifier(taught(experts), dataset, folder / "saving", options=QUIET, experts=experts)
    assert_same_classifier(again, wholes["taught"])


def test_seeds_differ_and_repetitions_do_not(
    folder: Path, dataset: Dataset, experts: dict[str, LoadedClassifier], wholes: dict[str, ClassifierDirectory]
) -> None:
    torch.manual_seed(123)  # nothing hangs on what was drawn before
    again = run_classifier(matrices(experts), dataset, folder / "repeated", options=QUIET, experts=experts)
    assert_same_classifier(again, wholes["matrices"])
    other = classifier("joint", seed=6)
    one, two = (
        run_classifier(config, dataset, folder / f"seed {config.seed}", options=QUIET, probes=False)
        for config in (classifier("joint"), other)
    )
    assert one.status()["model"] != two.status()["model"]


SCRIPT = """
import sys
from classifier_cases import EVERY_STEP, classifier
from trichord.classification.run import run_classifier
from trichord.data import Dataset
run_classifier(classifier("joint", learning__epochs=8), Dataset.open(sys.argv[1]), sys.argv[2], options=EVERY_STEP)
"""


@pytest.mark.slow
def test_one_that_was_killed_goes_on_exactly(folder: Path, dataset: Dataset) -> None:
    config = classifier("joint", learning__epochs=8)
    whole = run_classifier(config, dataset, folder / "not killed", options=QUIET)
    out = ClassifierDirectory(folder / "killed")
    inherited = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1]), *inherited])
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(dataset.path), str(out.path)], env={**os.environ, "PYTHONPATH": paths}
    )
    deadline = time.monotonic() + 120
    while not (out.checkpoint_file.exists() and len(out.metrics()) > 4):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    with pytest.raises(RunError, match="another process is working in"):
        run_classifier(config, dataset, out.path, options=QUIET)
    process.kill()
    process.wait()
    assert out.status()["state"] == "running"
    assert_same_classifier(run_classifier(config, dataset, out.path, options=QUIET), whole)
