"""`trichord classify train` and `classify predict`: what they print and leave, and mistakes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from trichord.classification.directory import ClassifierDirectory
from trichord.cli.main import main
from trichord.data import Dataset, ModalityArrays, write_dataset

FAST = ["--set.learning.epochs", "2", "--options.no-progress"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, seen and heard; item 62 can be neither."""
    folder = tmp_path_factory.mktemp("classify") / "data"
    generator = np.random.default_rng(0)
    numbers = np.arange(63) % 3
    kept = np.arange(62)
    modalities = {
        name: ModalityArrays(
            (np.eye(3, width)[numbers] * 3 + generator.normal(size=(63, width))).astype(np.float32)[kept], kept
        )
        for name, width in (("video", 5), ("audio", 4))
    }
    table = {
        "id": [f"clip {row}" for row in range(63)],
        "split": [("train", "val", "test")[row // 21] for row in range(63)],
        "mood": [("calm", "glad", "sad")[k] for k in numbers],
        "place": [("here", "there")[row % 2] for row in range(63)],
    }
    write_dataset(folder, name="moods", items=pa.table(table), modalities=modalities)
    return folder


@pytest.fixture(scope="module")
def experts(data: Path) -> list[str]:
    folders = []
    for word in ("V", "audio"):
        folders.append(str(data.parent / f"expert {word}"))
        main(_train(data, folders[-1], "expert", "--modalities", word))
    return folders


def _train(data: Path, out: str | Path, kind: str, *more: str) -> list[str]:
    settings = [*FAST, *more]
    return ["classify", "train", "--data", str(data), "--label", "mood", "--kind", kind, "--out", str(out), *settings]


def test_mmlora_over_experts(data: Path, experts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = data.parent / "mmlora"
    command = _train(data, out, "mmlora", "--experts", *experts, "--adapt", "V", "--rank", "2")
    capsys.readouterr()
    main(command)
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("on val", "on test", "without video", "accuracy", f"classifier: {out}"))
    assert "probe" not in printed
    main([*command, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "finished"
    assert set(told["results"]["test"]) == {"all", "without video", "without audio"}
    assert told["changes"]["learning.epochs"][1] == 2
    config = ClassifierDirectory(out).record().config
    assert tuple(config.model.encoders) == ("video", "audio")
    assert list(config.low_rank) == ["video"]
    main(_train(data, data.parent / "taught", "teacher", "--experts", *experts))
    assert "probe audio" in capsys.readouterr().out
    alone = data.parent / "alone"
    main(_train(data, alone, "head", "--experts", *experts, "--json"))
    assert json.loads(capsys.readouterr().out)["adapters"] == {}
    assert ClassifierDirectory(alone).record().config.kind == "head"


def test_predictions(data: Path, experts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predict = ["classify", "predict", experts[0], "--data", str(data)]
    capsys.readouterr()
    main([*predict, "--out", str(tmp_path / "said.csv")])
    printed = capsys.readouterr().out
    scores = ClassifierDirectory(experts[0]).scores("test")
    right = 100 * (scores.predictions() == scores.truth).mean()
    assert f"accuracy {right:.1f}" in printed
    assert "1 of them hold nothing" in printed
    rows = list(csv.DictReader((tmp_path / "said.csv").open()))
    assert [row["id"] for row in rows] == [f"clip {row}" for row in range(42, 63)]
    assert list(rows[0]) == ["id", "class", "calm", "glad", "sad"]
    for row, logits in zip(rows[:-1], scores.logits, strict=False):
        shares = np.array([float(row[name]) for name in ("calm", "glad", "sad")])
        np.testing.assert_allclose(shares, np.exp(logits) / np.exp(logits).sum(), rtol=1e-4)
        assert row["class"] == ("calm", "glad", "sad")[int(shares.argmax())]
    assert set(rows[-1].values()) == {"clip 62", ""}
    main([*predict, "--out", str(tmp_path / "said.jsonl"), "--json"])
    assert json.loads(capsys.readouterr().out)["metrics"]["accuracy"] == pytest.approx(right)
    lines = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    assert lines[-1] == {"id": "clip 62", "classes": [], "probabilities": None}
    assert sum(lines[0]["probabilities"].values()) == pytest.approx(1)


def test_predictions_without_the_truth(
    data: Path, experts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = Dataset.open(data)
    values = dataset.read("video", np.arange(62)).values
    items = pa.table({"id": dataset.ids[:62], "split": ["test"] * 62})
    write_dataset(tmp_path / "new", name="new", items=items, modalities={"video": ModalityArrays(values)})
    capsys.readouterr()
    predict = ["classify", "predict", experts[0], "--out", str(tmp_path / "said.csv"), "--data"]
    main([*predict, str(tmp_path / "new")])
    with pytest.raises(SystemExit):
        main(["classify", "predict", experts[1], *predict[3:], str(tmp_path / "new")])
    said = capsys.readouterr()
    assert "needs the modality 'audio'; the data hold ['video']. Take others of its modalities alone" in said.err
    assert "accuracy" not in said.out
    items = items.append_column("mood", pa.array(["calm", "bored"] * 31))
    write_dataset(tmp_path / "other", name="other", items=items, modalities={"video": ModalityArrays(values)})
    main([*predict, str(tmp_path / "other")])
    said = capsys.readouterr()
    assert "accuracy" not in said.out
    assert "note: not measured" in said.err


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        ("expert", [], "an expert knows one modality"),
        ("expert", ["--modalities", "V", "--adapt", "V"], "--adapt is for --kind mmlora"),
        ("joint", ["--rank", "4"], "--rank is for --kind mmlora and --kind expert"),
        ("mmlora", ["--rank", "4"], "takes an expert of every modality: --experts"),
        ("joint", ["--experts", "EXPERTS"], "takes no experts"),
        ("mmlora", ["--experts", "EXPERTS"], "needs --rank"),
        ("mmlora", ["--experts", "EXPERTS", "--rank", "0"], "--rank 0: matrices have a rank of 1 or more"),
        ("expert", ["--modalities", "V", "--rank", "0"], "--rank 0: matrices have a rank of 1 or more"),
        ("head", ["--experts", "EXPERTS", "--rank", "4"], "no encoder of --kind head learns by matrices"),
        ("head", [], "takes an expert of every modality: --experts"),
        ("mmlora", ["--experts", "EXPERT", "--rank", "4"], "this classifier looks at ['video', 'audio']"),
        ("teacher", ["--experts", "EXPERT", "EXPERT"], "name one expert per modality"),
        ("joint", ["--modalities", "vidoe"], "did you mean 'video'"),
        ("joint", ["--label", "moods"], "there is no label 'moods'"),
        ("joint", ["--several"], "lists of several classes were asked for"),
        ("joint", ["--encoder", "video"], "write MODALITY=FOLDER"),
        ("joint", ["--report", "holdout"], "holdout"),
    ],
)
def test_mistakes_are_one_clear_line(
    data: Path, experts: list[str], kind: str, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    meant = {"EXPERTS": experts, "EXPERT": experts[:1]}
    arguments = [part for word in more for part in meant.get(word, [word])]
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(_train(data, data.parent / "never", kind, *arguments))
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1
    assert not (data.parent / "never").exists()


def test_features_that_are_no_numbers_are_not_answered(
    data: Path, experts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(data, tmp_path / "spoiled")
    values = np.load(tmp_path / "spoiled" / "video.npy", mmap_mode="r+")
    values[50, 1] = np.nan
    values.flush()
    predict = ["classify", "predict", experts[0], "--data", str(tmp_path / "spoiled"), "--out"]
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([*predict, str(tmp_path / "said.csv")])
    assert stop.value.code == 1
    assert "video of item 'clip 50' holds NaN or infinity" in capsys.readouterr().err
    assert not (tmp_path / "said.csv").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--experts", "video"], "--experts video: write MODALITY=FOLDER"),
        (["--experts", "video=a", "video=b"], "--experts video=b: video has a already"),
        (["--experts", "text=a"], "stands on no expert of 'text'"),
        (["--only", "audio"], "knows ['video']; it was asked to take ['audio'] alone"),
        (["--only", "T"], "there is no modality 'T'"),
    ],
)
def test_mistakes_of_predict(
    data: Path, experts: list[str], tmp_path: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["classify", "predict", experts[0], "--data", str(data), "--out", str(tmp_path / "said.csv"), *more])
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "said.csv").exists()


def test_a_file_that_cannot_be_written(
    data: Path, experts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("said.txt", "nowhere/said.csv"):
        with pytest.raises(SystemExit):
            main(["classify", "predict", experts[0], "--data", str(data), "--out", str(tmp_path / name)])
        assert "cannot be written" in capsys.readouterr().err
