from __future__ import annotations

import json

import numpy as np
import pytest
from dataset_maker import IDS, SPLITS, make, write_items

from trichord.data.check import check_dataset
from trichord.data.inspection import NonFinite


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path / "set")


def messages(report, severity):
    return [problem.message for problem in report.problems if problem.severity == severity]


def test_a_sound_set_is_counted(folder):
    report = check_dataset(folder)
    assert report.ok
    assert messages(report, "warning") == ["text: no item of the split(s) val has it"]
    assert report.items == 5
    assert report.splits == {"train": 2, "val": 1, "test": 2}
    video, audio, text = report.modalities
    assert video.dtype == "float16"
    assert video.missing == {"train": 0, "val": 0, "test": 0}
    assert audio.steps == 7
    assert audio.missing == {"train": 1, "val": 0, "test": 1}
    assert text.most_per_item == 3
    assert text.missing == {"train": 0, "val": 1, "test": 0}
    assert report.captions.total == 7
    assert report.captions.per_item == {0: 1, 1: 2, 2: 1, 3: 1}
    assert json.loads(json.dumps(report.to_dict()))["ok"] is True
    assert "text: no item of" in report.to_text()


def test_planted_faults_are_found(folder):
    video = np.load(folder / "video.npy")
    video[3] = video[0]
    video[4] = 0
    np.save(folder / "video.npy", video)
    text = np.load(folder / "text.npy")
    text[2, 0] = np.nan
    text[4] = np.inf
    np.save(folder / "text.npy", text)
    captions = [["one", "two"], ["three"], [], ["two", "two", "six"], ["seven"]]
    write_items(folder, IDS, SPLITS, source=["x", "x", "x", "z", "z"], captions=captions)
    report = check_dataset(folder)
    assert not report.ok
    assert report.shared_sources == {"x": ("train", "val")}
    assert report.modalities[0].shared == (("a", "d"),)
    assert report.modalities[0].zero_rows == 1
    assert report.modalities[2].first_non_finite == NonFinite("text.npy", 2, "item 'b'")
    assert report.modalities[2].non_finite_rows == 2
    assert report.captions.duplicated == 2
    assert report.captions.shared == 1
    (error,) = messages(report, "error")
    assert "text.npy, row 2" in error
    assert "'b'" in error
    text = report.to_text()
    for part in ("leakage", "x (train, val)", "a and d", "all zero", "word for word"):
        assert part in text


def test_constant_vectors_and_repeated_sequences_are_found(folder):
    np.save(folder / "video.npy", np.ones((5, 4), np.float32))
    audio = np.load(folder / "audio.npy")
    np.save(folder / "audio.npy", np.concatenate([audio[:2], audio[:2], audio[:1]]))
    np.save(folder / "audio.offsets.npy", np.array([0, 2, 4, 5]))
    report = check_dataset(folder)
    assert any("all vectors are equal" in message for message in messages(report, "error"))
    assert report.modalities[1].duplicate_instances == 1
    assert report.modalities[1].shared == (("a", "c"),)


def test_a_set_that_does_not_open_gives_that_one_error(folder):
    (folder / "video.npy").unlink()
    report = check_dataset(folder)
    assert not report.ok
    assert len(report.problems) == 1
    assert "video.npy" in report.problems[0].message


def test_items_without_a_partner_are_told(folder):
    np.save(folder / "video.npy", np.ones((1, 4), np.float32) * np.arange(1, 5))
    np.save(folder / "video.items.npy", np.array([0]))
    found = " ".join(messages(check_dataset(folder), "warning"))
    assert "video: no item of the split(s) val, test has it" in found
    assert "3 items have one modality only" in found
