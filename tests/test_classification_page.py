"""The commands that docs/classification.md shows, and the figures that it names."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from trichord.cli.main import main
from trichord.data import Dataset
from trichord.data.classes import read_labels
from trichord.data.planted_ceilings import ceilings
from trichord.data.planted_corpora import CLASS_CORPORA

PAGE = (Path(__file__).parents[1] / "docs" / "classification.md").read_text(encoding="utf-8")
REAL = Path(os.environ.get("TRICHORD_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


SHORTER = {"study": "--workers 1 --epochs 1 --ranks 1 --no-controls", "train": "--set.learning.epochs 1"}


def run_block(beginning: str) -> None:
    """Run, in the folder one is in, the commands of the block that begins so, with what shortens them."""
    (block,) = (block for block in BLOCKS if block.startswith(beginning))
    for command in block.replace("\\\n", " ").splitlines():
        words = shlex.split(command)
        assert words[0] == "trichord"
        more = [SHORTER[word] for word in words[1:3] if word in SHORTER]
        main(words[1:] + " ".join(more).split())


def row(table: str, name: str) -> list[str]:
    """Return the cells after the first of the row of a table of the page."""
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {name} |") and table in line)
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "file", "labels", "first"),
    [
        ("ravdess", "ravdess/ravdess.npz", {"emotion": 8, "intensity": 2, "statement": 2}, "neutral"),
        ("grid-words", "grid/grid_words.npz", {"word": 51, "slot": 6}, "bin"),
    ],
)
def test_real_features_are_imported_as_shown(
    name: str,
    file: str,
    labels: dict[str, int],
    first: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not (REAL / file).is_file():
        pytest.skip(f"{file} is not at {REAL}")
    (tmp_path / Path(file).name).symlink_to(REAL / file)
    monkeypatch.chdir(tmp_path)
    run_block(f"trichord import arrays --out {name} ")
    assert "no problems found" in (said := capsys.readouterr().out)
    assert "No leakage" in said
    dataset = Dataset.open(name)
    for column, number in labels.items():
        found = read_labels(dataset, column, False, ("train", "val", "test"))
        assert len(found) == number
        if f"`{column}`" in PAGE:
            numbers = found.truth[dataset.split("test")]
            most = max((numbers == place).mean() for place in range(number))
            _, classes, splits, majority = row(f"`{column}`", name)
            assert (int(classes), majority) == (number, f"{100 * most:.1f} %")
            sizes = ", ".join(str(size) for size in map(dataset.spec.splits.get, ("train", "val", "test")))
            assert splits.startswith(sizes)
    assert dataset.label(next(iter(labels)))[0] == first
    assert dataset.source is not None
    if name == "ravdess":
        actors = {split: len({dataset.source[item] for item in dataset.split(split)}) for split in dataset.spec.splits}
        assert actors == {"train": 18, "val": 2, "test": 4}


@pytest.mark.slow
@pytest.mark.real
def test_the_study_one_classifier_and_its_adapter_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (REAL / "ravdess/ravdess.npz").is_file():
        pytest.skip(f"ravdess is not at {REAL}")
    (tmp_path / "ravdess.npz").symlink_to(REAL / "ravdess/ravdess.npz")
    monkeypatch.chdir(tmp_path)
    run_block("trichord import arrays --out ravdess ")
    run_block("trichord study mmlora")
    assert {path.name for path in Path("mmlora").iterdir() if path.name[0] != "."} == {
        "study.json", "experts.json", "experts", "runs", "table.json", "report.html",
    }  # fmt: skip
    run_block("trichord classify train")
    assert len(Path("answers.csv").read_text(encoding="utf-8").splitlines()) == 241
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = {}
    exec(snippet, found)
    learnt = [value for name, value in found["adapted"].named_parameters() if "lora_B" in name]
    assert learnt
    assert all(bool(value.any()) for value in learnt), "PEFT took the matrices that were learnt"


def test_planted_corpora_are_written_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_block("trichord generate planted")
    said = capsys.readouterr().out
    assert said.count("items     2400 (train 1500, val 300, test 600)") == len(CLASS_CORPORA)
    for name, config in CLASS_CORPORA.items():
        column = "classes" if config.several else "class"
        assert len(read_labels(Dataset.open(name), column, config.several, tuple(config.num_items))) == len(
            config.classes
        )


@pytest.mark.parametrize("name", CLASS_CORPORA)
def test_ceilings_of_the_page_are_those_computed(name: str) -> None:
    found = ceilings(CLASS_CORPORA[name])
    for measure in found["V"].values:
        cells = row("`class", f"{name}, {measure}")[1:]
        shown = dict(zip(("V", "A", "T", "VA", "VAT"), cells, strict=True))
        for letters, cell in shown.items():
            assert cell == (f"{found[letters].values[measure]:.1f}" if letters in found else ""), letters
