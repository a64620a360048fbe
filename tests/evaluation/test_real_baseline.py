"""The linear baseline on the real data sets, where they are present."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trichord.data.arrays import ArraysImport, import_arrays
from trichord.data.dataset import Dataset
from trichord.evaluation.cca_baseline import CcaSplits, tuned_cca
from trichord.evaluation.retrieval import evaluate_task
from trichord.evaluation.settings import evaluation_set
from trichord.modality import STANDARD, Task, parse_pair

FOLDER = Path(os.environ.get("TRICHORD_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def vine(out: Path) -> ArraysImport:
    root = FOLDER / "vine"
    return ArraysImport(
        out=str(out),
        name="vine",
        modality=(
            f"video={root}/vine.npz:video",
            f"audio={root}/vine.npz:audio",
            f"text={root}/captions_minilm.npz:embedding@item_id",
        ),
        transform=("audio=log",),
        ids=f"{root}/vine.npz:ids",
        split=f"{root}/vine.npz:split",
        captions=f"{root}/captions.jsonl:captions@id",
    )


def grid(out: Path) -> ArraysImport:
    words = f"{FOLDER}/grid/grid_words.npz"
    modality = (f"video={words}:video", f"audio={words}:audio")
    return ArraysImport(out=str(out), name="grid", modality=modality, ids="rows", split=f"{words}:split")


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "spelling", "num_queries", "least"),
    [("vine", "T-V", 500, 39.0), ("vine", "T-VA", 500, 38.0), ("grid", "A-V", 1200, 52.0)],
)
def test_tuned_cca_reaches_what_a_careful_one_reaches(
    tmp_path: Path, name: str, spelling: str, num_queries: int, least: float
) -> None:
    if not (FOLDER / name).is_dir():
        pytest.skip(f"the real data set {name} is not at {FOLDER}")
    import_arrays({"vine": vine, "grid": grid}[name](tmp_path / name))
    dataset = Dataset.open(tmp_path / name)
    splits = CcaSplits(dataset.split("train"), dataset.split("val"), dataset.split("test"))
    pair = parse_pair(spelling, STANDARD)
    tuned = tuned_cca(dataset, pair, splits)
    # Pairs keep the order V, A, T inside a side, not between sides: "A-V" asks with audio.
    result = evaluate_task(tuned.tables, Task(pair.left, pair.right), evaluation_set(dataset, "test"))
    assert result.num_queries == num_queries
    assert result.flags == ()
    assert result.metrics["R@10"].value >= least
