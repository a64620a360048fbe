"""`trichord graph train`: what it prints and leaves, going on, and mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trichord.cli.main import main
from trichord.cotraining.directory import GraphDirectory
from trichord.data.planted import PlantedConfig, write_planted
from trichord.data.writing import ModalityArrays, write_dataset
from trichord.runs import load

Type = Callable[..., tuple[int, str, str]]
GRAPH = "tv: target T-V; av: peer A-V; label -> tv: through; label -> av: through; av -> tv: similarity correct@5"
SHORT = ("--epochs", "2", "--options.no-progress", "--set.batch-size", "30", "--set.scoring.num-resamples", "20")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "data"
    write_planted(path, PlantedConfig(num_items={"train": 60, "val": 20, "test": 25}))
    return path


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Type:
    def run(*arguments: object) -> tuple[int, str, str]:
        status = 0
        try:
            main(["graph", "train", *map(str, arguments)])
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def graph(data: Path, text: str | Path = GRAPH, task: str = "T>V", out: str = "out") -> list[object]:
    return ["--data", data, "--graph", text, "--target", task, "--out", data.parent / out, *SHORT]


def test_it_trains_and_tells_of_every_node(data: Path, typed: Type) -> None:
    status, out, _ = typed(*graph(data))
    assert status == 0
    said = " ".join(out.split())
    assert said.index("on val") < said.index("on test")
    assert out.count("tv  T>V ") >= 2
    assert "20 queries against 20 items of planted, split val" in said
    assert "25 queries against 25 items of planted, split test" in said
    directory = GraphDirectory(data.parent / "out")
    assert directory.finished
    assert [epoch for epoch, _ in directory.curve()] == [1, 2]
    assert directory.record().config.batch_size == 30
    assert "batch_size" in directory.record().changes
    assert load(directory.node_folder("av")).modalities == ("video", "audio")


def test_json_is_complete_and_a_second_call_returns_the_same(data: Path, typed: Type) -> None:
    written = data.parent / "graph.txt"
    written.write_text(GRAPH.replace("; ", "\n"), encoding="utf-8")
    arguments = [*graph(data, written, out="json"), "--seed", 3, "--options.tensorboard", "--json"]
    first, second = (json.loads(typed(*arguments)[1]) for _ in range(2))
    assert first == second
    assert (first["version"], first["state"], set(first["nodes"])) == (1, "finished", {"tv", "av"})
    assert set(first["results"]) == {"val", "test"}
    assert list(first["results"]["val"]) == ["tv", "av"]
    assert first["results"]["val"]["tv"]["metrics"]["MRR"]["value"] == pytest.approx(first["value"])
    assert first["changes"]["batch_size"][1] == 30
    assert any((data.parent / "json" / "tensorboard").iterdir())
    status, _, err = typed(*arguments, "--set.epochs", "3")
    assert status == 1
    assert "epochs" in err


def test_an_ensemble_can_be_scored(data: Path, typed: Type) -> None:
    text = "tv: target T-V; vt: peer T-V model=linear; both: ensemble tv vt; label -> tv: through; label -> vt: through"
    said = json.loads(typed(*graph(data, text, out="team"), "--scored", "both", "--json")[1])
    assert list(said["results"]["test"]) == ["both", "tv", "vt"]
    assert said["results"]["val"]["both"]["metrics"]["MRR"]["value"] == pytest.approx(said["value"])


def test_classes(data: Path, typed: Type) -> None:
    random = np.random.default_rng(0)
    path = data.parent / "pictures"
    write_dataset(
        path,
        name="pictures",
        items={
            "id": [f"i{i}" for i in range(40)],
            "split": ["train"] * 30 + ["val"] * 10,
            "kind": [("a", "b")[i % 2] for i in range(40)],
        },
        modalities={"image": ModalityArrays(random.normal(size=(40, 9)).astype(np.float32), letter="I")},
    )
    status, out, _ = typed(*graph(path, "me: target I>kind; label -> me: through", "I>kind", out="classes"))
    assert status == 0
    assert "on val" in out
    assert "on test" not in out, "the data have no such split"
    assert "R@1 is the accuracy" in out


def test_adapters_over_a_base(data: Path, typed: Type) -> None:
    main(["train", "--data", str(data), "--out", str(data.parent / "base"), "--set.stages.0.epochs", "1"])
    text = "VT: target T-V adapter; AT: peer T-A adapter; label -> VT: through; label -> AT: through"
    arguments = graph(data, text, out="adapters")
    status, out, err = typed(*arguments, "--base", data.parent / "base")
    assert (status, err) == (0, "")
    assert "AT  A>T" in out or "AT  T>A" in out
    assert (data.parent / "adapters" / "nodes" / "VT" / "adapter_config.json").exists()
    status, _, err = typed(*arguments)
    assert status == 1
    assert "node 'VT' is an adapter; name the run folder of its base (--base)" in err


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"text": GRAPH.replace("correct@5", "corect")}, "there is no gate 'corect'; did you mean 'correct'"),
        ({"text": "tv: target T-V"}, "every edge that ends at the target tv is Cutoff"),
        ({"task": "T>A"}, "the target compares"),
        ({"task": "X>V"}, "X"),
        ({"task": "T>T"}, "the two sides of a task must be filled and disjoint, got text and text; name two that"),
        ({"text": ""}, "the graph is empty"),
        ({"text": "nowhere.txt"}, "nowhere.txt is no file that exists"),
    ],
    ids=["gate", "no edge", "other task", "no letter", "one side", "no graph", "no file"],
)
def test_mistakes_are_one_line(data: Path, typed: Type, changed: dict[str, str], told: str) -> None:
    status, out, err = typed(*graph(data, **changed, out="wrong"))
    assert (status, out) == (1, "")
    assert told in err
    assert len(err.splitlines()) == 1
    assert not (data.parent / "wrong").exists()


@pytest.mark.parametrize("out", ["file", "file/within"])
def test_a_file_is_no_folder(data: Path, typed: Type, out: str) -> None:
    (data.parent / "file").touch()
    status, _, err = typed(*graph(data, out=out))
    assert status == 1
    why = f"{data.parent / 'file'} is a file"
    assert err == f"error: {data.parent / out} cannot be a folder: {why}; choose another --out\n"


def test_a_misspelt_setting_gets_the_nearest_name(data: Path, typed: Type) -> None:
    status, _, err = typed(*graph(data, out="wrong"), "--set.batchsize", "3")
    assert status == 2
    assert "did you mean --set.batch-size" in err


def test_a_start_that_learnt_from_what_decides_is_refused(data: Path, typed: Type) -> None:
    alone = "tv: target T-V; label -> tv: through"
    assert typed(*graph(data, alone, out="seen"), "--fit-splits", "train", "val")[0] == 0
    old = data.parent / "seen" / "nodes" / "tv"
    text = f'tv: target T-V; old: frozen T-V from "{old}"; label -> tv: through; old -> tv: similarity through'
    status, _, said = typed(*graph(data, text, out="leaking"))
    assert status == 1
    assert "learnt from split 'val', which would choose between graphs" in said
    assert not (data.parent / "leaking").exists()
