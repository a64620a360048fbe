from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from dataset_maker import AUDIO_ITEMS, AUDIO_LENGTHS, CAPTIONS, IDS, SPLITS, TEXT_ITEMS, make, write_header, write_items

from trichord.data import Dataset
from trichord.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path / "set")


def test_a_folder_written_by_hand_opens(folder):
    dataset = Dataset.open(folder)
    assert [modality.letter for modality in dataset.modalities] == ["V", "A", "T"]
    assert [(entry.kind, entry.dim, entry.num_instances) for entry in dataset.spec.modalities] == [
        ("pooled", 4, 5),
        ("sequence", 3, 3),
        ("pooled", 2, 7),
    ]
    assert dataset.spec.splits == {"train": 2, "val": 1, "test": 2}
    assert dataset.ids == IDS
    assert len(dataset) == 5
    assert dataset.split("test").tolist() == [3, 4]
    assert dataset.split("test", "train").tolist() == [0, 1, 3, 4]
    assert [dataset.captions(item) for item in range(5)] == CAPTIONS
    assert dataset.label("emotion") == [0, 1, 2, 0, 1]
    assert dataset.labels == ["emotion"]
    assert dataset.source == ["x", "x", "y", "z", "z"]


def test_instances_say_who_lacks_what(folder):
    dataset = Dataset.open(folder)
    assert dataset.has("video").all()
    assert dataset.has("audio").tolist() == [True, False, True, True, False]
    text = dataset.instances("text")
    assert text.count.tolist() == [2, 1, 0, 3, 1]
    assert text.first.tolist() == [0, 2, 3, 3, 6]
    assert text.total == 7
    for item, (first, count) in enumerate(zip(text.first, text.count, strict=True)):
        assert [TEXT_ITEMS[k] for k in range(first, first + count)] == [item] * count


def test_reading_returns_float32_in_the_order_asked_for(folder):
    dataset = Dataset.open(folder)
    stored = np.load(folder / "video.npy")
    found = dataset.read("video", np.array([4, 0, 4]))
    assert found.lengths is None
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, stored[[4, 0, 4]].astype(np.float32))


def test_sequences_are_padded_with_zeros(folder):
    found = Dataset.open(folder).read("audio", np.array([2, 1]))
    stored = np.load(folder / "audio.npy")
    assert found.values.shape == (2, 4, 3)
    assert found.lengths.tolist() == [1, 4]
    np.testing.assert_array_equal(found.values[1], stored[2:6])
    np.testing.assert_array_equal(found.values[0, :1], stored[6:])
    assert not found.values[0, 1:].any()
    assert len(AUDIO_ITEMS) == len(AUDIO_LENGTHS)


def test_the_files_stay_on_disk(folder):
    base = Dataset.open(folder).stored("video").values
    while not isinstance(base, np.memmap):
        base = base.base
    assert base.mode == "r"


def test_an_unknown_name_says_what_is_near(folder):
    dataset = Dataset.open(folder)
    for call in (
        lambda: dataset.split("tset"),
        lambda: dataset.split(),
        lambda: dataset.instances("vidoe"),
        lambda: dataset.label("emotoin"),
    ):
        with pytest.raises(ConfigError, match=r"did you mean|known:"):
            call()


def test_the_fingerprint_follows_content_not_place(folder, tmp_path):
    before = Dataset.open(folder).fingerprint()
    assert Dataset.open(make(tmp_path / "other")).fingerprint() == before
    values = np.load(folder / "text.npy")
    values[6, 1] += 1e-9
    np.save(folder / "text.npy", values)
    changed = Dataset.open(folder).fingerprint()
    write_items(folder, IDS, SPLITS, emotion=[0, 1, 2, 0, 2])
    assert len({before, changed, Dataset.open(folder).fingerprint()}) == 3


VIDEO = {"video": {"letter": "V", "kind": "pooled", "dim": 4}}


def truncate(folder: Path) -> None:
    path = folder / "video.npy"
    path.write_bytes(path.read_bytes()[:-3])


def lengthen(folder: Path) -> None:
    with open(folder / "video.npy", "ab") as stream:
        stream.write(b"00")


def edit_json(folder: Path, **changes: object) -> None:
    path = folder / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def save(name: str, array: np.ndarray):
    return lambda folder: np.save(folder / name, array)


BAD = {
    "no folder": (lambda f: f.rename(f.with_name("gone")), "set", "does not exist"),
    "no json": (lambda f: (f / "dataset.json").unlink(), "dataset.json", "does not exist"),
    "broken json": (lambda f: (f / "dataset.json").write_text("{"), "dataset.json", "not valid JSON"),
    "another format": (lambda f: edit_json(f, format="coco"), "dataset.json", "format"),
    "wrong version": (lambda f: edit_json(f, version=2), "dataset.json", "version 1.*found version 2"),
    "unknown key": (lambda f: edit_json(f, note="x"), "dataset.json", "did you mean 'notes'"),
    "no modality": (lambda f: write_header(f, {}), "dataset.json", "at least one modality"),
    "bad kind": (
        lambda f: write_header(f, {"video": {"letter": "V", "kind": "poled", "dim": 4}}),
        "dataset.json",
        "did you mean 'pooled'",
    ),
    "bad letter": (
        lambda f: write_header(f, {"video": {"letter": "v", "kind": "pooled", "dim": 4}}),
        "dataset.json",
        "upper-case",
    ),
    "misspelt modality key": (
        lambda f: write_header(f, {"video": {"letter": "V", "kind": "pooled", "dims": 4}}),
        "dataset.json, row 'modalities.video'",
        "did you mean 'dim'",
    ),
    "wrong dim": (
        lambda f: write_header(f, {"video": {"letter": "V", "kind": "pooled", "dim": 5}}),
        "video.npy",
        "4 columns.*is 5",
    ),
    "no table": (lambda f: (f / "items.parquet").unlink(), "items.parquet", "does not exist"),
    "broken table": (lambda f: (f / "items.parquet").write_bytes(b"PAR1"), "items.parquet", "Parquet"),
    "no array": (lambda f: (f / "video.npy").unlink(), "video.npy", "does not exist"),
    "no offsets": (lambda f: (f / "audio.offsets.npy").unlink(), "audio.offsets.npy", "does not exist"),
    "truncated": (truncate, "video.npy", "truncated: 165 bytes.*168"),
    "too long": (lengthen, "video.npy", "longer"),
    "not npy": (lambda f: (f / "video.npy").write_bytes(b"hello world"), "video.npy", "header"),
    "one axis": (save("video.npy", np.zeros(5, np.float32)), "video.npy", "two axes"),
    "integers": (save("video.npy", np.zeros((5, 4), np.int64)), "video.npy", "int64"),
    "big-endian": (save("video.npy", np.zeros((5, 4), ">f4")), "video.npy", ">f4"),
    "columns first": (save("video.npy", np.zeros((5, 4), np.float32, order="F")), "video.npy", "Fortran"),
    "too few rows": (save("video.npy", np.zeros((4, 4), np.float32)), "video.npy", "4 instances for 5 items"),
    "item outside": (
        save("text.items.npy", np.array([0, 0, 1, 3, 3, 3, 5])),
        "text.items.npy, row 6",
        "does not exist",
    ),
    "items descend": (
        save("text.items.npy", np.array([0, 1, 0, 3, 3, 3, 4])),
        "text.items.npy, row 2",
        "1 is followed",
    ),
    "items of int32": (save("text.items.npy", np.array(TEXT_ITEMS, np.int32)), "text.items.npy", "int32"),
    "offsets descend": (save("audio.offsets.npy", np.array([0, 6, 2, 7])), "audio.offsets.npy, row 2", "6 then 2"),
    "empty sequence": (save("audio.offsets.npy", np.array([0, 2, 2, 7])), "audio.offsets.npy, row 2", "at least one"),
    "offsets end early": (save("audio.offsets.npy", np.array([0, 2, 4, 6])), "audio.offsets.npy", "7; found 0 and 6"),
    "duplicate id": (
        lambda f: write_items(f, ["a", "b", "c", "b", "e"], ["train"] * 5),
        "items.parquet, row 3",
        "'b' is in rows 1 .*and 3",
    ),
    "id in two splits": (
        lambda f: write_items(f, ["a", "b", "c", "d", "a"], SPLITS),
        "items.parquet, row 4",
        "rows 0 \\(split 'train'\\) and 4 \\(split 'test'\\)",
    ),
    "id is a number": (lambda f: write_items(f, [1, 2, 3, 4, 5], SPLITS), "items.parquet", "expected strings"),
    "no split": (lambda f: write_items(f, IDS, ["train", None, "val", "a", "b"]), "items.parquet, row 1", "empty"),
    "captions are strings": (
        lambda f: write_items(f, IDS, SPLITS, captions=list("abcde")),
        "items.parquet",
        "lists of strings",
    ),
    "ends before it starts": (
        lambda f: write_items(f, IDS, SPLITS, end=[2.0, 1.0, 1.5, 1.0, 2.0]),
        "items.parquet, row 1",
        "2.0 to 1.0",
    ),
    "captions mismatch": (
        save("text.items.npy", np.array([0, 1, 1, 3, 3, 3, 4])),
        "text.items.npy, row 0",
        "2 captions and 1 text",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_error_that_names_file_and_row(folder, case):
    spoil, place, rule = BAD[case]
    spoil(folder)
    with pytest.raises(DataError, match=rule) as caught:
        Dataset.open(folder)
    assert re.search(re.escape(place) + "[:,]", str(caught.value)), str(caught.value)


def test_pickled_objects_are_never_loaded(folder):
    np.save(folder / "video.npy", np.array([{"a": 1}] * 5, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"pickled Python objects.*never loaded"):
        Dataset.open(folder)


def test_a_modality_that_no_item_holds_opens(folder):
    np.save(folder / "video.npy", np.zeros((0, 4), np.float32))
    np.save(folder / "video.items.npy", np.zeros(0, np.int64))
    dataset = Dataset.open(folder)
    assert not dataset.has("video").any()
    assert dataset.read("video", np.zeros(0, np.int64)).values.shape == (0, 4)


def test_an_invented_modality_needs_no_change_here(folder):
    write_header(folder, {**VIDEO, "depth": {"letter": "D", "kind": "pooled", "dim": 1}})
    np.save(folder / "depth.npy", np.ones((5, 1), np.float32))
    assert Dataset.open(folder).read("depth", np.array([3])).values.tolist() == [[1.0]]


def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "data-format.md").read_text(encoding="utf-8")
    example = text.split("## Writing one by hand")[1].split("```python")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    dataset = Dataset.open("my-clips")
    assert dataset.spec.splits == {"train": 2, "test": 1}
    assert dataset.has("audio").tolist() == [True, False, True]
    assert dataset.captions(0) == ["a dog runs", "a running dog"]
