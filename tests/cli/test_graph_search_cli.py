"""`trichord graph search`: options become a study, errors are one line, and a killed search goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trichord.adapters.settings import LowRankConfig
from trichord.cli import graph_search
from trichord.cli.main import main
from trichord.data import Dataset
from trichord.data.planted import PlantedConfig, write_planted
from trichord.graphs.graph import NodeConfig
from trichord.graphs.payloads import GramConfig, SimilarityConfig
from trichord.runs import SelectionConfig
from trichord.studies.graphs import GraphStudy

COMMAND = [sys.executable, "-m", "trichord", "graph", "search"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph-search") / "data"
    write_planted(path, PlantedConfig(num_items={"train": 60, "val": 20, "test": 30}))
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[GraphStudy, dict[str, Any]]]:
    """What the command would have carried out."""
    found: list[tuple[GraphStudy, dict[str, Any]]] = []

    def instead(study: GraphStudy, dataset: Dataset, out: Path, **choices: Any) -> Any:
        found.append((study, choices))
        return SimpleNamespace(report=SimpleNamespace(to_dict=lambda: {"task": study.task}))

    monkeypatch.setattr(graph_search, "run_graph_study", instead)
    return found


def search(data: Path, out: Path, *options: str, target: str = "T>V") -> None:
    main(["graph", "search", "--data", str(data), "--target", target, "--out", str(out), *options])


def test_the_defaults_are_those_of_the_published_search_without_a_pruner(
    data: Path, tmp_path: Path, asked: list[tuple[GraphStudy, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    search(data, tmp_path, "--json")
    ((study, choices),) = asked
    assert json.loads(capsys.readouterr().out) == {"task": "T>V"}
    assert (study.num_trials, study.sampler, study.pruner, study.storage) == (30, "random", "none", None)
    assert (study.num_best, study.ranking_seeds, study.num_seeds, study.refit) == (5, 3, 5, True)
    assert study.selection == SelectionConfig(split="val", metric="MRR")
    assert (study.evaluate_every, choices["workers"]) == (5, None)
    space = study.space
    assert space.own == NodeConfig(role="target", left=("text",), right=("video",))
    assert [gate.kind for gate in space.gates] == ["through", "cutoff", "linear", "correct"]
    assert space.payloads == {"similarity": SimilarityConfig()}
    assert list(space.kinds)[:5] == ["T-V", "A-V", "T-A", "T-VA", "T-V-of-VAT"]
    assert all("/" not in name and ">" not in name for name in space.kinds)


def test_every_part_of_the_search_can_be_chosen(
    data: Path, tmp_path: Path, asked: list[tuple[GraphStudy, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--json --trials 7 --nodes 4 --sampler tpe --pruner halving --storage sqlite:///s.db --name mine "
    options += "--workers 2 --best 2 --ranking-seeds 1 --seeds 3 --seed 4 --metric R@10 --no-refit --push --ensemble "
    options += "--payloads gram similarity --gates through negative-linear correct@3 --label-gates through "
    options += "--temperatures 0.1 0.2 --epochs 9 --low-rank.rank 8"
    search(data, tmp_path, *options.split(), "--kinds", "T-V of AVT", "A-V model=wide")
    ((study, choices),) = asked
    space = study.space
    assert (study.num_trials, space.num_nodes, study.sampler, study.pruner) == (7, 4, "tpe", "halving")
    assert (study.storage, study.name, choices["workers"], study.epochs) == ("sqlite:///s.db", "mine", 2, 9)
    assert (study.num_best, study.ranking_seeds, study.num_seeds, study.seed) == (2, 1, 3, 4)
    assert (study.selection.metric, study.refit, study.evaluate_every) == ("R@10", False, 1)
    assert (space.effects, space.ensemble, space.temperatures) == (("pull", "push"), True, (0.1, 0.2))
    assert space.payloads == {"gram": GramConfig(), "similarity": SimilarityConfig()}
    assert [(gate.kind, gate.top) for gate in space.gates] == [("through", 1), ("negative linear", 1), ("correct", 3)]
    assert list(space.kinds) == ["T-V-of-AVT", "A-V-model-wide"]
    assert space.kinds["A-V-model-wide"].model == "wide"
    assert isinstance(study.adaptation.low_rank, LowRankConfig)
    assert study.adaptation.low_rank.rank == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gates", "thruogh"], "there is no gate 'thruogh'; did you mean 'through'?"),
        (["--payloads", "similarty"], "there is no payload 'similarty'; did you mean 'similarity'?"),
        (["--payloads", "logits"], "the payload logits is passed between nodes that classify"),
        (["--kinds", "T-V modle=wide"], "a node has no setting 'modle=wide'"),
        (["--kinds", "T-V model=huge"], "there is no model=huge"),
        (["--kinds", "T-V adapter"], "name the run folder of its base"),
        (["--storage", "oracle://there"], "the storage 'oracle://there' is of no kind"),
        (["--storage", "sqlite:////no/such/folder/s.db"], "does not answer"),
        (["--nodes", "1"], "two nodes or more"),
        (["--trials", "0"], "num_trials of at least 1"),
        (["--workers", "0"], "workers counts trainings"),
        (["--evaluate-every", "0"], "evaluate_every of at least 1, got 0"),
        (["--selection-split", "validation"], "no split named"),
        (["--report-split", "val"], "report another one"),
        (["--report-split", "tset"], "no split named ['tset']"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_searched_is_one_clear_error(
    data: Path, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        search(data, tmp_path / "out", *options)
    said = capsys.readouterr().err
    assert stop.value.code == 1, said
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not list(tmp_path.rglob("*.safetensors")), "before any work is done"


def test_a_file_in_place_of_the_folder_is_an_error(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study").write_text("mine")
    with pytest.raises(SystemExit):
        search(data, tmp_path / "study")
    assert "is a file, and a study is written to a folder" in capsys.readouterr().err


def test_a_task_that_the_data_do_not_have_is_an_error(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        search(data, tmp_path / "out", target="T>X")
    assert "names a modality that is not there" in capsys.readouterr().err


@pytest.mark.slow
def test_two_workers_killed_twice_finish_what_was_asked_for(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    options = "--trials 8 --epochs 8 --best 1 --ranking-seeds 1 --seeds 1 --workers 2 --json --evaluate-every 1 "
    options += "--kinds A-V T-V --options.no-progress --options.checkpoint-steps 1"
    command = [*COMMAND, "--data", str(data), "--target", "T>V", "--out", str(out), *options.split()]
    for place in ("0001", "0004"):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 100
        while not (out / "trials" / place / "checkpoint.safetensors").exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    there = {
        path: path.stat().st_mtime_ns for path in out.glob("trials/*/status.json") if "finished" in path.read_text()
    }
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    ended = [trial for trial in report["trials"] if trial["state"] == "finished"]
    assert len(ended) == 8
    assert {path: path.stat().st_mtime_ns for path in there} == there, "what was finished is left alone"
    assert {"study.json", "graph.svg", "graph.png", "report.html"} <= {path.name for path in out.iterdir()}
    whole = [*COMMAND, "--data", str(data), "--target", "T>V", "--out", str(tmp_path / "whole"), *options.split()]
    other = json.loads(subprocess.run(whole, capture_output=True, text=True, check=True).stdout)
    assert [one["values"] for one in other["ranked"]] == [one["values"] for one in report["ranked"]]
    values = [sorted(trial["value"] for trial in r["trials"] if trial["state"] == "finished") for r in (report, other)]
    assert values[0] == values[1]
