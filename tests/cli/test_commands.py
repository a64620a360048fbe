"""What a user types, and what comes back: results, JSON, and one clear line for every mistake."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trichord.cli.main import COMMANDS, main
from trichord.cli.study_orders import default_orders
from trichord.data.planted import PlantedConfig, write_planted
from trichord.files import read_json, write_json
from trichord.runs import RunDirectory

SHORT = [
    *("--recipe", "planted", "--options.no-progress"),
    *("--set.stages.0.epochs", "3", "--set.stages.1.epochs", "3", "--set.evaluation.scoring.num-resamples", "50"),
]
Type = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "data"
    write_planted(path, PlantedConfig(num_items={"train": 90, "val": 40, "test": 50}))
    return path


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    main(["train", "--data", str(data), "--out", str(data.parent / "run"), "--order", "VT_A", *SHORT])
    return data.parent / "run"


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


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, type_in: Type) -> None:
    status, out, _ = type_in(*name.split(), "--help")
    assert status == 0
    assert f"usage: trichord {name}" in out
    assert "--help" in out


def test_without_arguments_the_commands_are_listed(type_in: Type) -> None:
    status, out, _ = type_in()
    assert status == 0
    assert all(name in out for name in COMMANDS)
    assert type_in("--version")[1].count(".") == 2


def test_train_leaves_a_run_and_prints_its_table(run: Path, data: Path, type_in: Type) -> None:
    assert RunDirectory(run).finished
    status, out, _ = type_in("train", "--data", data, "--out", run, "--order", "VT_A", *SHORT)
    assert status == 0
    assert "VT_A" in out
    assert "stages.0.epochs: 30 in the recipe, 3 here" in out
    status, out, _ = type_in("train", "--data", data, "--out", run, "--order", "VT_A", *SHORT, "--json")
    found = json.loads(out)
    assert found["state"] == "finished"
    assert found["changes"]["stages.0.epochs"] == [30, 3]
    assert [stage["name"] for stage in found["stages"]] == ["VT", "VT_A"]


def test_evaluate_measures_any_split_and_task(run: Path, data: Path, tmp_path: Path, type_in: Type) -> None:
    status, out, _ = type_in("evaluate", run, "--data", data, "--split", "val", "--tasks", "T>V", "--json")
    assert status == 0
    found = json.loads(out)
    assert set(found) == {"T>V"}
    assert found["T>V"]["protocol"]["split"] == "val"
    assert found["T>V"]["num_queries"] == 40
    status, out, _ = type_in("evaluate", run, "--data", data, "--captions", "all", "--tasks", "T>V", "--out", tmp_path)
    assert "100 queries against 50 items" in out
    assert (tmp_path / "T_to_V.json").exists()


def test_compare_prints_every_format(run: Path, tmp_path: Path, type_in: Type) -> None:
    assert "VT_A" in type_in("compare", run)[1]
    assert type_in("compare", run, "--format", "markdown")[1].startswith("### T>V")
    assert type_in("compare", run, "--format", "csv")[1].startswith("label,kind,task,metric")
    found = json.loads(type_in("compare", run, "--format", "json", "--tasks", "A>V", "--out", tmp_path)[1])
    assert {row["task"] for row in found["rows"]} == {"A>V"}
    assert {path.name for path in tmp_path.iterdir()} == {"table.json", "table.csv", "table.md", "report.html"}


def test_compare_refuses_unlike_protocols_and_names_the_difference(
    run: Path, data: Path, tmp_path: Path, type_in: Type
) -> None:
    other = ("train", "--data", data, "--out", tmp_path / "all", "--order", "VT_A", "--seed", "1", *SHORT)
    assert type_in(*other, "--set.evaluation.scoring.captions", "all")[0] == 0
    status, _, error = type_in("compare", run, tmp_path / "all")
    assert status == 1
    assert "query captions" in error
    assert "'first'" in error
    assert "'all'" in error


def test_study_writes_the_table_a_program_reads(data: Path, tmp_path: Path, type_in: Type) -> None:
    words = ("study", "orders", "--data", data, "--out", tmp_path, "--seeds", "1", "--orders", "VT_A", "AV_T")
    status, out, _ = type_in(*words, *SHORT, "--no-baseline", "--workers", "1", "--json")
    assert status == 0
    assert json.loads(out) == read_json(tmp_path / "table.json")
    assert {row["order"] for row in json.loads(out)["rows"]} == {"VT_A", "AV_T"}


@pytest.mark.parametrize(
    ("letters", "orders"),
    [("VAT", ("AV_T", "VT_A", "AT_V", "AVT")), ("VA", ("VA",)), ("VTD", ("VT_D", "VD_T", "TD_V", "VTD"))],
)
def test_default_orders(letters: str, orders: tuple[str, ...]) -> None:
    assert default_orders(letters) == orders


def test_data_check_and_doctor(data: Path, type_in: Type) -> None:
    status, out, _ = type_in("data", "check", data)
    assert status == 0
    assert "180 (train 90, val 40, test 50)" in out
    assert json.loads(type_in("data", "check", data, "--json")[1])["ok"] is True
    status, out, _ = type_in("doctor", "--json")
    assert status == 0
    assert {"findings", "environment"} == set(json.loads(out))
    assert "torch" in type_in("doctor")[1]


def arrays(folder: Path) -> dict[str, np.ndarray]:
    draws = np.random.default_rng(0)
    return {
        "video": draws.normal(size=(6, 4)).astype(np.float32),
        "audio": draws.normal(size=(6, 3)).astype(np.float32),
        "ids": np.array(list("abcdef")),
        "split": np.array(["train"] * 4 + ["test"] * 2),
    }


def words_to_import(file: Path, out: Path) -> list[object]:
    return [
        *("import", "arrays", "--out", out, "--name", "mine", "--ids", f"{file}:ids", "--split", f"{file}:split"),
        *("--modality", f"video={file}:video", f"audio={file}:audio"),
    ]


def test_import_says_what_it_made(tmp_path: Path, type_in: Type) -> None:
    np.savez(tmp_path / "a.npz", **arrays(tmp_path))
    status, out, _ = type_in(*words_to_import(tmp_path / "a.npz", tmp_path / "data"))
    assert status == 0
    assert "6 (train 4, test 2)" in out


def spoil_nan(made: dict[str, np.ndarray]) -> None:
    made["video"][3, 1] = np.nan


def spoil_objects(made: dict[str, np.ndarray]) -> None:
    made["audio"] = np.array([{"x": 1}] * 6, dtype=object)


def spoil_id(made: dict[str, np.ndarray]) -> None:
    made["ids"][5] = "a"


def spoil_rows(made: dict[str, np.ndarray]) -> None:
    made["audio"] = made["audio"][:5]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_nan, ("a.npz:video", "row 3", "'d'", "NaN")),
        (spoil_objects, ("a.npz, row 'audio'", "pickled Python objects", "convert it")),
        (spoil_id, ("a.npz:ids, row 5", "'a' is in rows 0 (split 'train') and 5 (split 'test')")),
        (spoil_rows, ("audio", "5", "6")),
    ],
)
def test_bad_arrays_are_one_line_and_nothing_is_written(
    spoil: Callable[[dict[str, np.ndarray]], None], said: tuple[str, ...], tmp_path: Path, type_in: Type
) -> None:
    made = arrays(tmp_path)
    spoil(made)
    np.savez(tmp_path / "a.npz", **made)
    status, out, error = type_in(*words_to_import(tmp_path / "a.npz", tmp_path / "data"))
    assert status == 1
    assert out == ""
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert all(part in error for part in said), error
    assert not (tmp_path / "data").exists()


def test_a_truncated_npy_in_a_data_set(tmp_path: Path, type_in: Type) -> None:
    write_planted(tmp_path / "data", PlantedConfig(num_items={"train": 9, "val": 4, "test": 5}))
    file = tmp_path / "data" / "video.npy"
    file.write_bytes(file.read_bytes()[:-100])
    status, _, error = type_in("train", "--data", tmp_path / "data", "--out", tmp_path / "run", *SHORT)
    assert status == 1
    assert "video.npy" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["tran"], 2, ("no command 'tran'", "did you mean 'train'?")),
        (["study"], 2, ("say which", "trichord study orders")),
        (["train", "--data", "{data}", "--out", "{out}", "--set.stages.0.epoch", "3"], 2, ("--set.stages.0.epochs",)),
        (["train", "--data", "{data}", "--out", "{out}", "--set.stages.0.epochs", "x"], 2, ("epochs", "'x'")),
        (["train", "--dat", "{data}", "--out", "{out}"], 2, ("no option --dat; did you mean --data?",)),
        (["train", "--data", "{data}"], 2, ("Missing", "--out PATH")),
        (["data", "check", "--jsn", "{data}"], 2, ("no option --jsn; did you mean --json?",)),
        (["train", "--data", "{data}", "--out", "{out}", "--options.no-progres"], 2, ("--options.progress",)),
        (["train", "--data", "{data}", "--out", "{out}", "--options.device", "tpu"], 2, ("'tpu'", "cpu")),
        (["train", "--data", "{data}", "--out", "{out}", "--set.stages.0.epochs", "0"], 2, ("at least 1, got 0",)),
        (["train", "--data", "{data}", "--out", "{out}", "--recipe", "hed"], 1, ("did you mean 'heads'?",)),
        (["train", "--data", "{data}", "--out", "{out}", "--order", "AV_D"], 1, ("'D'", "T = text")),
        (["train", "--data", "{data}x", "--out", "{out}"], 1, ("datax", "does not exist")),
        (["evaluate", "{data}", "--data", "{data}"], 1, ("not a run folder",)),
        (["compare", "{data}"], 1, ("not a run folder",)),
        (["study", "orders", "--data", "{data}", "--out", "{out}", "--orders", "VT_A", "VT_A"], 1, ("once",)),
    ],
)
def test_a_mistake_is_explained_and_nothing_is_begun(
    words: list[str], status: int, said: tuple[str, ...], data: Path, tmp_path: Path, type_in: Type
) -> None:
    out = tmp_path / "out"
    found, printed, error = type_in(*(word.format(data=data, out=out) for word in words))
    assert found == status
    assert all(part in printed + error for part in said), printed + error
    assert printed == ""
    assert error.startswith("error: ")
    assert error.count("\n") == 1, "one clear line"
    assert not out.exists()


def test_a_modality_that_the_data_lack_is_named(tmp_path: Path, type_in: Type) -> None:
    np.savez(tmp_path / "a.npz", **arrays(tmp_path))
    type_in(*words_to_import(tmp_path / "a.npz", tmp_path / "data"))
    status, _, error = type_in("train", "--data", tmp_path / "data", "--out", tmp_path / "run", "--order", "VT_A")
    assert status == 1
    assert "(T)" in error
    assert "V = video, A = audio" in error


def test_a_run_folder_of_another_version(run: Path, data: Path, tmp_path: Path, type_in: Type) -> None:
    (tmp_path / "old").mkdir()
    record = read_json(run / "config.json")
    write_json(tmp_path / "old" / "config.json", record | {"run_format": 0, "trichord": "0.0.1"})
    for words in (("evaluate", tmp_path / "old", "--data", data), ("compare", tmp_path / "old")):
        status, _, error = type_in(*words)
        assert status == 1
        assert "run format 0" in error
        assert str(tmp_path / "old") in error


def test_a_nan_in_a_data_set_is_named_before_any_work(tmp_path: Path, type_in: Type) -> None:
    write_planted(tmp_path / "data", PlantedConfig(num_items={"train": 9, "val": 4, "test": 5}))
    values = np.load(tmp_path / "data" / "audio.npy")
    values[11, 3] = np.nan
    np.save(tmp_path / "data" / "audio.npy", values)
    status, _, error = type_in("train", "--data", tmp_path / "data", "--out", tmp_path / "run")
    assert status == 1
    assert "audio.npy, row 11" in error
    assert "'val-00002'" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_two_modalities_train_jointly_without_naming_an_order(tmp_path: Path, type_in: Type) -> None:
    made = arrays(tmp_path)
    made["split"] = np.array(["train"] * 2 + ["val"] * 2 + ["test"] * 2)
    np.savez(tmp_path / "a.npz", **made)
    assert type_in(*words_to_import(tmp_path / "a.npz", tmp_path / "data"))[0] == 0
    short = ("--options.no-progress", "--set.stages.0.epochs", "1")
    status, out, _ = type_in("train", "--data", tmp_path / "data", "--out", tmp_path / "run", *short)
    assert status == 0
    assert "VA" in out
    assert "By MRR, VA" in out, "in a gallery of two, R@10 is certain"
    assert f"run: {tmp_path / 'run'}" in out


def test_constant_features_are_reported_by_import_and_do_not_stop_a_study(tmp_path: Path, type_in: Type) -> None:
    draws = np.random.default_rng(0)
    made = {
        "video": draws.normal(size=(60, 4)).astype(np.float32),
        "audio": np.ones((60, 3), np.float32),
        "ids": np.arange(60),
        "split": np.array(["train"] * 30 + ["val"] * 10 + ["test"] * 20),
    }
    np.savez(tmp_path / "a.npz", **made)
    status, out, _ = type_in(*words_to_import(tmp_path / "a.npz", tmp_path / "data"))
    assert status == 1
    assert "audio: all vectors are equal" in out
    words = ("study", "orders", "--data", tmp_path / "data", "--out", tmp_path / "study", "--seeds", "1")
    quick = ("--workers", "1", "--options.no-progress", "--set.stages.0.epochs", "2")
    status, out, _ = type_in(*words, *quick, "--json")
    assert status == 0
    table = json.loads(out)
    assert any("collapsed: gallery side A" in flag for flag in table["flags"])
    recalls = {row["mean"] for row in table["rows"] if (row["task"], row["metric"]) == ("V>A", "R@10")}
    assert list(recalls) == pytest.approx([50.0]), "chance"
    assert table["baselines"] == []
    assert any("linear CCA was not measured on" in note and "are equal" in note for note in table["notes"])


def test_a_folder_of_runs_stands_for_its_runs_and_alike_ones_are_told_apart(
    run: Path, data: Path, tmp_path: Path, type_in: Type
) -> None:
    for number, epochs in enumerate(("2", "3")):
        out = tmp_path / "runs" / f"run-{number}"
        words = ("train", "--data", data, "--out", out, "--order", "VT_A", *SHORT, "--set.stages.0.batch-size", "64")
        assert type_in(*words, "--set.stages.1.epochs", epochs)[0] == 0
    status, out, _ = type_in("compare", tmp_path / "runs")
    assert status == 0
    assert f"VT_A #1: {tmp_path / 'runs' / 'run-0'}" in "".join(out.split("\n  "))
    assert type_in("compare", tmp_path)[1] == out
    assert type_in("compare", tmp_path / "nothing")[0] == 1


def test_a_modality_that_no_order_brings_in_is_mentioned(tmp_path: Path, type_in: Type) -> None:
    np.savez(tmp_path / "a.npz", **arrays(tmp_path) | {"depth": np.eye(6, dtype=np.float32)})
    words = words_to_import(tmp_path / "a.npz", tmp_path / "data")
    type_in(*words, f"depth={tmp_path / 'a.npz'}:depth", "--letter", "depth=D")
    words = (
        "study",
        "orders",
        "--data",
        tmp_path / "data",
        "--out",
        tmp_path / "study",
        "--orders",
        "VA",
        "--seeds",
        "1",
    )
    assert "note: no order brings in depth" in type_in(*words)[2]


def test_what_the_system_refuses_is_one_line(data: Path, tmp_path: Path, type_in: Type) -> None:
    (tmp_path / "file").write_text("")
    status, _, error = type_in("train", "--data", data, "--out", tmp_path / "file" / "run", "--order", "VT_A", *SHORT)
    assert status == 1
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    words = ("study", "orders", "--data", data, "--out", tmp_path / "study", "--workers", "0", *SHORT)
    status, _, error = type_in(*words)
    assert (status, "workers counts runs at once" in error) == (1, True)
