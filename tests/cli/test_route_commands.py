"""`trichord route` and `trichord study pairs`: files, JSON, and mistakes that are one clear line each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encode_cases import finished_run, write_pair

import trichord
from trichord.adapters.identity import load_identity
from trichord.cli.main import main
from trichord.cli.study_pairs import default_pairs
from trichord.config import replaced
from trichord.data import Dataset
from trichord.data.folds import HELD, write_folds
from trichord.data.planted import PlantedConfig, plant, write_planted
from trichord.data.planted_routes import SILENT
from trichord.data.writing import ModalityArrays, write_dataset
from trichord.files import hash_tensors
from trichord.modality import STANDARD, spell_pair
from trichord.recipes import mcn_fixed_small
from trichord.runs import DatasetIdentity, ExperimentConfig, RunDirectory, RunRecord
from trichord.training.checkpoint import save_tensors

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("route")
    settings = PlantedConfig(num_items={"train": 8, "val": 15, "test": 20})
    dataset = write_planted(path / "data", settings)
    bare = trichord.load(finished_run(path / "run", dataset), device="cpu")
    other = trichord.load(finished_run(path / "other", dataset, seed=1), device="cpu")
    write_pair(path / "VT", bare, "video", "text")
    (path / "of-other").mkdir()
    write_pair(path / "of-other" / "VT", other, "video", "text")
    corpus = plant(settings)
    write_dataset(
        path / "silent-data",
        name="no text",
        items={"id": [f"item {i}" for i in range(len(corpus.splits))], "split": corpus.splits},
        modalities={n: ModalityArrays(np.ascontiguousarray(corpus.features[n][:, 0])) for n in ("video", "audio")},
    )
    learnt = {"fit_splits": ("train", "val"), "selection.split": None}
    untrained(path / "learnt-val", dataset, replaced(mcn_fixed_small(dataset.spec, "AVT", 0), learnt))
    untrained(path / "two", dataset, mcn_fixed_small(dataset.spec, "VT", 0))
    write_pair(path / "seen" / "VT", trichord.load(path / "two", device="cpu"), "video", "text")
    seen = load_identity(path / "seen" / "VT")
    replace(seen, dataset_fingerprint=dataset.fingerprint(), fit_splits=("train", "val")).save(path / "seen" / "VT")
    chosen = {"evaluation.split": "val", "selection.split": "test"}
    untrained(path / "two-on-test", dataset, replaced(mcn_fixed_small(dataset.spec, "VT", 0), chosen))
    fold = write_folds(dataset, path / "folds", ("train", "val"), 2)[0]
    of_fold = {"evaluation.split": HELD, "selection.split": None}
    untrained(path / "of-fold", fold, replaced(mcn_fixed_small(fold.spec, "AVT", 0), of_fold))
    tested = replaced(mcn_fixed_small(dataset.spec, "AVT", 0), {"evaluation.split": "val", "selection.split": None})
    untrained(path / "learnt-test", dataset, replace(tested, fit_splits=("train", "test")))
    return path


def untrained(folder: Path, dataset: Dataset, config: ExperimentConfig) -> None:
    """A finished run of the weights that training would start from."""
    state = config.model.build().state_dict()
    directory = RunDirectory(folder)
    directory.begin(RunRecord(config, {}, DatasetIdentity(dataset.spec.name, str(dataset.path), dataset.fingerprint())))
    save_tensors(directory.model_file, state, {"hash": hash_tensors(state)})
    directory.write_status(state="finished")


@pytest.fixture
def type_in(capsys: pytest.CaptureFixture[str]) -> Type:
    """Type a command; return exit status, standard output and standard error."""

    def typed(*words: object) -> tuple[int, str, str]:
        status = 0
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return typed


def test_a_run_is_routed_with_its_adapters_beside_rivals(folder: Path, tmp_path: Path, type_in: Type) -> None:
    rivals = (folder / "other", folder / "two")
    words = ("--data", folder / "data", "--out", tmp_path, "--adapters", folder / "VT", "--rivals", *rivals)
    status, out, err = type_in("route", folder / "run", *words, "--tasks", "T>V", "A>V", "--json")
    assert status == 0, err
    report = json.loads(out)
    assert report == json.loads((tmp_path / "table.json").read_text())
    assert (tmp_path / "report.html").exists()
    assert report["tasks"] == ["T>V", "A>V"]
    assert not any(note.startswith("Caution") for note in report["notes"])
    assert list(report["entries"]) == ["routed", "base", "base, own fusion", "base, same fusion", *map(str, rivals)]
    measured = {(row["entry"], row["task"]) for row in report["rows"]}
    assert (str(folder / "other"), "A>V") in measured
    assert (str(folder / "two"), "A>V") not in measured, "this run has no audio"
    model = trichord.load(folder / "run", device="cpu")
    model.load_adapter(folder / "VT")
    model.load_routes(tmp_path / "routes.json")
    assert set(model.routes) == {"T>V", "A>V"}


def test_without_json_the_answers_are_printed_and_where_the_files_lie(
    folder: Path, tmp_path: Path, type_in: Type
) -> None:
    words = ("--data", folder / "data", "--out", tmp_path, "--tasks", "T>V", "--rule", "one standard error")
    status, out, err = type_in("route", folder / "run", *words)
    assert status == 0, err
    assert str(tmp_path / "report.html") in out
    assert str(tmp_path / "routes.json") in out
    assert "T>V" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--split", "val"], "split 'val' would both choose the routes and be reported"),
        (["run", "--validation", "exam"], "exam"),
        (["learnt-val"], "learnt-val learnt from split 'val', which would choose the routes; train"),
        (["run", "--validation", "test", "--split", "val"], "run chose its epochs on split 'val', which would be repo"),
        (["two", "--adapters", "seen/VT"], "seen/VT learnt from split 'val', which would choose the routes"),
        (["run", "--rivals", "two-on-test"], "two-on-test chose its epochs on split 'test', which would be reported"),
        (["of-fold"], "of-fold saw items of split 'val', which would choose the routes: "),
        (["run", "--adapters", "of-other/VT"], "VT: the adapter VT was learnt over the base"),
        (["run", "--rivals", "two", "--tasks", "A>V"], "two has the modalities ['video', 'text'] and answers none of"),
        (["run", "--rivals", "learnt-test"], "learnt-test learnt from split 'test', which would be reported"),
        (["run", "--data", "silent-data"], "a task asks for text, which the data no text lack"),
        (["run", "--tasks", "T>X"], "'X' names a modality that is not there"),
        (["run", "--adapters", "VT", "VT"], "the name 'VT' is taken"),
    ],
)
def test_every_mistake_is_one_clear_error_and_nothing_is_written(
    words: list[str], message: str, folder: Path, tmp_path: Path, type_in: Type
) -> None:
    named = [str(folder / word) if (folder / word).exists() else word for word in words]
    data = [] if "--data" in words else ["--data", folder / "data"]
    tasks = [] if "--tasks" in words or "--data" in words else ["--tasks", "T>V"]
    status, _, err = type_in("route", *named, *data, *tasks, "--out", tmp_path / "out")
    assert status != 0
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_study_pairs_prints_the_planted_routes(tmp_path: Path, type_in: Type) -> None:
    write_planted(tmp_path / "data", replace(SILENT, num_items={"train": 60, "val": 20, "test": 20}))
    short = ("--set.stages.0.epochs", "2", "--set.evaluation.tasks", "T>V", "A>V", "--options.no-progress")
    leave = ("--no-refit", "--no-together", "--no-specialists", "--seeds", "1", "--workers", "1", "--orders", "VT")
    words = ("--data", tmp_path / "data", "--out", tmp_path / "study", "--recipe", "planted", "--pairs", "VT")
    status, out, err = type_in("study", "pairs", *words, *leave, *short)
    assert status == 0, err
    assert "Routes that were planted, and what was chosen:" in out
    assert "T>V   planted through its own adapter: " in out
    assert "A>V   planted" not in out, "this pair has no adapter here"
    status, out, err = type_in("study", "pairs", *words, *leave, *short, "--json")
    assert status == 0, err
    assert [verdict["planted"]["task"] for verdict in json.loads(out)["planted"]] == ["T>V"]


def test_default_pairs_are_every_two_and_text_against_the_rest() -> None:
    assert [spell_pair(pair, STANDARD) for pair in default_pairs(STANDARD)] == ["V-A", "V-T", "A-T", "T-VA"]
    assert [spell_pair(pair, STANDARD) for pair in default_pairs(STANDARD[:2])] == ["V-A"]
