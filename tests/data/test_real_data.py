from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from trichord.data import Dataset
from trichord.data.arrays import ArraysImport, import_arrays
from trichord.data.check import check_dataset

FOLDER = Path(os.environ.get("TRICHORD_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def arguments(name: str) -> dict:
    root = FOLDER / name
    if name == "vine":
        return {
            "modality": (
                f"video={root}/vine.npz:video",
                f"audio={root}/vine.npz:audio",
                f"text={root}/captions_minilm.npz:embedding@item_id",
            ),
            "transform": ("audio=log",),
            "ids": f"{root}/vine.npz:ids",
            "split": f"{root}/vine.npz:split",
            "captions": f"{root}/captions.jsonl:captions@id",
        }
    if name == "grid":
        words = f"{root}/grid_words.npz"
        return {
            "modality": (f"video={words}:video", f"audio={words}:audio"),
            "ids": "rows",
            "split": f"{words}:split",
            "source": f"{words}:clip_id",
            "label": (f"word={words}:word", f"slot={words}:slot"),
        }
    if name == "videomem":
        scores = f"{root}/videomem.npz"
        return {
            "modality": (
                f"video={scores}:video_coco80_rn101+{scores}:video_coco80_rn152",
                f"text={root}/captions_minilm.npz:embedding@item_id",
            ),
            "transform": ("video=log",),
            "ids": f"{scores}:ids",
            "split": f"{scores}:split",
            "captions": f"{root}/captions.jsonl:caption@id",
        }
    clips = f"{root}/ravdess.npz"
    return {
        "modality": (f"video={clips}:video", f"audio={clips}:audio"),
        "ids": f"{clips}:ids",
        "split": f"{clips}:split",
        "source": f"{clips}:actor",
        "label": (f"emotion={clips}:emotion",),
    }


EXPECTED = {
    "vine": ({"train": 498, "val": 90, "test": 500}, {"video": (512, 1088), "audio": (527, 1088), "text": (384, 3970)}),
    "grid": ({"train": 4200, "val": 600, "test": 1200}, {"video": (240, 6000), "audio": (160, 6000)}),
    "videomem": ({"train": 7000, "val": 1000, "test": 2000}, {"video": (160, 10000), "text": (384, 10000)}),
    "ravdess": ({"train": 1080, "val": 120, "test": 240}, {"video": (35, 1440), "audio": (259, 1440)}),
}


@pytest.mark.real
@pytest.mark.parametrize("name", EXPECTED)
def test_real_data_are_imported_whole(tmp_path, name):
    if not (FOLDER / name).is_dir():
        pytest.skip(f"the real data set {name} is not at {FOLDER}")
    import_arrays(ArraysImport(out=str(tmp_path / name), name=name, **arguments(name)))
    dataset = Dataset.open(tmp_path / name)
    splits, modalities = EXPECTED[name]
    assert dataset.spec.splits == splits
    found = {entry.modality.name: (entry.dim, entry.num_instances) for entry in dataset.spec.modalities}
    assert found == modalities
    report = check_dataset(dataset.path)
    assert report.ok
    assert not report.shared_sources
    if name == "vine":
        with np.load(FOLDER / name / "captions_minilm.npz") as stored:
            ids, embedding = stored["item_id"], stored["embedding"]
        row = dataset.ids.index("26")
        index = dataset.instances("text")
        read = dataset.read("text", np.arange(index.first[row], index.first[row] + index.count[row])).values
        np.testing.assert_array_equal(read, embedding[ids == 26].astype(np.float32))
        assert dataset.captions(row)[0] == "deadpool drinking from a cup"
