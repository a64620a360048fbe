"""Training from start to finish, and taken up again after a stop at any moment."""

import json
import multiprocessing
import os
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch
from run_cases import TINY, tiny_dataset, tiny_experiment
from safetensors.torch import load_file

import trichord
from trichord.config import replaced
from trichord.data import ModalityArrays, write_dataset
from trichord.data.planted import plant
from trichord.errors import DataError, RunError, TrainingError
from trichord.files import read_json, write_json
from trichord.runs import RunDirectory, RunOptions, run_experiment
from trichord.runs.environment import describe_environment
from trichord.runs.recorder import Recorder
from trichord.training.loop import Position

# One server imports these once, and every process that is to be killed is forked from it.
PRELOADED = ["torch._dynamo", "run_cases", "trichord.runs"]


def work(folder: Path, out: Path, changes: dict[str, object]) -> None:
    torch.set_num_threads(1)
    dataset = tiny_dataset(folder)
    options = RunOptions(progress=False, checkpoint_steps=1)
    run_experiment(tiny_experiment(dataset, **changes), dataset, out, options=options)


def start(folder: Path, out: Path, **changes: object) -> BaseProcess:
    """Start a run in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=work, args=(folder, out, changes))
    process.start()
    return process


def signal_to(process: BaseProcess, number: signal.Signals) -> int:
    """Send a signal; return the exit code once the process has ended."""
    assert process.pid is not None
    os.kill(process.pid, number)
    return ended(process)


def ended(process: BaseProcess) -> int:
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def lines_of(out: Path) -> int:
    file = out / "metrics.jsonl"
    return file.read_text().count("\n") if file.exists() else 0


def wait_for_lines(out: Path, process: BaseProcess, number: int) -> None:
    deadline = time.monotonic() + 120
    while lines_of(out) < number:
        assert process.exitcode is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)


class StoppedError(Exception):
    pass


def stop_at(monkeypatch: pytest.MonkeyPatch, position: Position) -> None:
    """Make the process "die" when a position is reached, before anything of it is saved."""
    original = Recorder.at_boundary

    def at_boundary(self: Recorder, upcoming: Position) -> None:
        if upcoming == position:
            raise StoppedError
        original(self, upcoming)

    monkeypatch.setattr(Recorder, "at_boundary", at_boundary)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and one uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    dataset = tiny_dataset(folder)
    run_experiment(tiny_experiment(dataset), dataset, folder / "run")
    return folder


def assert_same_run(one: Path, other: Path) -> None:
    weights, again = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert set(weights) == set(again)
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    lines, repeated = RunDirectory(one).metrics(), RunDirectory(other).metrics()
    for line in [*lines, *repeated]:
        line.pop("items_per_second", None)
    assert lines == repeated
    assert read_json(one / "results/test/T_to_V.json") == read_json(other / "results/test/T_to_V.json")


def test_a_run_folder_explains_itself(whole: Path) -> None:
    directory = RunDirectory(whole / "run")
    assert directory.finished
    assert directory.record().config == tiny_experiment(tiny_dataset(whole))
    stages = directory.status()["stages"]
    assert [stage["name"] for stage in stages] == ["VT", "VT_A"]
    assert set(stages[1]["frozen"]) == {"video", "text"}
    assert stages[1]["frozen"]["video"] == stages[0]["handover"]["video"] == stages[1]["handover"]["video"]
    assert stages[1]["handover"]["audio"] != stages[0]["handover"]["audio"]
    assert {"packages", "commit", "cores", "precision"} <= set(read_json(directory.environment_file))
    assert not directory.checkpoint_file.exists()
    assert len(list(directory.results_folder("test").glob("*.json"))) == 8
    steps = [line for line in directory.metrics() if line["kind"] == "step"]
    assert sum(steps[0]["terms"].values()) == pytest.approx(steps[0]["loss"], rel=1e-5)


def test_the_same_again_does_nothing(whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (whole / "run").rglob("*") if path.is_file()}
    dataset = tiny_dataset(whole)
    run_experiment(tiny_experiment(dataset), dataset, whole / "run")
    changed = [p.name for p, t in before.items() if p.stat().st_mtime_ns != t]
    assert set(changed) <= {".lock"}


@pytest.mark.parametrize("seed", [0, 1])
def test_repeated_runs_are_bit_equal_and_seeds_differ(whole: Path, tmp_path: Path, seed: int) -> None:
    dataset = tiny_dataset(whole)
    run_experiment(tiny_experiment(dataset, seed=seed), dataset, tmp_path / "run")
    if seed == 0:
        assert_same_run(whole / "run", tmp_path / "run")
    else:
        one, other = load_file(whole / "run/model.safetensors"), load_file(tmp_path / "run/model.safetensors")
        assert not all(torch.equal(one[name], other[name]) for name in one)


STOPS = [
    Position(0, 0, 1),
    Position(0, 1, 2),
    Position(0, 3, 0),
    Position(1, 0, 1),
    Position(1, 2, 1),
    Position(1, 3, 0),
]
# Within an epoch, in a stage that starts from another, and at the end; with checkpoints at every step, or at every
# second one, which repeats a step. The slow suite tries all stops with both.
FAST = {(STOPS[1], 2), (STOPS[3], 1), (STOPS[5], 2)}


@pytest.mark.parametrize(
    ("position", "every"),
    [
        pytest.param(stop, every, marks=() if (stop, every) in FAST else pytest.mark.slow)
        for every in (1, 2)
        for stop in STOPS
    ],
)
def test_any_stop_is_taken_up_bit_equal(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, position: Position, every: int
) -> None:
    dataset = tiny_dataset(whole)
    options = RunOptions(progress=False, checkpoint_steps=every)
    with monkeypatch.context() as patch:
        stop_at(patch, position)
        with pytest.raises(StoppedError):
            run_experiment(tiny_experiment(dataset), dataset, tmp_path / "run", options=options)
    assert RunDirectory(tmp_path / "run").status()["state"] == "failed"
    run_experiment(tiny_experiment(dataset), dataset, tmp_path / "run", options=options)
    assert_same_run(whole / "run", tmp_path / "run")


def test_kill_nine_in_the_middle_of_an_epoch(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for number in (2, 9):
        process = start(whole, out)
        wait_for_lines(out, process, number)
        assert signal_to(process, signal.SIGKILL) == -signal.SIGKILL
        assert not RunDirectory(out).finished
    assert ended(start(whole, out)) == 0
    assert_same_run(whole / "run", out)


def test_an_interruption_saves_first_and_goes_on(whole: Path, tmp_path: Path) -> None:
    out, epochs = tmp_path / "run", 400
    process = start(whole, out, **{"stages.0.epochs": epochs})
    wait_for_lines(out, process, 4)
    assert signal_to(process, signal.SIGINT) != 0
    assert RunDirectory(out).status()["state"] == "interrupted"
    assert (out / "checkpoint.safetensors").exists()


def test_another_experiment_or_other_data_in_the_folder(whole: Path, tmp_path: Path) -> None:
    dataset = tiny_dataset(whole)
    with pytest.raises(RunError, match=r"stages\.0\.epochs: 3 there, 4 here"):
        run_experiment(tiny_experiment(dataset, **{"stages.0.epochs": 4}), dataset, whole / "run")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="holds no run"):
        run_experiment(tiny_experiment(dataset), dataset, tmp_path)
    record = read_json(whole / "run/config.json")
    copy = tmp_path / "copy"
    copy.mkdir()
    write_json(copy / "config.json", record | {"dataset": record["dataset"] | {"fingerprint": "other"}})
    with pytest.raises(RunError, match="fingerprint other"):
        run_experiment(tiny_experiment(dataset), dataset, copy)


@pytest.mark.parametrize("version", [0, 1, None, "2"])
def test_a_run_folder_of_another_version(whole: Path, tmp_path: Path, version: object) -> None:
    write_json(tmp_path / "config.json", read_json(whole / "run/config.json") | {"run_format": version})
    with pytest.raises(RunError, match=r"reads format 2\. Use the version that wrote it"):
        trichord.load(tmp_path)


def test_two_processes_may_not_share_a_folder(whole: Path, tmp_path: Path) -> None:
    dataset = tiny_dataset(whole)
    with RunDirectory(tmp_path / "run").lock(), pytest.raises(RunError, match="another process"):
        run_experiment(tiny_experiment(dataset), dataset, tmp_path / "run")


def test_a_modality_the_data_lack_is_named_before_any_work(whole: Path, tmp_path: Path) -> None:
    dataset = tiny_dataset(whole)
    config = tiny_experiment(dataset)
    lacking = write_lacking(tmp_path / "data")
    with pytest.raises(DataError, match=r"needs the modality 'audio'.*hold \['text', 'video'\]"):
        run_experiment(config, lacking, tmp_path / "run")
    with pytest.raises(DataError, match="no split named"):
        run_experiment(replaced(config, {"evaluation.split": "tset"}), dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_split_without_a_modality_is_named_before_any_work(split: str, tmp_path: Path) -> None:
    corpus = plant(TINY)
    rows = np.flatnonzero(np.array(corpus.splits) != split)
    modalities = {name: ModalityArrays(values[:, 0]) for name, values in corpus.features.items()}
    modalities["audio"] = ModalityArrays(corpus.features["audio"][rows, 0], rows)
    items = {"id": [str(i) for i in range(len(corpus.splits))], "split": corpus.splits}
    dataset = write_dataset(tmp_path / "data", name="lacking", items=items, modalities=modalities)
    message = {
        "train": r"stage 0 learns from the splits \['train'\], where no item holds two",
        "val": r"task A>V cannot be measured on split 'val'.*selection.tasks",
        "test": r"task T>A cannot be measured on split 'test'.*evaluation.tasks",
    }[split]
    with pytest.raises(DataError, match=message):
        run_experiment(tiny_experiment(dataset, "AV_T"), dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_where_a_run_was_taken_up_again_is_recorded(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, found = tiny_dataset(whole), describe_environment()
    options = RunOptions(progress=False, checkpoint_steps=1)
    with monkeypatch.context() as patch:
        patch.setattr("trichord.runs.sitting.describe_environment", lambda: found | {"commit": "before"})
        stop_at(patch, Position(0, 1, 1))
        with pytest.raises(StoppedError):
            run_experiment(tiny_experiment(dataset), dataset, tmp_path / "run", options=options)
    run_experiment(tiny_experiment(dataset), dataset, tmp_path / "run", options=options)
    recorded = read_json(tmp_path / "run" / "environment.json")
    assert recorded["commit"] == found["commit"]
    assert [earlier["commit"] for earlier in recorded["earlier"]] == ["before"]
    assert "earlier" not in read_json(whole / "run" / "environment.json")


def write_lacking(path: Path) -> "trichord.Dataset":
    corpus = plant(TINY)
    items = {"id": [str(i) for i in range(len(corpus.splits))], "split": corpus.splits}
    held = {name: corpus.features[name][:, 0] for name in ("video", "text")}
    return write_dataset(path, name="lacking", items=items, modalities={n: ModalityArrays(v) for n, v in held.items()})


def test_a_loss_that_is_not_finite_stops_the_run_and_names_step_and_term(whole: Path, tmp_path: Path) -> None:
    dataset = tiny_dataset(whole)
    config = tiny_experiment(dataset, **{"stages.0.optimizer.learning_rate": 1e30})
    with pytest.raises(TrainingError, match=r"stage 0, epoch 1, step 1 .*: .*reconstruction/video"):
        run_experiment(config, dataset, tmp_path / "run")
    status = RunDirectory(tmp_path / "run").status()
    assert status["state"] == "failed"
    assert "not finite" in status["error"]


def test_a_cut_metrics_line_is_left_out(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.append_metrics(kind="step", stage=0, epoch=0, step=0)
    with open(directory.metrics_file, "a") as handle:
        handle.write(json.dumps({"kind": "step"})[:5])
    assert len(directory.metrics()) == 1
