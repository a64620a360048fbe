"""Worker processes: all jobs are done, dead workers are replaced, and stopping interrupts each of them exactly once."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from trichord.data import Dataset
from trichord.errors import RunError
from trichord.runs import RunOptions
from trichord.studies.crew import Crew, Death
from trichord.studies.machine import carry_out_all

QUIET = RunOptions(progress=False)


def square(number: int) -> int:
    return number**2


def die(job: tuple[str, int]) -> str:
    """Kill the worker as often as asked for; a file counts how often that was."""
    path, times = Path(job[0]), job[1]
    before = path.stat().st_size if path.exists() else 0
    if before < times:
        path.write_text("x" * (before + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def wait_long(path: str) -> str:
    """Wait to be interrupted, and count how often that happens."""
    Path(path).write_text("")
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        Path(path).write_text("interrupted")
    try:
        time.sleep(0.3)
    except KeyboardInterrupt:
        Path(path).write_text("interrupted twice")
    return path


def crew(function: Any, workers: int = 2) -> Crew[Any, Any]:
    return Crew(function, workers=workers, threads=1, most_deaths=3)


def test_every_job_is_done_once_whatever_the_number_of_workers() -> None:
    for workers in (1, 3):
        with crew(square, workers) as team:
            assert sorted(team.carry_out(range(7))) == [(number, number**2) for number in range(7)]
    assert list(crew(square).carry_out([])) == []


def test_a_job_whose_worker_dies_is_done_again_and_given_up_in_the_end(tmp_path: Path) -> None:
    jobs = [(str(tmp_path / f"{times}"), times) for times in (0, 2, 9, 1)]
    with crew(die) as team:
        found = dict(team.carry_out(jobs))
    assert found == {0: "0", 1: "2", 2: Death(-signal.SIGKILL, 3), 3: "1"}
    assert (
        str(found[2]) == "its worker process died 3 times, at last with signal 9, as where there is not enough memory"
    )


@pytest.mark.parametrize("reason", [KeyboardInterrupt, RunError("no")])
def test_leaving_the_block_interrupts_every_worker_once_and_waits_for_it(tmp_path: Path, reason: Any) -> None:
    paths = [str(tmp_path / name) for name in "ab"]

    def stop() -> None:
        if all(Path(path).exists() for path in paths):
            raise reason

    began = time.monotonic()
    with pytest.raises(type(reason) if isinstance(reason, Exception) else reason), crew(wait_long) as team:
        list(team.carry_out(paths, meanwhile=stop, seconds=0.05))
    assert time.monotonic() - began < 20
    assert [Path(path).read_text() for path in paths] == ["interrupted"] * 2
    assert not any(worker.process.is_alive() for worker in team.team)


class Plan:
    """Something to carry out that kills its worker."""

    data: Dataset | None = None

    def __init__(self, folder: Path, times: int) -> None:
        self.folder, self.times = folder, times

    @property
    def finished(self) -> bool:
        return (self.folder / "done").exists()

    def without_data(self) -> "Plan":
        return self

    def check(self, dataset: Dataset) -> None:
        """Nothing is in the way."""

    def carry_out(self, dataset: Dataset, options: RunOptions) -> None:
        self.folder.mkdir(exist_ok=True)
        die((str(self.folder / "deaths"), self.times))
        (self.folder / "done").write_text("")


def test_a_run_that_kills_its_workers_fails_and_the_others_are_finished(tmp_path: Path) -> None:
    from study_cases import small_dataset

    dataset = small_dataset(tmp_path)
    plans = [Plan(tmp_path / name, times) for name, times in (("a", 0), ("b", 1), ("c", 99), ("d", 0))]
    with pytest.raises(
        RunError, match=r"1 of 4 runs failed; the others are finished:\n.*c: its worker process died 3 ti"
    ):
        carry_out_all(plans, dataset, workers=2, options=QUIET, description="runs")
    assert [plan.finished for plan in plans] == [True, True, False, True]
