"""The general study: what is finished is skipped, what was cut off goes on, what fails stops nothing else."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file
from study_cases import SHORT, SMALL, small_dataset

from trichord.config import replaced
from trichord.data import Dataset
from trichord.data.planted import write_planted
from trichord.errors import RunError
from trichord.recipes import mcn, planted
from trichord.runs import RunDirectory, RunOptions
from trichord.studies import PlannedRun, run_planned
from trichord.studies.machine import default_workers, usable_cores

QUIET = RunOptions(progress=False)


def plan(dataset: Dataset, out: Path, seeds: int = 2, **changes: object) -> list[PlannedRun]:
    recipes = [planted(dataset.spec, "VT_A", seed) for seed in range(seeds)]
    return [PlannedRun(out / f"seed-{c.seed}", replaced(c, SHORT | changes), c) for c in recipes]


@pytest.fixture
def begun(tmp_path_factory: pytest.TempPathFactory, finished: Path) -> Path:
    """A copy of a folder with data and a study of one finished run."""
    return Path(shutil.copytree(finished, tmp_path_factory.mktemp("begun") / "copy"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    dataset = small_dataset(folder)
    run_planned(plan(dataset, folder / "study", 1), dataset, workers=1, options=QUIET)
    return folder


def test_finished_runs_are_left_alone_and_the_order_is_that_of_the_plan(begun: Path) -> None:
    dataset = small_dataset(begun)
    first = RunDirectory(begun / "study" / "seed-0")
    stamp = first.model_file.stat().st_mtime_ns
    done = run_planned(plan(dataset, begun / "study", 2), dataset, workers=1, options=QUIET)
    assert [directory.path.name for directory in done] == ["seed-0", "seed-1"]
    assert all(directory.finished for directory in done)
    assert first.model_file.stat().st_mtime_ns == stamp


def test_a_run_that_fails_is_named_and_the_others_are_those_of_one_worker(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    for workers in (1, 2):
        plans = plan(dataset, tmp_path / str(workers), 3)
        broken = replaced(plans[0].config, {"stages.0.optimizer.learning_rate": 1e38})
        plans[0] = PlannedRun(plans[0].folder, broken, plans[0].recipe)
        with pytest.raises(RunError, match=r"1 of 3 runs failed; the others are finished:\n.*seed-0: .+"):
            run_planned(plans, dataset, workers=workers, options=QUIET)
        assert RunDirectory(plans[0].folder).status()["state"] == "failed"
        assert all(RunDirectory(planned.folder).finished for planned in plans[1:])
    for seed in (1, 2):
        one, two = (load_file(tmp_path / str(workers) / f"seed-{seed}" / "model.safetensors") for workers in (1, 2))
        assert all(one[name].equal(two[name]) for name in one)


def test_a_finished_run_of_other_settings_is_refused_not_reused(begun: Path) -> None:
    dataset = small_dataset(begun)
    other = plan(dataset, begun / "study", 1, **{"stages.0.epochs": 2})
    with pytest.raises(RunError, match=r"holds another experiment \(stages.0.epochs: 3 there, 2 here\)"):
        run_planned(other, dataset, workers=1, options=QUIET)


def test_a_finished_run_on_other_data_is_refused_not_reused(begun: Path) -> None:
    other = write_planted(begun / "data", replace(SMALL, seed=99), overwrite=True)
    with pytest.raises(RunError, match="was begun on data 'planted' with fingerprint"):
        run_planned(plan(other, begun / "study", 2), other, workers=1, options=QUIET)
    assert not (begun / "study" / "seed-1").exists(), "nothing is trained before the folders were checked"


def test_an_interruption_stops_the_study_after_the_run_in_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = small_dataset(tmp_path)
    asked: list[str] = []

    def interrupted(config: object, data: object, out: Path, **options: object) -> None:
        asked.append(out.name)
        raise KeyboardInterrupt

    monkeypatch.setattr("trichord.studies.machine.run_experiment", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_planned(plan(dataset, tmp_path / "study", 3), dataset, workers=1, options=QUIET)
    assert asked == ["seed-0"]


def test_large_models_run_one_at_a_time(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    small = plan(dataset, tmp_path / "study")
    large = [PlannedRun(p.folder, mcn(dataset.spec, "VT_A", p.config.seed), p.recipe) for p in small]
    assert default_workers(small) == min(2, usable_cores())
    assert default_workers(large) == 1
    assert default_workers([]) == 1


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_machine import QUIET, plan
from study_cases import small_dataset
from trichord.studies import run_planned
folder = Path({folder!r})
if __name__ == "__main__":
    dataset = small_dataset(folder)
    changes = {{"stages.0.epochs": 3000, "stages.1.epochs": 1}}
    run_planned(plan(dataset, folder / "study", **changes), dataset, workers=2, options=QUIET)
"""


@pytest.mark.slow
def test_a_killed_study_leaves_no_worker_behind(tmp_path: Path) -> None:
    small_dataset(tmp_path)
    script = tmp_path / "killed.py"
    script.write_text(KILLED.format(here=str(Path(__file__).parent), folder=str(tmp_path)))
    said = tmp_path / "stderr.txt"
    with open(said, "w") as stderr:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen([sys.executable, str(script)], env=environment, stderr=stderr)
    files = [tmp_path / "study" / f"seed-{seed}" / "metrics.jsonl" for seed in range(2)]
    deadline = time.monotonic() + 120
    while not all(file.exists() for file in files):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(2)
    sizes = [file.stat().st_size for file in files]
    time.sleep(1)
    assert [file.stat().st_size for file in files] == sizes, "a worker went on after the study was killed"
    assert "leaked" not in said.read_text(), "something of the workers outlives them"
