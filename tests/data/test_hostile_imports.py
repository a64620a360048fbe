"""Broken and hostile files: one clear error and nothing written, or one entry left out with its reason."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import torch
from published_maker import (
    WORDS,
    dump,
    msrvtt_entry,
    narrated_video,
    said,
    word_bytes,
    word_file,
    youcook2_entry,
)

from trichord.data import Dataset
from trichord.data.importers import lists
from trichord.data.importers.actions import ActionsImport, action_record
from trichord.data.importers.clips import Seen
from trichord.data.importers.crosstask import CrossTaskImport, import_crosstask
from trichord.data.importers.entries import entry_id, sentences
from trichord.data.importers.howto100m import HowTo100MImport, ListedVideo, find_excluded, import_howto100m
from trichord.data.importers.lists import read_list
from trichord.data.importers.lsmdc import film_of
from trichord.data.importers.msrvtt import MsrvttImport, import_msrvtt
from trichord.data.importers.youcook2 import YouCook2Import, import_youcook2
from trichord.data.leakage import split_videos
from trichord.data.packing import PackReport
from trichord.errors import DataError

TEST = "youcook_val_audio.pkl"
MEL = youcook2_entry("any")["audio"]
VECTOR = youcook2_entry("any")["2d"]


def names(number: int) -> list[str]:
    return [f"clip{k:07d}_{k}" for k in range(number)]


def plain_entries() -> list[Any]:
    return [youcook2_entry(name, seed) for seed, name in enumerate(names(12))]


def read_youcook2(folder: Path, out: str = "d", **more: Any) -> PackReport:
    words = folder / "words.bin"
    if not words.exists():
        word_file(folder)
    return import_youcook2(
        YouCook2Import(features=folder, out=folder / out, words=words, test_only=True, progress=False, **more)
    )


def everything(dataset: Dataset, name: str) -> dict[str, Any]:
    """All that a data set says of an item."""
    row = dataset.ids.index(name)
    found: dict[str, Any] = {"captions": dataset.captions(row), "split": dataset.split_names()[row]}
    found |= {label: dataset.label(label)[row] for label in dataset.labels}
    for modality in ("video", "audio"):
        index = dataset.instances(modality)
        read = dataset.read(modality, index.first[row] + np.arange(index.count[row]))
        found[modality] = read.values[:, : None if read.lengths is None else int(read.lengths.max(initial=0))].tolist()
    return found


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """Id -> what is said of it where no entry is broken."""
    folder = tmp_path_factory.mktemp("clean")
    dump(folder / TEST, plain_entries())
    dataset = read_youcook2(folder).dataset
    return {name: everything(dataset, name) for name in dataset.ids}


def with_nan(array: np.ndarray, value: float = np.nan) -> np.ndarray:
    changed = array.copy()
    changed[..., 3] = value
    return changed


# What entry 5 is changed to; which modalities it then lacks (None: there is no such item); the reason that is listed.
ENTRIES: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "2d missing": ({"2d": None}, "video", r"video: '2d' is an array, found no such key; keys: \['3d', 'audio', 'cap"),
    "2d is a list": ({"2d": VECTOR.tolist()}, "video", "video: '2d' is an array, found a list"),
    "2d of another width": ({"2d": VECTOR[:2047]}, "video", r"video: '2d' is 2048, found shape \(2047,\)"),
    "2d not pooled": ({"2d": np.stack([VECTOR] * 3)}, "video", r"video: '2d' is 2048, found shape \(3, 2048\)"),
    "3d of integers": (
        {"3d": np.ones(2048, np.int64)},
        "video",
        "video: '3d' holds floating-point numbers, found int64",
    ),
    "3d of complex numbers": ({"3d": VECTOR.astype(np.complex64)}, "video", "floating-point numbers, found complex64"),
    "3d of text": ({"3d": np.array(["1.0"] * 2048)}, "video", "video: '3d' holds floating-point numbers, found <U3"),
    "3d without an axis": ({"3d": np.array(1.0)}, "video", r"video: '3d' is 2048, found shape \(\)"),
    "video with infinity": ({"2d": with_nan(VECTOR, np.inf)}, "video", "video: '2d' holds NaN or infinity"),
    "video all zero": ({"3d": np.zeros(2048, np.float32)}, "video", "video: '3d' is all zero, as where a video has no"),
    "audio missing": ({"audio": None}, "audio", "audio: 'audio' is an array, found no such key"),
    "audio with NaN": ({"audio": torch.from_numpy(with_nan(MEL.numpy()))}, "audio", "audio: 'audio' holds NaN"),
    "audio beyond float16": ({"audio": MEL * 1e6}, "audio", "audio: 'audio' holds NaN, infinity or a value beyond"),
    "audio of no frames": ({"audio": MEL[:, :0]}, "audio", r"audio: 'audio' is 40 x time, found shape \(40, 0\)"),
    "audio transposed": ({"audio": MEL.T.contiguous()}, "audio", r"'audio' is 40 x time, found shape \(8, 40\)"),
    "audio of a batch": ({"audio": MEL[None]}, "audio", r"'audio' is 40 x time, found shape \(1, 40, 8\)"),
    "audio of integers": ({"audio": MEL.int()}, "audio", "audio: 'audio' holds floating-point numbers, found int32"),
    "caption missing": ({"caption": None}, "text", "text: 'caption' is a sentence or .* found no such key"),
    "caption empty": ({"caption": ""}, "text", "text: 'caption' holds no sentence: ''"),
    "caption blank": ({"caption": " \t\n"}, "text", "text: 'caption' holds no sentence"),
    "caption of no sentences": ({"caption": []}, "text", r"text: 'caption' holds no sentence: \[\]"),
    "caption a number": ({"caption": 7}, "text", "text: 'caption' is a sentence or a list .* found a int"),
    "caption of numbers": ({"caption": ["now", 7]}, "text", "text: 'caption' is a sentence or a list .* found a list"),
    "caption of bytes": ({"caption": b"now"}, "text", "text: 'caption' is a sentence or a list .* found a bytes"),
    "caption of unknown words": ({"caption": "whisk & blend"}, "text", "no word of the caption is known: 'whisk & ble"),
    "id missing": ({"id": None}, None, r"a clip has an id, a string that is not empty; it has no id; its keys: \['2d'"),
    "id empty": ({"id": ""}, None, "a clip has an id, a string that is not empty; its id is ''"),
    "id blank": ({"id": "  "}, None, "a clip has an id, a string that is not empty; its id is '  '"),
    "id a number": ({"id": 5}, None, "a clip has an id, a string that is not empty; its id is 5"),
    "id twice": ({"id": names(3)[2]}, None, r"its id was there before, at youcook_val_audio\.pkl\[2\]"),
}


@pytest.mark.parametrize("broken", ENTRIES)
def test_a_broken_entry(tmp_path, clean, broken):
    changed, lacks, reason = ENTRIES[broken]
    entries, name = plain_entries(), names(12)[5]
    entries[5] = youcook2_entry(**{"name": name, "seed": 5, **changed})
    dump(tmp_path / TEST, entries)
    report = read_youcook2(tmp_path)
    (left,) = report.quarantined
    assert left.id == (changed.get("id") if broken == "id twice" else f"{TEST}[5]" if lacks is None else name)
    assert re.search(reason, left.reason), left.reason
    others = [known for known in names(12) if known != name]
    assert report.dataset.ids == (others if lacks is None else names(12))
    some = others[::3]
    assert {known: everything(report.dataset, known) for known in some} == {known: clean[known] for known in some}
    if lacks is not None:
        kept = everything(report.dataset, name)
        empty = "captions" if lacks == "text" else lacks
        assert kept == {**clean[name], empty: []}
        assert not report.dataset.has(lacks)[5]


def test_blank_captions_among_others_are_left_out_alone(tmp_path):
    entries = plain_entries()
    entries[3]["caption"] = ["now", " ", "fry the eggs", ""]
    dump(tmp_path / TEST, entries)
    report = read_youcook2(tmp_path)
    (left,) = report.quarantined
    assert (left.id, left.reason) == (names(4)[3], "text: 2 of its 4 captions are empty; they were left out")
    assert report.dataset.captions(3) == ["now", "fry the eggs"]


def test_odd_ids_and_odd_numbers_are_kept(tmp_path):
    odd = ["фильм 1.00", "../../etc/passwd", "a\nb", "x" * 5000, "null", "ﬀ", "e\u0301", "é"]
    entries = [youcook2_entry(name, seed) for seed, name in enumerate(odd)]
    entries[0]["2d"] = np.full(2048, 3e38, np.float32)
    entries[1]["2d"] = np.full(2048, 1e-44, np.float32)
    entries[2]["2d"] = np.full(2048, 1e300)
    entries[3] = {**entries[3], "2d": entries[3]["2d"].astype(np.float16), "2d_full": "anything", 7: "more"}
    dump(tmp_path / TEST, entries)
    report = read_youcook2(tmp_path)
    assert report.quarantined == ()
    assert report.dataset.ids == odd
    for row in range(3):
        read = report.dataset.read("video", np.array([row])).values[0]
        np.testing.assert_allclose(read[:2048], np.full(2048, 2048**-0.5), rtol=1e-6)


class Command:
    """Asks pickle to run a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def storage_with_code(command: str) -> bytes:
    """A tensor, pickled plainly, whose storage asks for a command to be run when it is read."""
    inner = io.BytesIO()
    torch.save(torch.zeros(2).untyped_storage(), inner, _use_new_zipfile_serialization=False)

    class Storage:
        def __reduce__(self) -> tuple[Any, tuple[bytes]]:
            return torch.storage._load_from_bytes, (pickle.dumps(Command(command)),)

    return pickle.dumps([{**youcook2_entry("clip"), "audio": Storage()}])


def truncated(share: float) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        whole = pickle.dumps(plain_entries())
        return whole[: int(len(whole) * share)]

    return make


FILES: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "cut in the middle": (truncated(0.5), "the file (ends|is)|truncated|cut|beyond"),
    "cut at its end": (truncated(0.99999), "the file (ends|is)|truncated|cut|beyond"),
    "no bytes": (lambda folder: b"", "the file is empty"),
    "text": (lambda folder: b"id,2d,3d\n", "not a pickle|opcode|instruction|file"),
    "runs a command": (lambda folder: pickle.dumps(Command(f"touch {folder}/ran")), "system"),
    "runs a command in an entry": (
        lambda folder: pickle.dumps([{**youcook2_entry("clip"), "2d": Command(f"touch {folder}/ran")}]),
        "system",
    ),
    "runs a command in a storage": (lambda folder: storage_with_code(f"touch {folder}/ran"), "system"),
    "object array": (
        lambda folder: pickle.dumps([{**youcook2_entry("clip"), "2d": np.array([None] * 2048, dtype=object)}]),
        "object|dtype",
    ),
    "half a character": (lambda folder: pickle.dumps([youcook2_entry("a\udfff")]), "not valid UTF-8"),
    "a dictionary": (lambda folder: pickle.dumps({"id": "clip"}), "expected a list of clips, found dict"),
    "no clips": (lambda folder: pickle.dumps([]), "expected a list of clips, found list without any"),
    "an entry that is a list": (lambda folder: pickle.dumps([*plain_entries(), []]), "row 12: a clip is a dictionary"),
    "a file of torch.save": (
        lambda folder: (torch.save(plain_entries(), folder / "saved"), (folder / "saved").read_bytes())[1],
        "a zip archive, not a pickle",
    ),
}


@pytest.mark.parametrize("broken", FILES)
def test_a_broken_pickle(tmp_path, broken):
    make, message = FILES[broken]
    (tmp_path / TEST).write_bytes(make(tmp_path))
    with pytest.raises(DataError, match=message) as caught:
        read_youcook2(tmp_path)
    assert str(tmp_path / TEST) in str(caught.value)
    assert caught.value.remedy
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "d").exists()


def test_a_missing_pickle_writes_nothing(tmp_path):
    with pytest.raises(DataError, match=rf"{TEST}: the file does not exist\. Put the published file there"):
        read_youcook2(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["words.bin"]


def test_too_many_broken_entries(tmp_path):
    entries = plain_entries()
    for entry in entries[:2]:
        del entry["id"]
    dump(tmp_path / TEST, entries)
    with pytest.raises(DataError, match=r"2 of 12 records cannot be used, more than 10%: youcook_val_audio\.pkl\[0\]"):
        read_youcook2(tmp_path)
    assert not (tmp_path / "d").exists()
    assert len(read_youcook2(tmp_path, max_quarantined=0.5).dataset) == 10


NO_SPACE = word_bytes().replace(b" ", b"_", 1)
WORD_FILES: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "the file does not exist"),
    "empty": (b"", "not a word2vec binary file"),
    "text": (b"2 3\nthe 0.1 0.2 0.3\npan 0.4 0.5 0.6\n", "text format"),
    "packed": (b"\x1f\x8b" + bytes(30), r"the file is packed \(gzip\)"),
    "header without two numbers": (NO_SPACE, "not a word2vec binary file"),
    "truncated": (word_bytes()[:-9], "truncated in word 10 of 10|ends before"),
    "fewer words than stated": (word_bytes() + b"more", "the header states 10 words"),
    "a vector with NaN": (
        word_bytes(["pan"], 2)[:8] + np.full(2, np.nan, "<f4").tobytes() + b"\n",
        "hold NaN or infinity",
    ),
}


@pytest.mark.parametrize("broken", WORD_FILES)
def test_broken_word_vectors(tmp_path, broken):
    data, message = WORD_FILES[broken]
    dump(tmp_path / TEST, plain_entries())
    if data is not None:
        (tmp_path / "words.bin").write_bytes(data)
    config = YouCook2Import(
        features=tmp_path, out=tmp_path / "d", words=tmp_path / "words.bin", test_only=True, progress=False
    )
    with pytest.raises(DataError, match=message) as caught:
        import_youcook2(config)
    assert "words.bin" in str(caught.value)
    assert not (tmp_path / "d").exists()
    assert not (tmp_path / ".d.import").exists(), "it is refused before clips are read"


def test_captions_of_another_language_than_the_words(tmp_path):
    entries = [{**entry, "caption": "Zwiebeln schneiden"} for entry in plain_entries()]
    dump(tmp_path / TEST, entries)
    with pytest.raises(
        DataError, match=r"words\.bin: no word of any caption .* 'Zwiebeln', 'schneiden'\. .*--language"
    ):
        read_youcook2(tmp_path)
    assert not (tmp_path / "d").exists()
    assert (tmp_path / ".d.import" / "journal.jsonl").exists()


@pytest.mark.parametrize(
    ("changed", "modality"),
    [
        ({"audio": MEL.T.contiguous()}, "audio"),
        ({"2d": np.zeros(2048, np.float32)}, "video"),
        ({"caption": ""}, "text"),
    ],
)
def test_a_modality_that_is_unusable_throughout(tmp_path, changed, modality):
    dump(tmp_path / TEST, [{**entry, **changed} for entry in plain_entries()])
    message = rf"no item has {modality}, and 12 of them .* 10% of 12 records: {names(1)[0]}: {modality}: "
    with pytest.raises(DataError, match=message):
        read_youcook2(tmp_path)
    assert not (tmp_path / "d").exists()
    assert not read_youcook2(tmp_path, max_quarantined=1.0).dataset.has(modality).any(), "taken up, and allowed"


def msrvtt(folder: Path, **more: Any) -> PackReport:
    return import_msrvtt(
        MsrvttImport(
            features=folder,
            out=folder / "d",
            words=word_file(folder),
            progress=False,
            **{"train": "none", **more},
        )
    )


def write_test_list(folder: Path, *rows: str) -> None:
    lines = ["key,vid_key,video_id,sentence", *(f"ret{k},msr{k},{row}" for k, row in enumerate(rows))]
    (folder / "msrvtt_1kA_test.csv").write_text("\n".join(lines) + "\n")


def test_a_test_clip_that_the_list_does_not_name(tmp_path):
    dump(tmp_path / "msrvtt_jsfusion_test.pkl", [msrvtt_entry(f"video{k}", k) for k in range(3)])
    write_test_list(tmp_path, "video0,now", "video1,now")
    with pytest.raises(DataError, match=r"holds 'video2', which the list .*--test-list") as caught:
        msrvtt(tmp_path)
    assert "msrvtt_1kA_test.csv" in str(caught.value)
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("in_pickle", [True, False])
def test_a_test_clip_that_is_learnt_from(tmp_path, in_pickle):
    train = [{**youcook2_entry(f"video{k}", k), "2d_pooled": VECTOR, "3d_pooled": VECTOR} for k in (5, 6)]
    dump(tmp_path / "msrvtt_1k-A_train.pkl", train)
    dump(tmp_path / "msrvtt_jsfusion_test.pkl", [msrvtt_entry(f"video{k}", k) for k in ((0, 5) if in_pickle else (0,))])
    write_test_list(tmp_path, "video0,now", "video5,now")
    says = (
        r"jsfusion_test\.pkl, row 1: the clip 'video5' is in msrvtt_1k-A_train\.pkl\[0\] too"
        if in_pickle
        else r"1k-A_train\.pkl: 1 clips of the test are training clips too, .* 'video5'"
    )
    with pytest.raises(DataError, match=says):
        msrvtt(tmp_path, train="9k")
    assert not (tmp_path / "d").exists()


def test_a_test_clip_without_a_usable_id_is_a_miss(tmp_path):
    entries = [msrvtt_entry(f"video{k}", k) for k in range(12)]
    entries[4]["id"] = None
    dump(tmp_path / "msrvtt_jsfusion_test.pkl", entries)
    write_test_list(tmp_path, *(f"video{k},the pan" for k in range(12)))
    report = msrvtt(tmp_path)
    assert [entry.id for entry in report.quarantined] == ["msrvtt_jsfusion_test.pkl[4]", "video4"]
    row = report.dataset.ids.index("video4")
    assert len(report.dataset) == 12
    assert report.dataset.captions(row) == ["the pan"]
    assert not report.dataset.has("video")[row]


TEST_LISTS: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "the file does not exist"),
    "empty": (b"", "the list is empty"),
    "not UTF-8": (b"key,vid_key,video_id,sentence\n0,0,video0,\xff\n", "not a readable list"),
    "without sentences": (b"key,video_id\n0,video0\n", "row 0: there is no 'sentence'"),
    "without a sentence": (b"video_id,sentence\nvideo0,now\nvideo1,\n", r"row 1: there is no 'sentence'\. Fill it in"),
    "a clip twice": (b"video_id,sentence\nvideo0,now\nvideo0,now\n", "row 1: 'video0' is in rows 0 and 1"),
}


@pytest.mark.parametrize("broken", TEST_LISTS)
def test_broken_lists_of_the_test(tmp_path, broken):
    data, message = TEST_LISTS[broken]
    dump(tmp_path / "msrvtt_jsfusion_test.pkl", [msrvtt_entry("video0")])
    if data is not None:
        (tmp_path / "msrvtt_1kA_test.csv").write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        msrvtt(tmp_path)
    assert "msrvtt_1kA_test.csv" in str(caught.value)
    assert not (tmp_path / "d").exists()
    assert not (tmp_path / ".d.import").exists()


VIDEOS = [f"video{k:06d}" for k in range(12)]
TOLD = said(*[(3.0 * k, 3.0 * k + 3, "stir the onions") for k in range(5)])
BROKEN_VIDEO = VIDEOS[7]


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """Twelve videos and their list."""
    folder = tmp_path_factory.mktemp("template")
    rows = [narrated_video(folder, name, 20, seed) for seed, name in enumerate(VIDEOS)]
    (folder / "list.csv").write_text("path\n" + "".join(f"None/{row}\n" for row in rows))
    return folder


@pytest.fixture
def captions(template, tmp_path) -> dict[str, Any]:
    """Link the twelve videos to `tmp_path`; what caption.pickle is to hold."""
    shutil.copytree(template, tmp_path, copy_function=os.link, dirs_exist_ok=True)
    return dict.fromkeys(VIDEOS, TOLD)


def read_howto(folder: Path, captions: Any = None, **more: Any) -> PackReport:
    if captions is not None:
        dump(folder / "caption.pickle", captions)
    config = {"features": folder, "videos": folder / "list.csv", "words": word_file(folder), "out": folder / "d"}
    return import_howto100m(HowTo100MImport(**{**config, "validation": 0.0, "test": 0.0, "progress": False, **more}))


def archive(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def bomb() -> bytes:
    stream = io.BytesIO()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f2", "fortran_order": False, "shape": (2**15, 2048)})
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("features.npy", "w") as member:
        member.write(header.getvalue())
        for _ in range(128):
            member.write(bytes(2**20))
    return stream.getvalue()


ROWS = np.ones((20, 2048), np.float16)
FRAMES = np.full((40, 2000), -1, np.float16)
# Which archive of video 7 is replaced by which bytes (None: it is removed), and the reason that is listed.
ARCHIVES: dict[str, tuple[str, bytes | None, str]] = {
    "2d missing": ("2d", None, "2d: the file does not exist"),
    "spectrogram missing": ("spec", None, "spectrogram: the file does not exist"),
    "zip bomb": ("2d", bomb(), "2d: the array unpacks to 134,217,856 bytes, .* times its packed size"),
    "another key": ("2d", archive(rows=ROWS), "2d: there is no array 'features'"),
    "spectrogram of another key": ("spec", archive(features=FRAMES), "spectrogram: there is no array 'arr_0'"),
    "pickled objects": ("3d", archive(features=np.array([None, {}], dtype=object)), "3d: .* pickled Python objects"),
    "truncated": ("3d", archive(features=ROWS)[:-50], r"3d: not a readable \.npz file"),
    "no archive": ("3d", b"3d features", r"3d: not a readable \.npz file"),
    "a bit that changed": ("2d", archive(features=ROWS).replace(b"\x00\x3c", b"\x00\x3d", 1), "2d: not a readable"),
    "another width": ("2d", archive(features=ROWS[:, :-1]), r"2d: .* time x 2048 .* found float16 of shape \(20, 2047"),
    "no rows": ("2d", archive(features=ROWS[:0]), r"2d: .* found float16 of shape \(0, 2048\)"),
    "integers": ("2d", archive(features=ROWS.astype(np.int32)), "2d: .* found int32 of shape"),
    "NaN": ("3d", archive(features=with_nan(ROWS)), "3d: .* holds NaN, infinity or a value beyond float16"),
    "beyond float16": ("3d", archive(features=np.full((30, 2048), 1e6)), "3d: .* a value beyond float16"),
    "spectrogram transposed": ("spec", archive(arr_0=FRAMES.T), "spectrogram: "),
    "spectrogram with NaN": ("spec", archive(arr_0=with_nan(FRAMES)), "spectrogram: 'arr_0' holds NaN, infinity"),
    "spectrogram of no frames": ("spec", archive(arr_0=FRAMES[:, :0]), "spectrogram: 'arr_0' is 40 x time"),
    "Fortran order": ("2d", archive(features=np.asfortranarray(ROWS)), r"2d: .* Fortran order"),
}


@pytest.fixture(scope="module")
def clean_videos(tmp_path_factory, template) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("clean videos")
    shutil.copytree(template, folder, copy_function=os.link, dirs_exist_ok=True)
    dataset = read_howto(folder, dict.fromkeys(VIDEOS, TOLD)).dataset
    return {name: everything(dataset, name) for name in dataset.ids}


def check_the_others(report: PackReport, clean_videos: dict[str, dict[str, Any]], name: str = BROKEN_VIDEO) -> None:
    kept = [known for known in clean_videos if not known.startswith(name)]
    assert [known for known in report.dataset.ids if not known.startswith(name)] == kept
    for known in kept[::6]:
        assert everything(report.dataset, known) == clean_videos[known]


@pytest.mark.parametrize("broken", ARCHIVES)
def test_a_broken_archive(tmp_path, captions, clean_videos, broken):
    stream, data, reason = ARCHIVES[broken]
    file = tmp_path / "video_0" / BROKEN_VIDEO / f"{BROKEN_VIDEO}_{stream}.npz"
    file.unlink()
    if data is not None:
        file.write_bytes(data)
    report = read_howto(tmp_path, captions)
    (left,) = report.quarantined
    assert left.id == BROKEN_VIDEO
    assert re.search(reason, left.reason), left.reason
    assert not any(name.startswith(BROKEN_VIDEO) for name in report.dataset.ids)
    check_the_others(report, clean_videos)


# What video 7 is said to hold; how many clips it then has; the list of (id, reason) that is listed.
SAID: dict[str, tuple[Any, int, list[tuple[str, str]]]] = {
    "no captions": (None, 0, [(BROKEN_VIDEO, "it has no captions")]),
    "captions that are a list": (["now"], 0, [(BROKEN_VIDEO, "captions: captions are a dictionary of start, end and")]),
    "unequal lengths": ({**TOLD, "end": [1.0]}, 0, [(BROKEN_VIDEO, r"captions: .* found \[5, 1, 5\]")]),
    "none": ({"start": [], "end": [], "text": []}, 0, [(BROKEN_VIDEO, r"captions: .* found \[0, 0, 0\]")]),
    "NaN times": ({**TOLD, "start": [np.nan] * 5}, 0, [(BROKEN_VIDEO, "captions: start and end are finite numbers")]),
    "times that are text": (
        {**TOLD, "start": ["0:01"] * 5},
        0,
        [(BROKEN_VIDEO, "captions: start and end are seconds")],
    ),
    "a text that is none": (
        {**TOLD, "text": ["now", np.nan, "now", None, "now"]},
        5,
        [(BROKEN_VIDEO, "2 of its 5 captions are no text, as caption 1; their words are missing")],
    ),
    "end before start": (
        said((2, 13, "now"), (1.5, 1, "now")),
        1,
        [
            (BROKEN_VIDEO, "1 of its 2 captions end before they start, as caption 1"),
            (f"{BROKEN_VIDEO}:0001", "it ends at 1 s and starts at 2 s"),
        ],
    ),
    "ends before it starts throughout": (
        said((5, 1, "now")),
        0,
        [
            (BROKEN_VIDEO, "1 of its 1 captions end before they start"),
            (f"{BROKEN_VIDEO}:0000", "it ends at 1 s and starts at 5 s"),
            (BROKEN_VIDEO, "none of its clips is usable"),
        ],
    ),
    "starts and ends swapped, and yet clips are long": (
        said((5, 0, "now"), (10, 5, "now"), (15, 10, "now")),
        3,
        [(BROKEN_VIDEO, "3 of its 3 captions end before they start, as caption 0")],
    ),
    "blank captions": (
        said((0, 11, ""), (11, 22, "now"), (22, 33, "  ")),
        3,
        [(f"{BROKEN_VIDEO}:{seed}", "text: it has no caption") for seed in ("0000", "0002")],
    ),
    "words that are not known": (
        said((0, 11, "whisk"), (11, 22, "now")),
        2,
        [(f"{BROKEN_VIDEO}:0000", "no word of the caption is known: 'whisk'")],
    ),
}


@pytest.mark.parametrize("broken", SAID)
def test_broken_captions_of_a_video(tmp_path, captions, clean_videos, broken):
    told, number, expected = SAID[broken]
    all_told = {**captions, BROKEN_VIDEO: told}
    if told is None:
        del all_told[BROKEN_VIDEO]
    report = read_howto(tmp_path, all_told)
    assert [left.id for left in report.quarantined] == [name for name, _ in expected]
    for left, (_, reason) in zip(report.quarantined, expected, strict=True):
        assert re.search(reason, left.reason), left.reason
    assert sum(name.startswith(BROKEN_VIDEO) for name in report.dataset.ids) == number
    check_the_others(report, clean_videos)


def test_a_negative_start_is_clamped(tmp_path, captions):
    captions = {**captions, BROKEN_VIDEO: said((-0.5, 11.0, "now"), (-4.0, -1.0, "now"))}
    report = read_howto(tmp_path, captions)
    dataset = report.dataset
    start, end = (dataset.table.column(name).to_pylist() for name in ("start", "end"))
    row = dataset.ids.index(f"{BROKEN_VIDEO}:0000")
    assert (start[row], end[row]) == (0.0, 11.0)
    assert dataset.has("video")[row]
    assert [left.id for left in report.quarantined] == [f"{BROKEN_VIDEO}:0001"]


def test_a_clip_beyond_the_features_lacks_them(tmp_path, captions):
    captions = {**captions, BROKEN_VIDEO: said((0.0, 10.0, "now"), (500.0, 510.0, "the pan"))}
    dataset = read_howto(tmp_path, captions).dataset
    row = dataset.ids.index(f"{BROKEN_VIDEO}:0001")
    assert [bool(dataset.has(name)[row]) for name in ("video", "audio", "text")] == [False, False, True]


LISTS: dict[str, tuple[str, str]] = {
    "a path that leaves the folder": (
        "path\nfood/../../other/a\n",
        "row 0: a path lies below the folder .*, found 'food/",
    ),
    "an absolute path": ("path\n/etc/passwd\n", "row 0: a path lies below the folder of the features, found '/etc/pas"),
    "an absolute path behind None": ("path\nNone//etc/passwd\n", "row 0: a path lies below the folder"),
    "another column": ("video\na\n", "the first line must be `path`, found 'video'"),
    "no first line": (
        "None/x/a\nNone/x/b\n",
        "the first line must be `path`, found 'None/x/a'.*before the first video",
    ),
    "a video twice": ("path\nx/a\ny/b\nz/a\n", "row 2: the video 'a' is in rows 0 and 2"),
    "nothing": ("", "the list is empty"),
    "a first line alone": ("path\n", "the list is empty"),
}


@pytest.mark.parametrize("broken", LISTS)
def test_broken_training_lists(tmp_path, broken):
    text, message = LISTS[broken]
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_howto(tmp_path, {"a": TOLD})
    assert "list.csv" in str(caught.value)
    assert not (tmp_path / "d").exists()
    assert not (tmp_path / ".d.import").exists()


def test_a_list_of_one_line_per_video_that_names_none(tmp_path):
    (tmp_path / "list.txt").write_text("path\n")
    with pytest.raises(DataError, match=r"list\.txt: the list names no video"):
        read_howto(tmp_path, {"a": TOLD}, videos=tmp_path / "list.txt")


@pytest.mark.parametrize("broken", ["missing", "a list", "runs a command"])
def test_a_broken_caption_pickle(tmp_path, captions, broken):
    message = {"missing": "does not exist", "a list": "expected a dictionary", "runs a command": "system"}[broken]
    if broken != "missing":
        dump(tmp_path / "caption.pickle", [] if broken == "a list" else Command(f"touch {tmp_path}/ran"))
    with pytest.raises(DataError, match=message) as caught:
        read_howto(tmp_path)
    assert "caption.pickle" in str(caught.value)
    assert not (tmp_path / "d").exists()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("data", "message"), [("task\nx\n", "no field names videos; fields: .*task"), (None, "does not exist")]
)
def test_broken_lists_of_what_is_left_out(tmp_path, captions, data, message):
    if data is not None:
        (tmp_path / "evaluated.csv").write_text(data)
    with pytest.raises(DataError, match=rf"evaluated\.csv: .*{message}"):
        read_howto(tmp_path, captions, exclude=(tmp_path / "evaluated.csv",))
    assert not (tmp_path / ".d.import").exists()


@pytest.mark.parametrize("broken", ["missing", "text"])
def test_broken_word_vectors_are_found_before_videos_are_read(tmp_path, captions, broken):
    words = tmp_path / "other.bin"
    if broken == "text":
        words.write_text("the 0.1 0.2\n")
    with pytest.raises(DataError, match=r"other\.bin: (the file does not exist|not a word2vec binary file)"):
        read_howto(tmp_path, captions, words=words)
    assert not (tmp_path / ".d.import").exists()


STEPS = {"10": ["stir the onions", "fry the eggs"], "20": ["cut the onions"]}
PAIRS = [("a", "10"), ("b", "10"), ("c", "20"), *((f"more{k}", "20") for k in range(9))]


def write_crosstask(folder: Path) -> None:
    random = np.random.default_rng(0)
    (folder / "step.json").write_text(json.dumps(STEPS))
    lines = ["video_id,task", *(f"{video},{task}" for video, task in PAIRS)]
    (folder / "cvpr19_test.csv").write_text("\n".join(lines) + "\n")
    for video, task in PAIRS:
        np.save(folder / f"{video}_2d.npy", random.random((6, 2048)).astype(np.float32))
        np.save(folder / f"{video}_3d.npy", random.random((9, 2048)).astype(np.float32))
        np.savez(folder / f"{video}.npz", arr_0=np.full((40, 600), -1, np.float16))
        annotation = np.zeros((6, len(STEPS[task])))
        annotation[2, 0] = 1
        np.save(folder / f"{task}_{video}.npy", annotation)


def read_crosstask(folder: Path) -> PackReport:
    return import_crosstask(CrossTaskImport(features=folder, words=word_file(folder), out=folder / "d", progress=False))


ONES = np.ones((6, 2))
# A file of video "b" and what it holds; whether the video stays; the reason that is listed.
CROSSTASK: dict[str, tuple[str, np.ndarray | bytes | None, bool, str]] = {
    "annotation missing": ("10_b.npy", None, False, "annotation: the file does not exist"),
    "annotation of another width": ("10_b.npy", ONES[:, :1], False, r"seconds x 2 steps of 0 and 1, .* \(6, 1\)"),
    "annotation of one axis": ("10_b.npy", ONES[0], False, r"seconds x 2 steps of 0 and 1, .* \(2,\)"),
    "annotation of other values": ("10_b.npy", 2 * ONES, False, "seconds x 2 steps of 0 and 1"),
    "annotation with NaN": ("10_b.npy", np.nan * ONES, False, "seconds x 2 steps of 0 and 1"),
    "annotation of text": ("10_b.npy", np.array([["0", "1"]] * 6), False, "seconds x 2 steps of 0 and 1"),
    "annotation of no seconds": ("10_b.npy", ONES[:0], False, "seconds x 2 steps of 0 and 1"),
    "fewer seconds than steps": ("10_b.npy", ONES[:1], False, "1 seconds for 2 steps, each of which takes one"),
    "annotation of objects": ("10_b.npy", b"objects", False, "annotation: .* pickled Python objects"),
    "annotation of many more seconds": (
        "10_b.npy",
        np.zeros((73, 2)),
        False,
        r"annotation: 10_b\.npy has 73 seconds for a video of 6; at most 72 are read",
    ),
    "no step": ("10_b.npy", 0 * ONES, True, "no step occurs in it; it counts in no average"),
    "2d missing": ("b_2d.npy", None, False, "video: the file does not exist"),
    "2d of another width": ("b_2d.npy", ONES, False, r"b_2d\.npy is time x 2048, found float64 of \(6, 2\)"),
    "3d with infinity": ("b_3d.npy", np.full((9, 2048), np.inf), False, r"b_3d\.npy holds NaN or infinity"),
    "2d truncated": ("b_2d.npy", b"truncated", False, "video: the file is truncated"),
    "audio missing": ("b.npz", None, True, "audio: the file does not exist"),
    "audio that is no archive": ("b.npz", b"sound", True, r"audio: not a readable \.npz file"),
}


@pytest.mark.parametrize("broken", CROSSTASK)
def test_a_broken_video_of_crosstask(tmp_path, broken):
    name, data, stays, reason = CROSSTASK[broken]
    write_crosstask(tmp_path)
    file = tmp_path / name
    if data is None:
        file.unlink()
    elif isinstance(data, np.ndarray):
        np.save(file, data)
    elif data == b"objects":
        np.save(file, np.array([[{}, 1]], dtype=object))
    elif data == b"truncated":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        file.write_bytes(data)
    report = read_crosstask(tmp_path)
    (left,) = report.quarantined
    assert left.id == "b"
    assert re.search(reason, left.reason), left.reason
    others = [video for video, _ in PAIRS if stays or video != "b"]
    assert report.dataset.ids == ["10/1", "10/2", "20/1", *others]
    has = report.dataset.has("audio")[report.dataset.split("test")].tolist()
    assert has == [video != "b" or not name.endswith("npz") for video in others]


STEP_FILES: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "not valid JSON"),
    "a list": ("[]", "steps are an object from task to the names of its steps"),
    "a task without steps": ('{"10": ["a"], "20": []}', "steps are an object from task to the names of its steps"),
    "a blank step": ('{"10": ["a", " "], "20": ["b"]}', "steps are an object from task to the names of its steps"),
    "a step that is a number": ('{"10": [1], "20": ["b"]}', "steps are an object from task to the names of its steps"),
    "half a character": ('{"10": ["\\ud800"], "20": ["b"]}', "steps are an object from task to the names"),
    "an unknown task": ('{"10": ["a"]}', r"cvpr19_test\.csv: the tasks \['20'\] have no steps"),
}


@pytest.mark.parametrize("broken", STEP_FILES)
def test_broken_steps(tmp_path, broken):
    text, message = STEP_FILES[broken]
    write_crosstask(tmp_path)
    (tmp_path / "step.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_crosstask(tmp_path)
    assert not (tmp_path / ".d.import").exists()


def test_a_video_of_crosstask_that_is_a_path(tmp_path):
    write_crosstask(tmp_path)
    (tmp_path / "cvpr19_test.csv").write_text("video_id,task\n../a,10\n")
    with pytest.raises(DataError, match=r"cvpr19_test\.csv, row '\.\./a': a video and its task are names, not paths"):
        read_crosstask(tmp_path)


def doubled(levels: int = 60) -> object:
    value: object = 1
    for _ in range(levels):
        value = (value, value)
    return value


def test_what_is_spelled_out_of_an_entry_is_short():
    with pytest.raises(DataError, match=r"its id is \(\(\.\.\.\), \(\.\.\.\)\)"):
        entry_id({"id": doubled()}, Path("f.pkl"), 0)
    with pytest.raises(DataError, match="980 more") as caught:
        entry_id({"long " * 10**3 + str(k): k for k in range(1000)}, Path("f.pkl"), 0)
    assert len(str(caught.value)) < 3000
    with pytest.raises(DataError, match="holds no sentence") as caught:
        sentences({"caption": [" " * 10**5] * 10**2}, "caption")
    assert len(str(caught.value)) < 1000


def test_an_action_clip_whose_parts_double(tmp_path):
    entry = {"video": doubled(), "class": doubled(), "training": doubled()}
    settings = ActionsImport(name="hmdb51", files=(Path("f.pkl"),), features=tmp_path, out=tmp_path, words=tmp_path)
    for changed in ({}, {"video": "a"}, {"video": "a", "class": "b"}):
        (left,) = action_record({**entry, **changed}, "f.pkl[0]", Seen(), settings).quarantined
        assert len(left.reason) < 300


def test_a_video_whose_id_is_longer_than_a_name_of_a_file(tmp_path, captions):
    long = "x" * 300
    rows = (tmp_path / "list.csv").read_text()
    (tmp_path / "long.csv").write_text(f"{rows.rstrip()}\nvideo_0/{long}\n")
    report = read_howto(tmp_path, {**captions, long: TOLD}, videos=tmp_path / "long.csv")
    assert {left.id for left in report.quarantined} == {long}
    assert "2d: the file does not exist" in report.quarantined[0].reason


def test_a_packed_list_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "RATIO_COUNTS_FROM", 2**20)
    line = json.dumps({"id": "a"}).encode() + b"\n"
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b" " * 2**21 + line))
    with pytest.raises(DataError, match=r"a\.jsonl\.gz: the list unpacks to more than .* Where you trust the file"):
        read_list(tmp_path / "a.jsonl.gz")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(line * 10))
    assert len(read_list(tmp_path / "a.jsonl.gz").rows) == 10


def test_a_clip_in_the_training_and_the_test_file(tmp_path):
    shared = "GLd3aX16zBg_90_102"
    dump(tmp_path / "youcook_train_audio.pkl", [youcook2_entry(shared), youcook2_entry("GLd3aX16zBg_1_2")])
    dump(tmp_path / TEST, [youcook2_entry("GLd3aX16zBh_1_2"), youcook2_entry(shared)])
    config = YouCook2Import(features=tmp_path, out=tmp_path / "d", words=word_file(tmp_path), progress=False)
    with pytest.raises(DataError, match=rf"{TEST}, row 1: the clip '{shared}' is in youcook_train_audio\.pkl\[0\]"):
        import_youcook2(config)
    assert not (tmp_path / "d").exists()


def test_clips_in_a_list_of_what_is_left_out(tmp_path, captions):
    (tmp_path / "clips.txt").write_text("GLd3aX16zBg_90_102\n")
    listed = [ListedVideo(PurePosixPath("food/GLd3aX16zBg")), ListedVideo(PurePosixPath("food/other"))]
    with pytest.raises(DataError, match=r"clips\.txt: .* names clips, such as 'GLd3aX16zBg_90_102'; 1 of .* 11 char"):
        find_excluded([tmp_path / "clips.txt"], listed)
    (tmp_path / "strangers.txt").write_text("GLd3aX16zBh_90_102\n")
    assert find_excluded([tmp_path / "strangers.txt"], listed)[0].ids == frozenset()


def test_a_split_of_a_data_set_is_left_out(tmp_path, captions, capsys):
    evaluated = read_howto(tmp_path, captions, out=tmp_path / "evaluated", validation=0.5).dataset
    measured, learnt = (set(split_videos(evaluated, split)) for split in ("val", "train"))
    assert measured
    assert learnt
    asked = Path(f"{evaluated.path}:val")
    report = read_howto(tmp_path, captions, exclude=(asked,), progress=True)
    assert set(report.dataset.source or []) == learnt
    assert {entry.id for entry in report.quarantined} == measured
    assert f"{asked}: takes {len(measured)} of 12 listed videos out" in capsys.readouterr().err


def test_the_film_of_a_clip_of_lsmdc():
    assert film_of("1004_Juno_00.00.32.167-00.00.37.564") == "1004_Juno"
    assert film_of("3001_21_JUMP_STREET_00.03.01.641-00.03.03.006.avi") == "3001_21_JUMP_STREET"
    assert film_of("0001_clip") == "0001_clip"


def test_there_are_words_for_what_these_tests_say():
    assert {"stir", "the", "onions", "now", "pan"} <= set(WORDS)
