"""`trichord adapt` and `trichord train --adapters`: what they leave, what other commands make of it, and mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from trichord.adapters.identity import load_identity
from trichord.adapters.settings import BASE
from trichord.cli.main import main
from trichord.data.planted import PlantedConfig, write_planted
from trichord.files import read_json, write_json
from trichord.runs import RunDirectory, load

QUIET = ("--options.no-progress",)
SHORT = (
    *("--recipe", "planted", "--order", "AVT", *QUIET),
    *("--set.stages.0.epochs", "1", "--set.evaluation.scoring.num-resamples", "20"),
)
LEARNT = ("--epochs", "3", "--learning-rate", "0.1", "--set.stages.0.optimizer.warmup-steps", "0", *QUIET)
Type = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapt") / "data"
    write_planted(path, PlantedConfig(num_items={"train": 90, "val": 40, "test": 50}))
    return path


@pytest.fixture(scope="module")
def base(data: Path) -> Path:
    main(["train", "--data", str(data), "--out", str(data.parent / "base"), *SHORT])
    return data.parent / "base"


@pytest.fixture(scope="module")
def adapter(base: Path, data: Path) -> Path:
    out = data.parent / "VT"
    main(["adapt", str(base), "--pair", "VT", "--data", str(data), "--out", str(out), *LEARNT])
    return out


@pytest.fixture(scope="module")
def with_adapters(data: Path) -> Path:
    out = data.parent / "together"
    main(["train", "--data", str(data), "--out", str(out), "--adapters", "VT", "AT", "VA", *SHORT])
    return out


@pytest.fixture
def type_in(capsys: pytest.CaptureFixture[str]) -> Type:
    """Type a command; return exit status, standard output and standard error."""

    def typed(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = 0
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return typed


def test_the_same_again_does_nothing_and_says_what_the_adapter_changes(
    adapter: Path, base: Path, data: Path, type_in: Type
) -> None:
    command = ("adapt", base, "--pair", "TV", "--data", data, "--out", adapter, *LEARNT)
    status, out, error = type_in(*command)
    assert (status, error) == (0, "")
    assert "VT" in out
    assert f"adapter: {adapter}; it changes video and text: their vectors have to be made anew under it" in out
    status, out, _ = type_in(*command, "--json")
    found = json.loads(out)
    assert (found["state"], found["adapter"]) == ("finished", str(adapter))
    assert found["identity"]["base"] == found["model"] == load(base).identity
    assert found["changes"] == {"stages.0.optimizer.warmup_steps": [60, 0]}


def test_every_field_and_the_sides_can_be_set(base: Path, data: Path, tmp_path: Path, type_in: Type) -> None:
    status, out, error = type_in(
        *("adapt", base, "--pair", "T-VA", "--data", data, "--out", tmp_path / "T-VA", "--sides", "T", *QUIET),
        *("--epochs", "1", "--low-rank.rank", "2", "--low-rank.dropout", "0.1", "--objective", "sigmoid", "--json"),
        *("--set.stages.0.optimizer.matrix-b-ratio", "4"),
    )
    assert (status, error) == (0, "")
    assert json.loads(out)["changes"] == {"stages.0.optimizer.matrix_b_ratio": [1.0, 4.0]}
    identity = load_identity(tmp_path / "T-VA")
    assert (identity.name, identity.sides) == ("T-VA", ("text",))
    stage = read_json(tmp_path / "T-VA" / "config.json")["config"]["stages"][0]
    assert stage["adapters"]["T-VA"]["parts"]["contrast"]["objective"]["config"].endswith("SigmoidContrastConfig")
    assert "T-VA" in type_in("compare", tmp_path / "T-VA")[1]


def test_what_is_measured_again_under_an_adapter_is_what_the_run_says(
    adapter: Path, base: Path, data: Path, type_in: Type
) -> None:
    command = ("evaluate", base, "--data", data, "--adapters", adapter, "--tasks", "T>V", "--json")
    status, _, error = type_in(*command)
    assert status == 1
    assert error.startswith(
        "error: adapters are loaded (VT): say which is meant, as in --adapter VT, or --adapter base"
    )
    assert error.count("\n") == 1
    found = json.loads(type_in(*command, "--adapter", "VT")[1])["T>V"]
    assert found == read_json(adapter / "results/test/T_to_V.json")
    bare = json.loads(type_in(*command, "--adapter", "base")[1])["T>V"]
    assert bare == read_json(base / "results/test/T_to_V.json") != found


def test_a_run_with_adapters_can_be_measured_compared_diagnosed_and_fine_tuned(
    with_adapters: Path, data: Path, tmp_path: Path, type_in: Type
) -> None:
    assert load(with_adapters).adapters == ("AT", "VA", "VT")
    command = ("evaluate", with_adapters, "--data", data, "--json")
    assert "say which is meant" in type_in(*command)[2]
    for adapter, task in (("VT", "V>T"), ("VA", "A>V"), ("base", "T>VA")):
        found = json.loads(type_in(*command, "--adapter", adapter)[1])[task]
        assert found == read_json(with_adapters / "results/test" / f"{task.replace('>', '_to_')}.json")
    assert "AVT" in type_in("compare", with_adapters)[1]
    status, out, error = type_in("diagnose", with_adapters, "--data", data, "--split", "test", "--json")
    assert (status, error) == (0, "")
    recorded = json.loads(type_in("diagnose", with_adapters, "--data", data, "--json")[1])
    found, known = (sorted(map(str, entry["looked_at"])) for entry in (json.loads(out), recorded))
    assert found == known, "measured under the adapters, as the run was"
    tuned = ("finetune", "--model", with_adapters, "--data", data, "--out", tmp_path / "tuned", *QUIET)
    status, out, error = type_in(*tuned, "--set.stages.0.epochs", "1", "--json")
    assert (status, error) == (0, "")
    assert load(tmp_path / "tuned").adapters == ()


def test_adapters_can_be_compared_with_their_base(adapter: Path, base: Path, type_in: Type) -> None:
    status, out, error = type_in("compare", base, adapter, "--format", "json", "--tasks", "T>V")
    assert (status, error) == (0, "")
    assert {row["order"] for row in json.loads(out)["rows"]} == {"AVT", "VT"}


def test_an_adapter_over_a_run_that_has_adapters_belongs_to_its_base(
    with_adapters: Path, data: Path, tmp_path: Path, type_in: Type
) -> None:
    command = ("adapt", with_adapters, "--pair", "VT", "--data", data, "--out", tmp_path / "VT", "--epochs", "1")
    assert type_in(*command, *QUIET)[0] == 0
    model = load(with_adapters)
    assert model.load_adapter(tmp_path / "VT", "again") == "again"
    assert BASE not in model.adapters


def unfinished(base: Path, folder: Path) -> Path:
    folder.mkdir()
    write_json(folder / "config.json", read_json(base / "config.json"))
    RunDirectory(folder).write_status(state="interrupted")
    return folder


def old(base: Path, folder: Path) -> Path:
    folder.mkdir()
    write_json(folder / "config.json", read_json(base / "config.json") | {"run_format": 1})
    return folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pair", "VT", "--low-rank.rank", "0"), "the rank of an adapter is at least 1, got 0"),
        (("--pair", "VT", "--low-rank.targets", "linera"), "no layer of encoders.video matches targets 'linera'"),
        (("--pair", "V"), "a pair is spelled like V-T or T-VA, got 'V'"),
        (("--pair", "VV"), "must be filled and disjoint"),
        (("--pair", "VD"), "names a modality that is not there (D)"),
        (("--pair", "VT", "--sides", "A"), "changes some of ['video', 'text']"),
        (("--pair", "VT", "--sides", "D"), "names a modality that is not there (D)"),
        (("--pair", "VT", "--epochs", "0"), "epochs must be at least 1"),
        (("--pair", "VT", "--learning-rate", "0"), "learning_rate must be above 0"),
        (("--pair", "VT", "--objective", "infonec"), "infonec"),
        (("--pair", "VT", "--low-rank.rang", "2"), "did you mean --low-rank.rank?"),
        (("--pair", "VT", "--set.model.no-normalize"), "is not that of the base"),
        (("--pair", "VT", "--set.initial", "0123"), "starts from the weights 0123"),
        ((), "--pair"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    options: tuple[str, ...], message: str, base: Path, data: Path, tmp_path: Path, type_in: Type
) -> None:
    status, out, error = type_in("adapt", base, "--data", data, "--out", tmp_path / "out", *options, *QUIET)
    assert status in (1, 2)
    assert out == ""
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda base, folder: unfinished(base, folder), "is interrupted; finish it with `trichord train` first"),
        (lambda base, folder: old(base, folder), "has run format 1 (written by trichord"),
        (lambda base, folder: base.parent / "VT", "is an adapter over the base"),
        (lambda base, folder: folder, "is not a run folder"),
    ],
    ids=["unfinished", "of another version", "an adapter", "nowhere"],
)
def test_what_is_no_base_is_one_line(
    make: Callable[[Path, Path], Path],
    message: str,
    base: Path,
    adapter: Path,
    data: Path,
    tmp_path: Path,
    type_in: Type,
) -> None:
    run = make(base, tmp_path / "run")
    options = ("--data", data, "--out", tmp_path / "out")
    for command in (
        ("adapt", run, "--pair", "VT", *options),
        ("finetune", "--model", run, *options),
        ("evaluate", run, "--data", data),
    ):
        status, _, error = type_in(*command)
        assert status == 1
        assert error.count("\n") == 1
        assert message in error
    assert not (tmp_path / "out").exists()


def test_an_adapter_is_not_diagnosed_but_its_base(adapter: Path, base: Path, data: Path, type_in: Type) -> None:
    status, _, error = type_in("diagnose", adapter, "--data", data)
    assert status == 1
    assert error.count("\n") == 1
    assert f"is an adapter over the base {load(base).identity}" in error
    assert "diagnose the run of the base" in error
    assert type_in("diagnose", base, "--data", data, "--against", adapter)[0] in (0, 1)


def test_another_base_in_the_folder_of_an_adapter(
    adapter: Path, with_adapters: Path, data: Path, type_in: Type
) -> None:
    status, _, error = type_in(
        *("adapt", with_adapters, "--pair", "VT", "--data", data, "--out", adapter, "--epochs", "2", *QUIET)
    )
    assert status == 1
    assert error.count("\n") == 1
    assert "holds another experiment (" in error
    assert "initial: " in error


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (("VT", "TV"), "the pair VT is named twice"),
        (("T-VA",), "the last stage does not pull the pair T-VA together"),
        (("V",), "a pair is spelled like V-T"),
        (("VD",), "names a modality that is not there (D)"),
    ],
)
def test_pairs_that_cannot_be_learnt_together_are_one_line(
    pairs: tuple[str, ...], message: str, data: Path, tmp_path: Path, type_in: Type
) -> None:
    status, _, error = type_in("train", "--data", data, "--out", tmp_path / "out", *SHORT, "--adapters", *pairs)
    assert status == 1
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "out").exists()
