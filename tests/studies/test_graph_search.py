"""A search in worker processes: what ends it, and that what was in progress can be gone on with."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graph_search_cases import STARTS, small_space, tiny_dataset, tiny_study

from trichord.cotraining.directory import GraphDirectory
from trichord.errors import RunError
from trichord.graphs.gates import GateConfig
from trichord.runs import RunOptions
from trichord.studies.graphs import run_graph_study
from trichord.studies.graphs import search as search_file
from trichord.studies.graphs.experiments import Planner
from trichord.studies.graphs.optuna_door import OptunaSearch
from trichord.studies.graphs.search import SearchJob, begin_search, run_search

QUIET = RunOptions(progress=False)
SPACE = small_space(num_nodes=2, kinds={"T-V": small_space().kinds["T-V"]}, gates=(GateConfig(kind="through"),))
"""Frozen nodes have no place in it, as there is none to start from."""


def begin(out: Path, **changes: Any) -> tuple[Planner, OptunaSearch, SearchJob]:
    study = tiny_study(space=SPACE, **changes)
    planner = Planner(study, tiny_dataset(out), None)
    return planner, begin_search(planner, out), SearchJob(study, out, STARTS, 0, QUIET)


def in_processes(planner: Planner, job: SearchJob, show: Callable[[], None]) -> None:
    search_file._in_processes(job, planner.dataset.path, 2, show)


def test_two_workers_train_every_graph_once_and_a_dead_one_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner, search, _ = begin(tmp_path, num_trials=3)
    crews: list[Any] = []

    class Crew(search_file.Crew):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            crews.append(self)

    killed: list[int] = []
    records = search.records

    def look() -> Any:
        if crews and not killed and any(record.state == "running" for record in records()):
            killed.append(crews[0].team[0].process.pid)
            os.kill(killed[0], signal.SIGKILL)
        return records()

    monkeypatch.setattr(search_file, "Crew", Crew)
    monkeypatch.setattr(search, "records", look)
    monkeypatch.setattr(search_file, "SECONDS", 0.02)
    found = run_search(planner, search, tmp_path, STARTS, workers=2, options=QUIET)
    assert killed
    assert sorted(record.place for record in found if record.ended) == [0, 1, 2]
    assert [record.message for record in found] == [""] * len(found)


def test_ctrl_c_in_the_process_of_the_study_alone_stops_the_workers_with_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner, search, job = begin(tmp_path, num_trials=2, epochs=3000)
    monkeypatch.setattr(search_file, "SECONDS", 0.02)
    stopped: list[float] = []

    def show() -> None:
        if all((job.folder.trial(place) / "metrics.jsonl").exists() for place in (0, 1)):
            stopped.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        in_processes(planner, job, show)
    assert time.monotonic() - stopped[0] < 5, "about a second where nobody else works; a graph to its end takes minutes"
    assert all((job.folder.trial(place) / "checkpoint.safetensors").exists() for place in (0, 1))
    assert [record.state for record in search.records()] == ["running", "running"], "they are taken up again"


def test_what_a_worker_fails_by_is_what_the_user_hears_and_the_others_stop(tmp_path: Path) -> None:
    planner, search, job = begin(tmp_path, num_trials=2, epochs=3000)
    journal = tmp_path / "study.journal"

    def show() -> None:
        if (job.folder.trial(0) / "metrics.jsonl").exists() and search.records():
            with open(journal, "ab") as handle:
                handle.write(b'{"broken\n{"op_code": 4}\n')

    began = time.monotonic()
    with pytest.raises(RunError, match=r"study.journal: line \d+ cannot be read"):
        in_processes(planner, job, show)
    assert time.monotonic() - began < 20


def test_data_that_are_gone_when_a_worker_opens_them_are_one_clear_error(tmp_path: Path) -> None:
    planner, _, job = begin(tmp_path)
    (planner.dataset.path).rename(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=str(tmp_path / "data")):
        in_processes(planner, job, lambda: None)


def test_two_searches_in_one_folder_are_one_clear_error_before_anything_is_done(tmp_path: Path) -> None:
    dataset = tiny_dataset(tmp_path)
    with (
        GraphDirectory(tmp_path / "study").lock(),
        pytest.raises(RunError, match=r"another process is working in .*study; wait for it or stop it"),
    ):
        run_graph_study(tiny_study(), dataset, tmp_path / "study", workers=1, options=QUIET)
    assert [path.name for path in (tmp_path / "study").iterdir()] == [".lock"]
