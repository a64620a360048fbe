from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_maker import dump, unit, word_file

from trichord.cli.main import main
from trichord.data import Dataset
from trichord.data.importers.actions import ActionsImport, class_words, import_actions
from trichord.data.importers.clips import held_out
from trichord.data.packing import PackReport
from trichord.errors import ConfigError, DataError

WORDS = ["Apply", "Eye", "Makeup", "apply", "eye", "makeup", "Yo", "yo", "brush", "hair", "clapping"]


def clip(name: str, label: str = "ApplyEyeMakeup", seed: int = 0, **changed: Any) -> dict[str, Any]:
    """One entry; a changed part that is None is left out."""
    random = np.random.default_rng(seed)
    entry = {
        "video": name,
        "class": label,
        "2d": random.random((5, 2048)).astype(np.float32),
        "3d": random.random((7, 2048)).astype(np.float32),
        "2d_pooled": random.random(2048).astype(np.float32),
        "3d_pooled": random.random(2048).astype(np.float32),
        "audio": (-80 * random.random((40, 8))).astype(np.float32),
        "has_audio": True,
        "training": True,
        **changed,
    }
    return {key: value for key, value in entry.items() if value is not None}


def read(folder: Path, entries: Any, name: str = "ucf101", **more: Any) -> PackReport:
    dump(folder / "clips.pkl", entries)
    settings: dict[str, Any] = {"files": (Path("clips.pkl"),), "progress": False, **more}
    return import_actions(
        ActionsImport(name=name, features=folder, out=folder / "d", words=word_file(folder, WORDS), **settings)
    )


def group(number: int, clip_of_group: int = 1, label: str = "ApplyEyeMakeup") -> str:
    return f"v_{label}_g{number:02d}_c{clip_of_group:02d}"


def stored(dataset: Dataset, modality: str, row: int) -> np.ndarray:
    index = dataset.instances(modality)
    found = dataset.read(modality, index.first[row : row + 1])
    return found.values[0] if found.lengths is None else found.values[0][: found.lengths[0]]


def test_items_hold_what_the_pickle_holds(tmp_path):
    entries = [
        clip(group(1), seed=1, training=False),
        clip(group(8), "YoYo", seed=2, has_audio=False, audio=np.zeros((40, 0), np.float32)),
        clip(group(8, 2), "YoYo", seed=3, has_audio=np.bool_(True), training=np.int64(1)),
        clip(group(2), seed=4, has_audio=0, training=0.0, audio=None),
    ]
    report = read(tmp_path, entries, validation=0.0)
    dataset = report.dataset
    assert report.quarantined == ()
    assert dataset.spec.name == "ucf101"
    assert dataset.ids == [entry["video"] for entry in entries]
    assert dataset.split_names() == ["test", "train", "train", "test"]
    assert dataset.source == [
        "v_ApplyEyeMakeup_g01",
        "v_ApplyEyeMakeup_g08",
        "v_ApplyEyeMakeup_g08",
        "v_ApplyEyeMakeup_g02",
    ]
    assert dataset.label("class") == ["ApplyEyeMakeup", "YoYo", "YoYo", "ApplyEyeMakeup"]
    assert [dataset.captions(row) for row in range(4)] == [
        ["apply eye makeup"],
        ["yo yo"],
        ["yo yo"],
        ["apply eye makeup"],
    ]
    assert dataset.has("audio").tolist() == [True, False, True, False]
    for row, entry in enumerate(entries):
        expected = unit(entry["2d_pooled"], entry["3d_pooled"])
        np.testing.assert_allclose(stored(dataset, "video", row), expected, rtol=2e-6, atol=1e-9)
    for row in (0, 2):
        np.testing.assert_array_equal(stored(dataset, "audio", row), entries[row]["audio"].T.astype(np.float16))


def test_groups_of_ucf101_are_held_out_as_a_whole(tmp_path):
    entries = [clip(group(k, c), seed=10 * k + c, training=k != 3) for k in range(1, 13) for c in (1, 2, 3)]
    dataset = read(tmp_path, entries, validation=0.4).dataset
    splits = dict(zip(dataset.ids, dataset.split_names(), strict=True))
    assert set(splits.values()) == {"train", "val", "test"}
    for k in range(1, 13):
        wanted = "test" if k == 3 else "val" if held_out(f"v_ApplyEyeMakeup_g{k:02d}", 0.4) else "train"
        assert {splits[group(k, c)] for c in (1, 2, 3)} == {wanted}


def test_hmdb51(tmp_path):
    entries = [clip("a_brush_g01_c01", "brush_hair", 1), clip("b", "claping", 2, training=False)]
    report = read(tmp_path, entries, "hmdb51", validation=0.0)
    assert report.quarantined == ()
    assert report.dataset.source == ["a_brush_g01_c01", "b"], "its names have no groups"
    assert report.dataset.label("class") == ["brush_hair", "claping"]
    assert [report.dataset.captions(row) for row in (0, 1)] == [["brush hair"], ["clapping"]]


def test_captions_as_the_class_is_written(tmp_path):
    report = read(tmp_path, [clip(group(1))], lower_case=False)
    assert report.dataset.captions(0) == ["Apply Eye Makeup"]
    assert report.dataset.label("class") == ["ApplyEyeMakeup"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ApplyEyeMakeup", "Apply Eye Makeup"),
        ("brush_hair", "brush hair"),
        ("YoYo", "Yo Yo"),
        ("Biking", "Biking"),
        ("shoot_Ball__now", "shoot Ball now"),
        ("TVShow", "TV Show"),
        ("claping", "clapping"),
        ("Éclair", "Éclair"),
        ("__", ""),
    ],
)
def test_words_of_a_class(name, words):
    assert class_words(name) == words


def test_several_pickles_are_one_data_set(tmp_path):
    dump(tmp_path / "more.pkl", [clip(group(5), seed=5), clip(group(1), seed=1)])
    report = read(tmp_path, [clip(group(1), seed=1)], files=(Path("clips.pkl"), Path("more.pkl")), max_quarantined=0.5)
    assert report.dataset.ids == [group(1), group(5)]
    assert [(left.id, left.reason) for left in report.quarantined] == [
        (group(1), "its id was there before, at clips.pkl[0]")
    ]


ANY = clip("any")
# What entry 1 is changed to; what it then lacks (None: there is no such item); whom and what the list names.
BROKEN: dict[str, tuple[dict[str, Any], str | None, str, str]] = {
    "id missing": (
        {"video": None},
        None,
        "clips.pkl[1]",
        r"'video' of a clip is a string .* there is none; keys: \['2d'",
    ),
    "id a number": ({"video": 4}, None, "clips.pkl[1]", "'video' of a clip is a string that is not empty; it is 4"),
    "class missing": ({"class": None}, None, group(1), "'class' of a clip is a string .* there is none; keys"),
    "class a number": ({"class": 7}, None, group(1), "'class' of a clip is a string that is not empty; it is 7"),
    "class blank": ({"class": " "}, None, group(1), "'class' of a clip is a string that is not empty; it is ' '"),
    "class without words": ({"class": "_"}, None, group(1), "'class' has no words: '_'"),
    "training missing": (
        {"training": None},
        None,
        group(1),
        r"'training' of a clip is true or false \(1 or 0\); there",
    ),
    "training a third value": ({"training": 2}, None, group(1), "'training' of a clip is true or false .* it is 2"),
    "training text": ({"training": "1"}, None, group(1), "'training' of a clip is true or false .* it is '1'"),
    "has_audio missing": ({"has_audio": None}, "audio", group(1), "audio: 'has_audio' of a clip is true or false"),
    "has_audio NaN": ({"has_audio": float("nan")}, "audio", group(1), "audio: 'has_audio' .* it is nan"),
    "has_audio without audio": ({"audio": None}, "audio", group(1), "audio: 'audio' is an array, found no such key"),
    "has_audio of no frames": ({"audio": ANY["audio"][:, :0]}, "audio", group(1), r"40 x time, found shape \(40, 0\)"),
    "audio transposed": ({"audio": ANY["audio"].T.copy()}, "audio", group(1), r"40 x time, found shape \(8, 40\)"),
    "unpooled keys only": ({"2d_pooled": None}, "video", group(1), "video: '2d_pooled' is an array, found no such key"),
    "not pooled": ({"3d_pooled": ANY["3d"]}, "video", group(1), r"video: '3d_pooled' is 2048, found shape \(7, 2048\)"),
    "unknown words": ({"class": "Juggling"}, "text", group(1), "no word of the caption is known: 'juggling'"),
    "id without group": ({"video": "v_YoYo"}, "", "v_YoYo", "does not end in _gNN_cNN.* it is a source of its own"),
    "id twice": ({"video": group(0)}, None, group(0), r"its id was there before, at clips\.pkl\[0\]"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_entry(tmp_path, broken):
    changed, lacks, who, reason = BROKEN[broken]
    entries = [clip(group(k), seed=k) for k in range(12)]
    entries[1] = clip(**{"name": group(1), "seed": 1, **changed})
    report = read(tmp_path, entries)
    (left,) = report.quarantined
    assert left.id == who
    assert re.search(reason, left.reason), left.reason
    dataset = report.dataset
    assert len(dataset) == (11 if lacks is None else 12)
    for modality in ("video", "audio", "text"):
        without = [name for name, has in zip(dataset.ids, dataset.has(modality), strict=True) if not has]
        assert without == ([who] if lacks == modality else [])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"clips": []}, "expected a list of clips, found dict"),
        ([], "expected a list of clips, found list without any"),
        ([clip(group(1)), 5], "row 1: a clip is a dictionary, found int"),
        ([{"id": "x", "caption": "y"}], "none of 1 records makes an item: .*'video' of a clip"),
    ],
)
def test_a_pickle_of_something_else(tmp_path, entries, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, entries)
    assert not (tmp_path / "d").exists()


def test_files_that_are_not_there_or_not_named(tmp_path):
    with pytest.raises(DataError, match=r"more\.pkl: the file does not exist"):
        read(tmp_path, [clip(group(1))], files=(Path("clips.pkl"), Path("more.pkl")))
    with pytest.raises(ConfigError, match="name at least one pickle"):
        read(tmp_path, [clip(group(1))], files=())


def test_the_command(tmp_path, capsys):
    dump(tmp_path / "clips.pkl", [clip(group(k), seed=k, training=k > 2) for k in range(1, 9)])
    words = word_file(tmp_path, WORDS)
    places = ["--features", str(tmp_path), "--words", str(words), "--out", str(tmp_path / "d")]
    main(["import", "actions", "--name", "ucf101", "--files", "clips.pkl", *places, "--no-progress"])
    assert Dataset.open(tmp_path / "d").label("class") == ["ApplyEyeMakeup"] * 8
    assert "ucf101" in capsys.readouterr().out
