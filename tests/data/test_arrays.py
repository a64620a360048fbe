from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from trichord.data import Dataset
from trichord.data.arrays import ArraysImport, import_arrays
from trichord.errors import ConfigError, DataError

IDS = [10, 20, 30, 40]
SPLITS = ["train", "train", "val", "test"]
TEXT_IDS = [30, 10, 10, 40]


@pytest.fixture
def files(tmp_path):
    random = np.random.default_rng(0)
    np.savez(
        tmp_path / "clips.npz",
        ids=IDS,
        split=SPLITS,
        video=random.standard_normal((4, 3)).astype(np.float16),
        more=random.standard_normal((4, 2)).astype(np.float16),
        audio=random.random((4, 5)).astype(np.float32),
        actor=np.array([1, 1, 2, 2]),
        mood=np.array([0.5, np.nan, 1.0, 2.0]),
        begin=np.array([0.0, 1, 2, 3]),
        finish=np.array([1.0, 2, 3, 4]),
        steps=random.standard_normal((6, 2)).astype(np.float32),
        step_ids=[40, 10, 20],
        offsets=[0, 3, 4, 6],
    )
    np.savez_compressed(tmp_path / "text.npz", embedding=random.standard_normal((4, 2)), item_id=TEXT_IDS)
    lines = [
        {"id": 30, "captions": ["c1"]},
        {"id": 10, "captions": ["a1", "a2"]},
        {"id": 20, "captions": []},
        {"id": 40, "captions": "d1"},
    ]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def arguments(files, **changes):
    clips = files / "clips.npz"
    plain = {
        "out": str(files / "set"),
        "name": "four",
        "modality": (f"video={clips}:video", f"text={files}/text.npz:embedding@item_id"),
        "ids": f"{clips}:ids",
        "split": f"{clips}:split",
    }
    return ArraysImport(**{**plain, **changes})


def change(files, name, **arrays):
    with np.load(files / name) as found:
        np.savez(files / name, **{**dict(found), **arrays})


def test_rows_are_brought_to_their_items(files):
    report = import_arrays(arguments(files, captions=f"{files}/captions.jsonl:captions@id"))
    dataset = Dataset.open(files / "set")
    assert report.ignored == {}
    assert report.spec.num_items == 4
    assert dataset.ids == ["10", "20", "30", "40"]
    assert dataset.has("text").tolist() == [True, False, True, True]
    stored = np.load(files / "text.npz")["embedding"].astype(np.float32)
    text = dataset.read("text", np.arange(4)).values
    np.testing.assert_array_equal(text, stored[[1, 2, 0, 3]])
    assert [dataset.captions(item) for item in range(4)] == [["a1", "a2"], [], ["c1"], ["d1"]]


def test_sequences_labels_segments_and_sources(files):
    clips = files / "clips.npz"
    import_arrays(
        arguments(
            files,
            modality=(f"depth={clips}:steps@step_ids#offsets", f"video={clips}:video+{clips}:more"),
            letter=("depth=D",),
            label=(f"mood={clips}:mood",),
            source=f"{clips}:actor",
            start=f"{clips}:begin",
            end=f"{clips}:finish",
        )
    )
    dataset = Dataset.open(files / "set")
    with np.load(clips) as stored:
        steps = stored["steps"]
        both = np.concatenate([stored["video"], stored["more"]], axis=1).astype(np.float32)
    read = dataset.read("depth", np.arange(3))
    assert dataset.has("depth").tolist() == [True, True, False, True]
    assert read.lengths.tolist() == [1, 2, 3]
    for row, (first, last) in enumerate([(3, 4), (4, 6), (0, 3)]):
        np.testing.assert_array_equal(read.values[row, : last - first], steps[first:last])
    np.testing.assert_array_equal(dataset.read("video", np.arange(4)).values, both)
    assert dataset.label("mood") == [0.5, None, 1.0, 2.0]
    assert dataset.source == ["1", "1", "2", "2"]
    assert dataset.table.column("end").to_pylist() == [1, 2, 3, 4]


def test_transforms_are_applied_and_recorded(files):
    clips = files / "clips.npz"
    both = (f"audio={clips}:audio", f"video={clips}:video")
    import_arrays(arguments(files, modality=both, transform=("audio=log", "video=l2")))
    dataset = Dataset.open(files / "set")
    audio = np.load(clips)["audio"]
    np.testing.assert_allclose(dataset.read("audio", np.arange(4)).values, np.log(audio + 1e-4), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(dataset.read("video", np.arange(4)).values, axis=1), 1, rtol=1e-6)
    assert dataset.header.transforms == {"audio": ("log(x + 0.0001)",), "video": ("x / |x|",)}


def test_rows_serve_as_ids_when_asked(files):
    import_arrays(arguments(files, ids="rows", modality=(f"video={files}/clips.npz:video",)))
    assert Dataset.open(files / "set").ids == ["0", "1", "2", "3"]


def test_npy_files_take_no_key(files):
    np.save(files / "v.npy", np.ones((3, 2), np.float32) * [[1], [2], [3]])
    np.save(files / "who.npy", np.array([40, 20, 10]))
    import_arrays(arguments(files, modality=(f"video={files}/v.npy@{files}/who.npy",)))
    dataset = Dataset.open(files / "set")
    assert dataset.read("video", np.arange(3)).values[:, 0].tolist() == [3, 2, 1]
    assert dataset.has("video").tolist() == [True, True, False, True]


def test_unknown_ids_are_counted_when_they_may_be_ignored(files):
    change(files, "text.npz", item_id=np.array([30, 11, 10, 12]))
    with pytest.raises(DataError, match=r"text.npz:embedding, row 1: no item has the id '11'; 2 rows"):
        import_arrays(arguments(files))
    report = import_arrays(arguments(files, ignore_unknown=True))
    assert report.ignored == {f"{files}/text.npz:embedding": 2}
    assert Dataset.open(files / "set").has("text").tolist() == [True, False, True, False]


def test_pickled_objects_are_refused_unread(files):
    class Bomb:
        def __reduce__(self):
            return (open, (str(files / "ran"), "w"))

    np.savez(files / "bad.npz", video=np.array([Bomb()] * 4, dtype=object))
    with pytest.raises(DataError, match=r"bad.npz, row 'video': .*never loaded.*convert it"):
        import_arrays(arguments(files, modality=(f"video={files}/bad.npz:video",)))
    assert not (files / "ran").exists()


def test_a_member_that_unpacks_to_too_much_is_refused(files):
    np.savez_compressed(files / "bomb.npz", video=np.zeros((2**12, 2**13), np.float32))
    with pytest.raises(DataError, match=r"bomb.npz, row 'video': the array unpacks to 134,217,856 bytes"):
        import_arrays(arguments(files, modality=(f"video={files}/bomb.npz:video",)))
    with pytest.raises(DataError, match="at most 100 bytes"):
        import_arrays(arguments(files, max_member_bytes=100))


def test_a_truncated_member_is_refused(files):
    np.save(files / "v.npy", np.ones((4, 3), np.float32))
    with zipfile.ZipFile(files / "cut.npz", "w") as archive:
        archive.writestr("video.npy", (files / "v.npy").read_bytes()[:-5])
    with pytest.raises(DataError, match=r"cut.npz, row 'video': the array is truncated: 171 .* 176"):
        import_arrays(arguments(files, modality=(f"video={files}/cut.npz:video",)))
    (files / "cut.npz").write_bytes((files / "clips.npz").read_bytes()[:500])
    with pytest.raises(DataError, match=r"not a readable .npz"):
        import_arrays(arguments(files, modality=(f"video={files}/cut.npz:video",)))


VIDEO = np.ones((4, 3), np.float32)
NAN_ROW = np.where(np.arange(4)[:, None] == 2, np.nan, VIDEO)

BAD_ARRAYS = {
    "NaN row": ({"video": NAN_ROW}, r"clips.npz:video, row 2: .*NaN or infinity \(item id '30'\)"),
    "too few rows": ({"video": VIDEO[:3]}, "clips.npz:video: 3 rows for 4 items"),
    "integers": ({"video": VIDEO.astype(int)}, "clips.npz, row 'video': features are floating-point"),
    "three axes": ({"video": VIDEO[None]}, "found float32 of shape"),
    "duplicate id": ({"ids": [10, 20, 30, 20]}, r"clips.npz:ids, row 3: the id '20' is in rows 1 .* and 3"),
    "two splits": ({"ids": [10, 20, 30, 10]}, r"rows 0 \(split 'train'\) and 3 \(split 'test'\)"),
    "ids are floats": ({"ids": [1.0, 2, 3, 4]}, "an id is a string or a whole number, found 1.0"),
    "splits missing": ({"split": SPLITS[:3]}, "clips.npz:split: 3 rows for 4 items"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_arrays_are_one_error_and_nothing_is_written(files, case):
    arrays, rule = BAD_ARRAYS[case]
    change(files, "clips.npz", **{name: np.asarray(array) for name, array in arrays.items()})
    with pytest.raises(DataError, match=rule):
        import_arrays(arguments(files))
    assert not (files / "set").exists()


BAD_REFERENCES = {
    "no file": (lambda f: {"modality": (f"video={f}/gone.npz:video",)}, "gone.npz: the file does not exist"),
    "no key": (lambda f: {"modality": (f"video={f}/clips.npz:vidoe",)}, "Did you mean 'video'"),
    "no field": (lambda f: {"captions": f"{f}/captions.jsonl:caption@id"}, "Did you mean 'captions'"),
    "columns of another number": (
        lambda f: {"modality": (f"video={f}/text.npz:embedding@item_id#item_id",)},
        "text.npz, row 'item_id 1': offsets",
    ),
    "other rows side by side": (
        lambda f: {"modality": (f"video={f}/clips.npz:video+{f}/text.npz:embedding@item_id",)},
        "text.npz, row 'embedding': arrays put side by side",
    ),
    "log of negatives": (lambda f: {"transform": ("video=log",)}, "row 0: .*not negative"),
    "label by repeated id": (
        lambda f: {"label": (f"x={f}/text.npz:item_id@item_id",)},
        r"text.npz:item_id, row 2: the id '10' is in rows 1 .* and 2",
    ),
}


@pytest.mark.parametrize("case", BAD_REFERENCES)
def test_bad_references_name_the_place(files, case):
    make, rule = BAD_REFERENCES[case]
    change(files, "clips.npz", video=-VIDEO)
    with pytest.raises(DataError, match=rule):
        import_arrays(arguments(files, **make(files)))


def test_captions_and_text_instances_must_agree(files):
    (files / "captions.jsonl").write_text('{"id": 10, "captions": ["a1"]}\n{"id": 30, "captions": ["c1"]}')
    with pytest.raises(DataError, match="row 0: the item '10' has 1 captions and 2 text instances"):
        import_arrays(arguments(files, captions=f"{files}/captions.jsonl:captions@id"))


def test_a_line_without_the_field_is_named_not_taken_for_null(files):
    lines = ['{"id": 10, "captions": ["a1"]}', '{"id": 30}']
    (files / "captions.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"captions.jsonl: line 2 has no field 'captions'. Write null"):
        import_arrays(arguments(files, captions=f"{files}/captions.jsonl:captions@id"))


def test_a_bad_line_is_named(files):
    (files / "captions.jsonl").write_text('{"id": 10, "captions": ["a1"]}\n{"id": 30')
    with pytest.raises(DataError, match=r"captions.jsonl: line 2 is not JSON"):
        import_arrays(arguments(files, captions=f"{files}/captions.jsonl:captions@id"))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"modality": ()}, "at least one modality"),
        ({"modality": ("video",)}, "NAME=VALUE"),
        ({"modality": ("video=a.txt:x",)}, "FILE ending in"),
        ({"modality": ("video=a.npz",)}, "need one"),
        ({"modality": ("video=a.npy:x",)}, "takes no key"),
        ({"modality": ("video=a.npz:x", "video=a.npz:y")}, "given twice"),
        ({"transform": ("video=lgo",)}, "did you mean 'log'"),
        ({"transform": ("audio=log",)}, "not imported"),
        ({"letter": ("depth=D",)}, "not imported"),
        ({"label": ("split=a.npz:x",)}, "reserved"),
        ({"split": "a.npz:x+a.npz:y"}, "one array"),
    ],
)
def test_arguments_are_checked_before_any_file_is_read(changes, rule):
    plain = {"out": "o", "name": "n", "modality": ("video=a.npz:v",), "ids": "a.npz:i", "split": "a.npz:s"}
    with pytest.raises(ConfigError, match=rule):
        ArraysImport(**{**plain, **changes})


def test_a_modality_that_is_not_standard_needs_a_letter(files):
    with pytest.raises(ConfigError, match="letter must be given"):
        import_arrays(arguments(files, modality=(f"depth={files}/clips.npz:video",)))


def test_a_damaged_member_is_refused(files):
    whole = (files / "text.npz").read_bytes()
    middle = whole.index(b"embedding.npy") + 60
    (files / "text.npz").write_bytes(
        whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 20]) + whole[middle + 20 :]
    )
    with pytest.raises(DataError, match=r"text.npz, row 'embedding': not a readable"):
        import_arrays(arguments(files))
