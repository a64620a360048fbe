"""A graph that was stopped anywhere, in whatever way, goes on to the very numbers it would have come to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest
from graph_run_cases import (
    QUIET,
    StoppedError,
    assert_same_graph,
    complete,
    dying_at,
    experiment,
    hashes,
    lines_of,
    train,
)

from trichord.cotraining import export, run
from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.experiment import GraphExperimentConfig
from trichord.cotraining.recorder import GraphRecorder, replay
from trichord.cotraining.run import run_graph
from trichord.data import Dataset
from trichord.errors import RunError
from trichord.runs.progress import Interruption
from trichord.training.loop import Position

# Everything that has a state: a projector, a temperature that learns, gates that go by the step, an ensemble.
STATEFUL = """
    tv: target T-V
    all: peer T-V of AVT
    av: peer A-V
    both: ensemble tv all
    label -> tv: negative-linear
    label -> all: through
    label -> av: through
    av -> tv: embedding linear
    both -> all: similarity correct@2
    tv -> av: centroids through
"""
EVERY_STEP = replace(QUIET, checkpoint_steps=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resume")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return complete(folder)


@pytest.fixture(scope="module")
def config(dataset: Dataset) -> GraphExperimentConfig:
    return experiment(dataset, STATEFUL)


@pytest.fixture(scope="module")
def whole(folder: Path, dataset: Dataset, config: GraphExperimentConfig) -> GraphDirectory:
    return train(config, dataset, folder / "whole")


# At the end of an epoch before it is saved, and in the middle of one with a checkpoint from some steps before. The slow
# suite tries the other two combinations as well.
@pytest.mark.parametrize(
    ("epoch", "step", "every"),
    [
        pytest.param(0, 2, 1, marks=pytest.mark.slow),
        (1, 0, 1),
        (2, 1, 3),
        pytest.param(3, 0, 4, marks=pytest.mark.slow),
    ],
)
def test_a_graph_that_died_goes_on_exactly(
    folder: Path,
    dataset: Dataset,
    config: GraphExperimentConfig,
    whole: GraphDirectory,
    epoch: int,
    step: int,
    every: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, options = folder / f"died at {epoch} {step}", replace(QUIET, checkpoint_steps=every)
    with monkeypatch.context() as patched:
        patched.setattr(GraphRecorder, "at_boundary", dying_at(Position(0, epoch, step)))
        with pytest.raises(StoppedError):
            run_graph(config, dataset, out, options=options)
    there = GraphDirectory(out)
    assert there.status()["state"] == "failed"
    assert there.checkpoint_file.exists()
    again = run_graph(config, dataset, out, options=options)
    assert_same_graph(again, whole)
    assert not again.checkpoint_file.exists()


def test_a_graph_that_died_before_its_first_checkpoint_starts_anew(
    folder: Path,
    dataset: Dataset,
    config: GraphExperimentConfig,
    whole: GraphDirectory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(GraphRecorder, "at_boundary", dying_at(Position(0, 1, 1)))
        with pytest.raises(StoppedError):
            train(config, dataset, folder / "early")
    assert not GraphDirectory(folder / "early").checkpoint_file.exists()
    assert_same_graph(train(config, dataset, folder / "early"), whole)


def test_a_user_who_stops_it_keeps_what_was_done(
    folder: Path, dataset: Dataset, config: GraphExperimentConfig, whole: GraphDirectory
) -> None:
    def interrupt(epoch: int, value: float) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return True

    out = folder / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        train(config, dataset, out, watch=interrupt)
    there = GraphDirectory(out)
    assert there.status()["state"] == "interrupted"
    assert [epoch for epoch, _ in there.curve()] == [1]
    assert_same_graph(train(config, dataset, out), whole)
    assert not Interruption.requested


def test_died_while_its_nodes_were_saved(
    folder: Path,
    dataset: Dataset,
    config: GraphExperimentConfig,
    whole: GraphDirectory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(*arguments: object) -> None:
        raise StoppedError

    for module, name in ((export, "write_json"), (run, "evaluation_set")):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, die)
            with pytest.raises(StoppedError):
                run_graph(config, dataset, folder / "saving", options=EVERY_STEP)
    assert_same_graph(train(config, dataset, folder / "saving"), whole)


SCRIPT = """
import sys
from graph_run_cases import experiment
from trichord.cotraining.run import run_graph
from trichord.data import Dataset
from trichord.runs import RunOptions
from test_graph_resume import STATEFUL
dataset = Dataset.open(sys.argv[1])
run_graph(experiment(dataset, STATEFUL), dataset, sys.argv[2], options=RunOptions(progress=False, checkpoint_steps=1))
"""


@pytest.mark.slow
def test_a_graph_that_was_killed_goes_on_exactly(
    folder: Path, dataset: Dataset, config: GraphExperimentConfig, whole: GraphDirectory
) -> None:
    out = GraphDirectory(folder / "killed")
    inherited = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1]), *inherited])
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(dataset.path), str(out.path)], env={**os.environ, "PYTHONPATH": paths}
    )
    deadline = time.monotonic() + 120
    while not (out.checkpoint_file.exists() and len(out.metrics()) > 3):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    with pytest.raises(RunError, match="another process is working in"):
        train(config, dataset, out.path)
    process.kill()
    process.wait()
    assert out.status()["state"] == "running"
    assert_same_graph(train(config, dataset, out.path), whole)


def test_a_finished_graph_is_not_trained_again(
    dataset: Dataset, config: GraphExperimentConfig, whole: GraphDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, float]] = []
    monkeypatch.setattr(run, "build_cast", None)
    again = train(config, dataset, whole.path, watch=lambda *seen: told.append(seen) or True)
    assert again.finished
    assert told == whole.curve()
    assert [epoch for epoch, _ in told] == [1, 2, 3]
    with pytest.raises(RunError, match=r"seed: 0.*1"):
        train(replace(config, seed=1), dataset, whole.path)


def test_a_watch_ends_the_training_where_it_says(
    folder: Path, dataset: Dataset, config: GraphExperimentConfig, whole: GraphDirectory
) -> None:
    out = folder / "stopped"
    stopped = train(config, dataset, out, watch=lambda epoch, value: epoch < 2)
    assert stopped.stopped
    assert not stopped.finished
    assert stopped.curve() == whole.curve()[:2]
    assert (stopped.status()["epoch"], stopped.status()["value"]) == stopped.curve()[-1]
    assert not stopped.checkpoint_file.exists()
    assert not (out / "nodes").exists()
    told: list[int] = []
    again = train(config, dataset, out, watch=lambda epoch, value: told.append(epoch) or True)
    assert again.stopped
    assert told == [1, 2]
    # Nothing is left to stop after the last epoch.
    assert_same_graph(train(config, dataset, folder / "late", watch=lambda epoch, value: epoch < 3), whole)


def test_a_watch_is_told_again_what_came_before(
    folder: Path, dataset: Dataset, config: GraphExperimentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = folder / "watched"
    with monkeypatch.context() as patched:
        patched.setattr(GraphRecorder, "at_boundary", dying_at(Position(0, 2, 1)))
        with pytest.raises(StoppedError):
            run_graph(config, dataset, out, options=EVERY_STEP, watch=lambda epoch, value: True)
    copytree(out, folder / "watched again")
    told: list[int] = []
    assert train(config, dataset, out, watch=lambda epoch, value: told.append(epoch) or True).finished
    assert told == [1, 2, 3]
    # One that has changed its mind meanwhile.
    told.clear()
    other = train(config, dataset, folder / "watched again", watch=lambda epoch, value: told.append(epoch) or epoch < 2)
    assert other.stopped
    assert told == [1, 2]


def test_replay_tells_everything_and_forgets_the_last_answer() -> None:
    told: list[int] = []
    curve = [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert not replay(curve, lambda epoch, value: bool(told.append(epoch)), 3)
    assert told == [1, 2, 3]
    assert replay(curve, lambda epoch, value: epoch < 3, 3)
    assert not replay(curve, lambda epoch, value: epoch < 3, 4)
    assert replay(curve, None, 3)


def test_a_checkpoint_of_another_graph_is_refused(
    folder: Path, dataset: Dataset, config: GraphExperimentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    outs = {"one": config, "other": experiment(dataset, STATEFUL.replace("embedding", "gram"))}
    outs["fewer"] = experiment(dataset, "tv: target T-V; label -> tv: through")
    for name, of in outs.items():
        with monkeypatch.context() as patched:
            patched.setattr(GraphRecorder, "at_boundary", dying_at(Position(0, 0, 2)))
            with pytest.raises(StoppedError):
                run_graph(of, dataset, folder / f"mixed {name}", options=EVERY_STEP)
    saved = {name: GraphDirectory(folder / f"mixed {name}").checkpoint_file for name in outs}
    saved["other"].write_bytes(saved["one"].read_bytes())
    with pytest.raises(RunError, match=r"does not fit node 'tv': payloads.*start anew"):
        train(outs["other"], dataset, folder / "mixed other")
    saved["one"].write_bytes(saved["fewer"].read_bytes())
    with pytest.raises(RunError, match=r"is a checkpoint of the nodes \['tv'\]; start anew"):
        train(config, dataset, folder / "mixed one")


def test_what_is_logged_is_what_was_trained(whole: GraphDirectory) -> None:
    steps = [line for line in lines_of(whole) if line["kind"] == "step"]
    assert len(steps) == 9
    first, last = steps[0]["nodes"], steps[-1]["nodes"]
    assert set(first) == set(hashes(whole)) == {"tv", "all", "av"}
    own = [term for term in first["tv"]["terms"] if not term.startswith("from ")]
    assert first["tv"]["terms"]["from av"] == 0.0, "linear: nothing at the first step"
    assert last["tv"]["terms"]["from av"] > 0.0
    assert [first["tv"]["terms"][term] for term in own] != [0.0]
    assert [last["tv"]["terms"][term] for term in own] == [0.0], "negative linear: nothing at the last step"
    rates = [line["nodes"]["tv"]["learning_rate"] for line in steps]
    assert rates == sorted(rates, reverse=True)
