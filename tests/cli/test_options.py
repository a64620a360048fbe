"""Help that lists the configuration where it is known, and the nearest name for a field that is not there."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trichord.cli.main import main
from trichord.cli.options import _nearest_path
from trichord.data import ModalityArrays, write_dataset

Type = Callable[..., tuple[object, str, str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    table = {
        "id": [f"item {row}" for row in range(60)],
        "split": [("train", "val", "test")[row // 20] for row in range(60)],
        "mood": [("calm", "glad")[row % 2] for row in range(60)],
    }
    features = {
        name: ModalityArrays(random.normal(size=(60, width)).astype(np.float32))
        for name, width in (("video", 5), ("audio", 4))
    }
    return write_dataset(tmp_path_factory.mktemp("options") / "data", name="d", items=table, modalities=features).path


@pytest.fixture
def type_in(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Type:
    """Type a command, in which DATA, OUT and GRAPH stand for such; return exit status, standard output and error."""

    meant = {"DATA": str(data), "OUT": str(tmp_path / "out"), "GRAPH": "va: target V-A; label -> va: through"}

    def typed(words: str) -> tuple[object, str, str]:
        status: object = 0
        try:
            main([meant.get(word, word) for word in words.split()])
        except SystemExit as stop:
            status = stop.code
        assert not (tmp_path / "out").exists(), "nothing is begun"
        return status, *capsys.readouterr()

    return typed


PROMISING = {
    "train": ("--data DATA --out OUT --order VA", "--set.stages.0.epochs INT"),
    "study orders": ("--data DATA --out OUT", "--set.stages.0.epochs INT"),
    "study pairs": ("--data DATA --out OUT", "--set.stages.0.optimizer.learning-rate FLOAT"),
    "study mmlora": ("--data DATA --label mood --out OUT", "--set.learning-rate FLOAT"),
    "classify train": ("--data DATA --label mood --kind joint --out OUT", "--set.learning.epochs INT"),
    "graph train": ("--data DATA --graph GRAPH --target V>A --out OUT", "--set.batch-size INT"),
}


@pytest.mark.parametrize("command", PROMISING)
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_lists_the_configuration_where_all_that_is_required_is_given(
    command: str, word: str, type_in: Type
) -> None:
    given, field = PROMISING[command]
    status, out, error = type_in(f"{command} {word} {given}")
    assert (status, error) == (0, "")
    assert f"usage: trichord {command}" in out
    assert field in out
    assert "set options" in out
    assert "--out PATH" in out, "and its own options"


@pytest.mark.parametrize("command", [*PROMISING, "adapt", "finetune"])
def test_help_without_them_lists_the_command_and_opens_nothing(command: str, type_in: Type) -> None:
    field = PROMISING.get(command, ("", "--set.stages.0.epochs INT"))[1]
    type_in(f"{command} --help")  # imports
    begun = time.perf_counter()
    for words in (f"{command} --help", f"{command} --data nowhere --help"):
        status, out, error = type_in(words)
        assert (status, error) == (0, "")
        assert f"usage: trichord {command}" in out
        assert field not in out
        assert "set options" not in out
    assert time.perf_counter() - begun < 2.0


def test_help_shows_the_defaults_of_the_recipe_that_was_asked_for(type_in: Type) -> None:
    def epochs(words: str) -> str:
        return type_in(f"train --data DATA --out OUT {words} --help")[1].partition("--set.stages.0.epochs INT")[2][:150]

    assert "(default: 30)" in epochs("--recipe planted")
    assert "(default: " in epochs("--recipe heads")
    assert epochs("--recipe planted") != epochs("--recipe heads")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--set.epochs", "--set.stages.0.epochs"),
        ("--set.stages.0.epoch", "--set.stages.0.epochs"),
        ("--set.learning-rate", "--set.stages.0.optimizer.learning-rate"),
        ("--set.stages.0.learning_rate", "--set.stages.0.optimizer.learning-rate"),
        ("--set.model.encoders.vidoe.dropout", "--set.model.encoders.video.dropout"),
        ("--set.evaluation.num-resamples", "--set.evaluation.scoring.num-resamples"),
        ("--set.sede", "--set.seed"),
    ],
)
def test_a_mistaken_field_gets_the_nearest_path(given: str, meant: str, type_in: Type) -> None:
    status, out, error = type_in(f"train --data DATA --out OUT {given} 3")
    assert (status, out) == (2, "")
    assert error.count("\n") == 1
    assert f"did you mean {meant}? Add --help to this command" in error


def test_the_last_word_of_a_path_decides() -> None:
    paths = ["set.stages.0.batch_size", "set.stages.1.batch_size", "set.evaluation.batch_size", "set.stages.1.epochs"]
    assert _nearest_path("set.stages.1.batchsize", paths) == ["set.stages.1.batch_size"]
    assert _nearest_path("set.evaluaton.batch_size", paths) == ["set.evaluation.batch_size"]
    assert _nearest_path("set.stages.1.temperature", paths) == []
