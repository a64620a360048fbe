from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_maker import content, word_file

from trichord.data import Dataset, completing, packing
from trichord.data.captioning import Wording
from trichord.data.journal import Journal
from trichord.data.packing import (
    PackedItem,
    Packer,
    PackReport,
    Quarantined,
    Record,
    discard_import,
    read_quarantine,
)
from trichord.data.specification import Header, ModalityHeader, Stream
from trichord.data.tokens import EnglishConfig
from trichord.errors import ConfigError, DataError
from trichord.modality import AUDIO, TEXT, VIDEO

DTYPES = {"video": np.dtype(np.float32), "audio": np.dtype(np.float16), "audio.mel": np.dtype(np.float16)}
# Line ends that only text knows, and a character of three bytes to be cut inside of.
CAPTIONS = ["stir\u2028the pan", "玉ねぎ in\x85the pan\x0bnow", "fry the eggs\r\nin the pan"]


def records(cut: bool = False, number: int = 4) -> list[Record]:
    random = np.random.default_rng(5)
    made = []
    for place in range(number):
        items = []
        for k in range(place % 3 if place else 1):
            features: dict[str, list[np.ndarray]] = {"video": [random.standard_normal(3).astype(np.float32)]}
            if not cut and (place + k) % 2:
                features["audio"] = [random.standard_normal((1 + k + place, 2)).astype(np.float32)]
            captions = [CAPTIONS[place % 3], "now"][: 1 + k]
            columns: dict[str, Any] = {"source": f"source {place}", "captions": captions, "rank": place or None}
            if cut:
                columns |= {"start": 1.0 * k, "end": 2.0 + k}
            items.append(PackedItem(f"clip {place}/{k}", "train" if place % 2 else "test", columns, features))
        streams = {"audio": {"mel": random.standard_normal((9, 2)).astype(np.float32)}} if cut else {}
        left = [Quarantined(f"part of {place}", "it is broken")] if place == 2 else []
        made.append(Record(f"source {place}", items, streams, left))
    return made


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Path:
    return word_file(tmp_path_factory.mktemp("words"))


def packer(out: Path, words: Path, cut: bool = False, overwrite: bool = False, **identity: Any) -> Packer:
    wording = Wording(EnglishConfig().build(), words)
    described, dim = wording.describe()
    streams = (Stream("mel", 2, 1.0),) if cut else ()
    header = Header(
        "packed",
        (
            ModalityHeader(VIDEO, "pooled", 3),
            ModalityHeader(AUDIO, "sequence", 2, streams=streams),
            ModalityHeader(TEXT, "words", dim, words=described),
        ),
    )
    return Packer(out, header, DTYPES, wording, {"files": {"a": [1, 2]}, **identity}, overwrite=overwrite)


def pack(out: Path, words: Path, wanted: Iterable[Record], **more: Any) -> PackReport:
    with packer(out, words, **more) as opened:
        for record in list(wanted)[opened.done :]:
            opened.add(record)
        return opened.finish(1.0)


@pytest.mark.parametrize("cut", [False, True])
def test_what_was_packed_is_read_again(tmp_path, words, cut):
    wanted = records(cut)
    report = pack(tmp_path / "d", words, wanted, cut=cut)
    dataset = report.dataset
    items = [item for record in wanted for item in record.items]
    assert dataset.ids == [item.id for item in items]
    assert dataset.split_names() == [item.split for item in items]
    assert dataset.source == [item.columns["source"] for item in items]
    assert dataset.label("rank") == [item.columns["rank"] for item in items]
    assert [dataset.captions(row) for row in range(len(items))] == [item.columns["captions"] for item in items]
    for name in ("video", "audio"):
        index = dataset.instances(name)
        for row, item in enumerate(items):
            if cut and name == "audio":
                continue
            expected = item.features.get(name, [])
            assert index.count[row] == len(expected)
            for k, features in enumerate(expected):
                read = dataset.read(name, index.first[row : row + 1] + k)
                np.testing.assert_array_equal(read.values[0], features.astype(DTYPES[name]).astype(np.float32))
    if cut:
        streams = {record.key: record.streams["audio"]["mel"] for record in wanted}
        values = dataset.read("audio", dataset.instances("audio").first).values
        for row, item in enumerate(items):
            first, last = int(item.columns["start"]), int(item.columns["end"])
            rows = streams[item.columns["source"]][first : last + 1].astype(np.float16)
            np.testing.assert_array_equal(values[row, : len(rows)], rows)
    table = dataset.words("text")
    assert table is not None
    said = dataset.read("text", np.arange(dataset.spec.modalities[2].num_instances))
    assert said.lengths is not None
    sentences = [[table.words[k] for k in row[:n]] for row, n in zip(said.values, said.lengths, strict=True)]
    assert sentences[0] == ["stir", "the", "pan"]
    assert ["玉ねぎ", "in", "the", "pan", "now"] in sentences
    assert report.quarantined == (Quarantined("part of 2", "it is broken"),) == read_quarantine(dataset.path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["d"]
    assert not (dataset.path / "journal.jsonl").exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, words) -> dict[bool, dict[str, bytes]]:
    """Plain and cut from streams -> the files of an import that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return {cut: content(pack(folder / str(cut), words, records(cut), cut=cut).dataset.path) for cut in (False, True)}


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("stop", range(4))
def test_stopped_after_arrays_were_written(tmp_path, words, whole, monkeypatch, stop, cut):
    with monkeypatch.context() as patched, packer(tmp_path / "d", words, cut) as opened:
        for record in records(cut)[:stop]:
            opened.add(record)

        def fail(self: Journal, line: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(Journal, "append", fail)
        with pytest.raises(KeyboardInterrupt):
            opened.add(records(cut)[stop])
    with packer(tmp_path / "d", words, cut) as opened:
        assert opened.done == stop
    assert content(pack(tmp_path / "d", words, records(cut), cut=cut).dataset.path) == whole[cut]


def test_a_journal_cut_anywhere(tmp_path, words, whole):
    with packer(tmp_path / "made", words) as opened:
        for record in records():
            opened.add(record)
    work = tmp_path / ".made.import"
    journal = (work / "journal.jsonl").read_bytes()
    arrays = {file.name: file.read_bytes() for file in work.glob("*.npy")}
    cut_inside = journal.rindex("玉".encode()) + 1
    ends = [k + 1 for k, byte in enumerate(journal) if byte == ord("\n")]
    for length in {0, 1, cut_inside, *ends, *(end - 1 for end in ends), *range(0, len(journal), 401)}:
        place = tmp_path / f".{length}.import"
        place.mkdir()
        (place / "journal.jsonl").write_bytes(journal[:length])
        for name, data in arrays.items():
            (place / name).write_bytes(data)
        with packer(tmp_path / str(length), words) as opened:
            assert opened.done == max(0, sum(end <= length for end in ends) - 1)
        assert content(pack(tmp_path / str(length), words, records()).dataset.path) == whole[False], length


@pytest.mark.parametrize("what", ["complete", "write_json", "write_header", "replace_folder", "npy_header"])
def test_stopped_while_it_is_completed(tmp_path, words, whole, monkeypatch, what):
    real = getattr(packing, what)

    def fail(*args: object, **named: object) -> None:
        if what in ("complete", "write_header"):
            real(*args, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(packing, what, fail)
        with pytest.raises(KeyboardInterrupt):
            pack(tmp_path / "d", words, records())
    assert not (tmp_path / "d").exists()
    assert content(pack(tmp_path / "d", words, records()).dataset.path) == whole[False]


KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_packing import packer, records
with packer(Path({out!r}), Path({words!r})) as opened:
    for record in records():
        opened.add(record)
        print(opened.done, flush=True)
        time.sleep(0.2 if opened.done < 2 else 60)
"""


def test_killed_and_taken_up(tmp_path, words, whole):
    script = KILLED.format(tests=str(Path(__file__).parent), out=str(tmp_path / "d"), words=str(words))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert [process.stdout.readline().strip() for _ in range(2)] == ["1", "2"]
    with pytest.raises(DataError, match="another import is writing here"):
        packer(tmp_path / "d", words)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with packer(tmp_path / "d", words) as opened:
        assert opened.done == 2
    assert content(pack(tmp_path / "d", words, records()).dataset.path) == whole[False]


def test_what_lies_behind_the_journal_is_no_part_of_the_data(tmp_path, words, whole):
    with packer(tmp_path / "d", words) as opened:
        opened.add(records()[0])
    for name in ("video", "audio"):
        with open(tmp_path / ".d.import" / f"{name}.npy", "ab") as array:
            array.write(b"rest of a record")
    assert content(pack(tmp_path / "d", words, records()).dataset.path) == whole[False]


def test_an_array_shorter_than_the_journal(tmp_path, words):
    with packer(tmp_path / "d", words) as opened:
        for record in records():
            opened.add(record)
    array = tmp_path / ".d.import" / "video.npy"
    os.truncate(array, array.stat().st_size - 1)
    for _ in range(2):  # the lock is given up, so that the message stays the same
        with pytest.raises(DataError, match=r"video\.npy: .* the journal accounts for .* Remove .* import anew"):
            packer(tmp_path / "d", words)
    discard_import(tmp_path / "d")
    with packer(tmp_path / "d", words) as opened:
        assert opened.done == 0


@pytest.mark.parametrize("changed", [{"files": {"a": [1, 3]}}, {"language": "japanese"}, {"cut": True}])
def test_another_import_is_not_continued(tmp_path, words, changed):
    with packer(tmp_path / "d", words) as opened:
        opened.add(records()[0])
    before = content(tmp_path / ".d.import")
    with pytest.raises(DataError, match=r"other files or with other settings .* remove this folder"):
        packer(tmp_path / "d", words, **changed)
    assert content(tmp_path / ".d.import") == before


def test_a_damaged_journal(tmp_path, words):
    with packer(tmp_path / "d", words) as opened:
        opened.add(records()[0])
        opened.add(records()[1])
    journal = tmp_path / ".d.import" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + bytes(20) + b"\n" + lines[2])
    with pytest.raises(DataError, match=r"journal\.jsonl: the journal is damaged .* import anew"):
        packer(tmp_path / "d", words)


def test_two_imports_at_once(tmp_path, words):
    with packer(tmp_path / "d", words) as first:
        with pytest.raises(DataError, match="another import is writing here"):
            packer(tmp_path / "d", words)
        first.add(records()[0])
    with packer(tmp_path / "d", words) as second:
        assert second.done == 1


def lost(number: int, of: int, unwanted: int = 0) -> list[Record]:
    whole = [
        Record(f"r{k}", [PackedItem(f"r{k}", "train", {"captions": ["now"]}, {"video": [np.ones(3, np.float32)]})])
        for k in range(of - number)
    ]
    broken = [Record(f"b{k}", quarantined=[Quarantined(f"b{k}", f"reason {k}")]) for k in range(number)]
    left = [Record(f"u{k}", quarantined=[Quarantined(f"u{k}", "not wanted")], unwanted=True) for k in range(unwanted)]
    return [*whole, *broken, *left]


def test_too_much_left_out(tmp_path, words):
    with packer(tmp_path / "d", words) as opened:
        for record in lost(2, of=10):
            opened.add(record)
        with pytest.raises(DataError, match=r"2 of 10 records .* 10%: b0: reason 0; b1: reason 1\..*--max-quarantined"):
            opened.finish(0.1)
    assert not (tmp_path / "d").exists()
    with packer(tmp_path / "d", words) as opened:
        assert opened.done == 10
        assert len(opened.finish(0.2).quarantined) == 2


def test_what_is_not_wanted_does_not_count_as_unusable(tmp_path, words):
    with packer(tmp_path / "d", words) as opened:
        for record in lost(1, of=10, unwanted=30):
            opened.add(record)
        assert len(opened.finish(0.1).quarantined) == 31


@pytest.mark.parametrize("wanted", [[], lost(3, of=3), lost(0, of=0, unwanted=2)])
def test_nothing_left(tmp_path, words, wanted):
    with packer(tmp_path / "d", words) as opened:
        for record in wanted:
            opened.add(record)
        with pytest.raises(DataError, match=f"none of {len(wanted)} records makes an item"):
            opened.finish(1.0)
    assert not (tmp_path / "d").exists()


def test_overwrite(tmp_path, words, whole):
    pack(tmp_path / "d", words, records(cut=True), cut=True)
    with pytest.raises(ConfigError, match="already holds a data set"):
        packer(tmp_path / "d", words)
    assert content(tmp_path / "d") == whole[True]
    with packer(tmp_path / "d", words, overwrite=True) as opened:
        for record in records():
            opened.add(record)
        assert content(tmp_path / "d") == whole[True], "the old set stays until the new one is whole"
        opened.finish(1.0)
    assert content(tmp_path / "d") == whole[False]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not a data set; it is never replaced"):
        packer(tmp_path / "other", words, overwrite=True)


def test_captions_without_known_words(tmp_path, words, monkeypatch):
    monkeypatch.setattr(completing, "_AT_ONCE", 2)  # parts of the items are indexed one after another
    said = [["stir Onions", "Beat!"], ["whisk"], ["the the pan", "blend", "now"], ["in a pan"], []]
    wanted = [
        Record(f"r{k}", [PackedItem(f"r{k}", "train", {"captions": texts}, {"video": [np.ones(3, np.float32)]})])
        for k, texts in enumerate(said)
    ]
    report = pack(tmp_path / "d", words, wanted)
    dataset = report.dataset
    assert [dataset.captions(row) for row in range(5)] == [
        ["stir Onions"],
        [],
        ["the the pan", "now"],
        ["in a pan"],
        [],
    ]
    assert dataset.instances("text").count.tolist() == [1, 0, 2, 1, 0]
    assert [(entry.id, entry.reason) for entry in report.quarantined] == [
        (name, f"no word of the caption is known: {shown}; the caption was left out")
        for name, shown in [("r0", "'Beat!'"), ("r1", "'whisk'"), ("r2", "'blend'")]
    ]
    (text,) = (entry.words for entry in dataset.spec.modalities if entry.words is not None)
    assert (text.tokens, text.known) == (2 + 1 + 1 + 3 + 1 + 1 + 3, 1 + 3 + 1 + 2)
    assert (text.source, json.loads((dataset.path / "text.words.json").read_text())) == (
        "words.bin",
        ["stir", "the", "in", "pan", "now"],
    )


def test_what_was_left_out_is_shown_without_control_characters():
    shown = Quarantined("玉ねぎ é\x1b[2J\n\u202e\ud800", "it is\x07 broken").to_text()
    assert shown == r"玉ねぎ é\x1b[2J\n\u202e\ud800: it is\x07 broken"


def test_a_modality_that_nothing_has(tmp_path, words):
    dataset = pack(tmp_path / "d", words, lost(0, of=2)).dataset
    assert dataset.has("audio").tolist() == [False, False]
    assert np.load(dataset.path / "audio.npy").shape == (0, 2)
    assert isinstance(Dataset.open(dataset.path), Dataset)


def test_many_parts_make_the_same_data_set(tmp_path, words, whole, monkeypatch):
    for cut in (False, True):
        with monkeypatch.context() as patched:
            patched.setattr(completing, "_AT_ONCE", 1)
            found = content(pack(tmp_path / str(cut), words, records(cut), cut=cut).dataset.path)
        table = "items.parquet"  # its columns are written in as many parts; what they hold is in the fingerprint
        assert {k: v for k, v in found.items() if k != table} == {k: v for k, v in whole[cut].items() if k != table}
        one = pack(tmp_path / f"one {cut}", words, records(cut), cut=cut).dataset
        assert Dataset.open(tmp_path / str(cut)).fingerprint() == one.fingerprint()


def test_killed_before_the_header_of_an_array_was_written(tmp_path, words, whole):
    packer(tmp_path / "d", words).__exit__(None, None, None)
    os.truncate(tmp_path / ".d.import" / "video.npy", 0)
    os.truncate(tmp_path / ".d.import" / "audio.npy", 7)
    assert content(pack(tmp_path / "d", words, records()).dataset.path) == whole[False]


def test_killed_before_the_journal_of_the_finished_set_was_removed(tmp_path, words, whole):
    pack(tmp_path / "d", words, records())
    (tmp_path / "d" / "journal.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match="already holds a data set"):
        packer(tmp_path / "d", words)
    assert content(tmp_path / "d") == whole[False]
