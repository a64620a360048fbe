"""`trichord report modalities` on a small run: page, JSON, adapters, and mistakes that are one line each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from encode_cases import write_pair

import trichord
from trichord.adapters.identity import load_identity
from trichord.cli.main import main
from trichord.data import Dataset
from trichord.data.planted import PlantedConfig, write_planted

SHORT = [
    *("--recipe", "planted", "--options.no-progress"),
    *("--set.stages.0.epochs", "2", "--set.evaluation.scoring.num-resamples", "50"),
]
Type = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("modalities") / "data"
    write_planted(path, PlantedConfig(num_items={"train": 60, "val": 30, "test": 40}, missing={"audio": 0.1}))
    return path


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    main(["train", "--data", str(data), "--out", str(data.parent / "run"), "--order", "AVT", *SHORT])
    return data.parent / "run"


@pytest.fixture
def type_in(capsys: pytest.CaptureFixture[str]) -> Type:
    """Type the command; return exit status, standard output and standard error."""

    def typed(*words: object) -> tuple[int, str, str]:
        status = 0
        try:
            main(["report", "modalities", *(str(word) for word in words)])
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return typed


def test_every_task_with_a_wide_side_is_answered_and_written(
    run: Path, data: Path, tmp_path: Path, type_in: Type
) -> None:
    status, out, err = type_in(run, "--data", data, "--out", tmp_path / "out", "--json")
    assert status == 0, err
    reports = json.loads(out)["reports"]
    assert [report["task"] for report in reports] == ["T>VA", "VA>T"]
    assert json.loads((tmp_path / "out" / "modalities.json").read_text())["reports"] == reports
    assert reports[0]["lacking"]["audio"] > 0
    captions = [query["caption"] for query in reports[0]["changes"]["won"] + reports[0]["changes"]["lost"]]
    assert all(captions)
    page = (tmp_path / "out" / "modalities.html").read_text()
    assert all(report["answer"] in page for report in reports)


@pytest.mark.slow
def test_adapters_are_taken_to_their_run_and_reported_beside_the_base(
    run: Path, data: Path, tmp_path: Path, type_in: Type, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tmp_path / "VT"
    main(["adapt", str(run), "--pair", "VT", "--data", str(data), "--out", str(adapter), "--epochs", "1"])
    capsys.readouterr()
    status, out, err = type_in(run, "--data", data, "--task", "T>VA", "--adapters", adapter, "--json")
    assert status == 0, err
    base, adapted = json.loads(out)["reports"]
    assert (base["adapters"], adapted["adapters"]) == ([], ["VT"])
    assert {space["adapter"] for space in adapted["space"]} == {"base", "VT"}
    assert "under VT" in adapted["ways"][3]["legs"] or "adapter VT" in adapted["ways"][3]["legs"]
    assert base["protocol"] == adapted["protocol"], "so that both may be compared"
    other = tmp_path / "other"
    main(["train", "--data", str(data), "--out", str(other), "--order", "AVT", "--seed", "1", *SHORT])
    capsys.readouterr()
    status, _, err = type_in(other, "--data", data, "--adapters", adapter)
    assert status == 1
    assert "which is none of the runs" in err
    status, _, err = type_in(other, run, "--data", data, "--adapters", adapter)
    assert status == 1
    assert "its seeds have unlike adapters" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--task", "T>V"), "has one modality on either side"),
        (("--task", "T>VS"), "names a modality that is not there"),
        (("--split", "val"), "name two different splits"),
        (("--split", "tset"), "did you mean 'test'?"),
        (("--adapters", "nowhere"), "adapter_identity.json"),
    ],
)
def test_a_mistake_is_one_line(run: Path, data: Path, type_in: Type, words: tuple[str, ...], said: str) -> None:
    status, _, err = type_in(run, "--data", data, *words)
    assert status == 1
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


def test_data_and_runs_that_do_not_fit_are_named(run: Path, data: Path, tmp_path: Path, type_in: Type) -> None:
    narrow = tmp_path / "narrow"
    write_planted(
        narrow,
        PlantedConfig(num_items={"train": 20, "val": 15, "test": 15}, dim={"video": 48, "audio": 64, "text": 64}),
    )
    status, _, err = type_in(run, "--data", narrow)
    assert status == 1
    assert "the run's encoder of video takes 'pooled' features 64 wide" in err
    header = json.loads((narrow / "dataset.json").read_text())
    del header["modalities"]["audio"]
    (narrow / "dataset.json").write_text(json.dumps(header))
    status, _, err = type_in(run, "--data", narrow)
    assert status == 1
    assert "a second modality helps needs three" in err
    pair = tmp_path / "pair"
    main(["train", "--data", str(data), "--out", str(pair), "--order", "VT", *SHORT])
    status, _, err = type_in(pair, "--data", data)
    assert status == 1
    assert "the run has no encoder of audio, only of" in err
    status, _, err = type_in(tmp_path / "absent", "--data", data)
    assert status == 1
    assert "is not a run folder" in err


def test_a_split_that_was_seen_is_refused_also_by_an_adapter_alone(
    run: Path, data: Path, tmp_path: Path, type_in: Type
) -> None:
    status, _, err = type_in(run, "--data", data, "--validation", "test", "--split", "val")
    assert status == 1
    assert "run chose its epochs on split 'val', which would be reported" in err
    status, _, err = type_in(run, "--data", data, "--validation", "train")
    assert status == 1
    assert "run learnt from split 'train', which would fit the weights" in err
    model = trichord.load(run, device="cpu")
    bare = write_pair(tmp_path / "VT", model, "video", "text")
    replace(load_identity(bare), dataset_fingerprint=Dataset.open(data).fingerprint(), fit_splits=("val",)).save(bare)
    status, _, err = type_in(run, "--data", data, "--adapters", bare)
    assert status == 1
    assert "VT learnt from split 'val', which would fit the weights" in err


def test_adapters_serve_by_their_pair_and_useless_ones_are_refused(
    run: Path, data: Path, tmp_path: Path, type_in: Type
) -> None:
    model = trichord.load(run, device="cpu")
    mine = write_pair(tmp_path / "mine", model, "video", "text")
    status, out, err = type_in(run, "--data", data, "--task", "T>VA", "--adapters", mine, "--json")
    assert status == 0, err
    base, adapted = json.loads(out)["reports"]
    assert adapted["ways"][0]["legs"] == "adapter mine, without audio"
    assert adapted["ways"][0]["estimates"]["MRR"] != base["ways"][0]["estimates"]["MRR"]
    useless = write_pair(tmp_path / "VT", model, "video", "audio")
    status, _, err = type_in(run, "--data", data, "--adapters", useless)
    assert status == 1
    assert "no leg of T>VA and VA>T is of the pair of the adapter VT (video with audio)" in err
    twin = write_pair(tmp_path / "twin", model, "text", "video")
    status, _, err = type_in(run, "--data", data, "--adapters", mine, twin)
    assert status == 1
    assert "the adapters mine and twin are of one pair" in err
