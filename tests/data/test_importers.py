from __future__ import annotations

import csv
import gzip
import json
import os
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from published_maker import (
    content,
    dump,
    narrated_video,
    said,
    unit,
    word_file,
    youcook2_entry,
)
from torch import nn

from trichord.batch import Embeddings
from trichord.cli.main import main
from trichord.data import Dataset
from trichord.data.check import check_dataset
from trichord.data.generated import (
    CrossTaskConfig,
    HowTo100MConfig,
    LsmdcConfig,
    MsrvttConfig,
    WordVectorsConfig,
    YouCook2Config,
    write_crosstask,
    write_howto100m,
    write_lsmdc,
    write_msrvtt,
    write_word_vectors,
    write_youcook2,
)
from trichord.data.importers.clips import held_out
from trichord.data.importers.crosstask import CrossTaskImport, adaptive_maximum, import_crosstask
from trichord.data.importers.howto100m import HowTo100MImport, import_howto100m
from trichord.data.importers.lists import read_list
from trichord.data.importers.lsmdc import LsmdcImport, import_lsmdc
from trichord.data.importers.msrvtt import MsrvttImport, import_msrvtt
from trichord.data.importers.youcook2 import YouCook2Import, import_youcook2
from trichord.data.packing import Packer
from trichord.errors import ConfigError, DataError
from trichord.evaluation import evaluate
from trichord.evaluation.crosstask import StepEvaluationConfig, evaluate_steps
from trichord.evaluation.settings import EvaluationConfig
from trichord.modality import Task

SHORT = {"frames": (8, 16)}


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    return write_word_vectors(folder / "words.bin", WordVectorsConfig(dim=8, num_fillers=20)).file


def settings(files: Path, words: Path, out: Path, **more: Any) -> dict[str, Any]:
    return {"features": files, "words": words, "out": out, "progress": False, **more}


def check_clips(dataset: Dataset, entries: dict[str, dict[str, Any]], captions: str, suffix: str) -> None:
    """Compare items with what plain pickle reads of the files."""
    for name, entry in entries.items():
        row = dataset.ids.index(name)
        video, audio = dataset.instances("video"), dataset.instances("audio")
        assert (video.count[row], audio.count[row]) == (1, 1)
        streams = [np.asarray(entry[f"{key}{suffix}"]) for key in ("2d", "3d")]
        read = dataset.read("video", video.first[row : row + 1]).values[0]
        np.testing.assert_allclose(read, unit(*streams), rtol=2e-6, atol=1e-9)
        frames = dataset.read("audio", audio.first[row : row + 1]).values[0]
        np.testing.assert_array_equal(frames, entry["audio"].numpy().T.astype(np.float16).astype(np.float32))
        wanted = [entry[captions]] if isinstance(entry[captions], str) else list(entry[captions])
        assert dataset.captions(row) == wanted
        table = dataset.words("text")
        assert table is not None
        text = dataset.instances("text")
        sentences = dataset.read("text", text.first[row] + np.arange(text.count[row]))
        assert sentences.lengths is not None
        for caption, ids, length in zip(wanted, sentences.values, sentences.lengths, strict=True):
            assert [table.words[k] for k in ids[:length]] == [w for w in caption.split() if w in table.words]


def read_plainly(file: Path) -> dict[str, dict[str, Any]]:
    with open(file, "rb") as stream:
        return {entry["id"]: entry for entry in pickle.load(stream)}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_youcook2(tmp_path, words, protocol):
    made = write_youcook2(
        tmp_path / "f", YouCook2Config(num_clips={"train": 40, "val": 12}, protocol=protocol, **SHORT)
    )
    report = import_youcook2(YouCook2Import(**settings(tmp_path / "f", words, tmp_path / "d", validation=0.3)))
    dataset, train, test = report.dataset, read_plainly(made["train"].file), read_plainly(made["val"].file)
    assert report.quarantined == ()
    assert dataset.ids == [*train, *test]
    check_clips(dataset, {**train, **test}, "caption", "")
    assert dataset.source == [name[:11] for name in dataset.ids]
    assert dataset.label("full_resolution") == [0] * 52
    splits = dict(zip(dataset.ids, dataset.split_names(), strict=True))
    assert {splits[name] for name in test} == {"test"}
    assert {splits[name] for name in train} == {"train", "val"}
    by_video = {name[:11]: splits[name] for name in train}
    assert all(by_video[name[:11]] == splits[name] for name in train), "a video is in one split"
    checked = check_dataset(dataset.path)
    assert checked.ok
    assert not checked.shared_sources


def test_youcook2_of_the_test_alone(tmp_path, words):
    made = write_youcook2(tmp_path / "f", YouCook2Config(num_clips={"train": 1, "val": 5}, **SHORT))
    made["train"].file.unlink()
    plain = settings(tmp_path / "f", words, tmp_path / "d")
    with pytest.raises(DataError, match=r"youcook_train_audio\.pkl: the file does not exist"):
        import_youcook2(YouCook2Import(**plain))
    dataset = import_youcook2(YouCook2Import(**plain, test_only=True)).dataset
    assert dataset.spec.splits == {"test": 5}


def test_youcook2_full_resolution_and_bare_ids(tmp_path):
    bare, other = "abcdefghijk", "ABCDEFGHIJK"
    full = {"2d_full": np.ones((3, 2048), np.float32), "3d_full": np.ones((3, 2048), np.float32)}
    entries = [youcook2_entry(bare, 0), youcook2_entry(other, 1, **full), youcook2_entry(bare, 2)]
    dump(tmp_path / "youcook_val_audio.pkl", [*entries, youcook2_entry(f"{other}_7", 3)])
    config = YouCook2Import(**settings(tmp_path, word_file(tmp_path), tmp_path / "d", test_only=True))
    report = import_youcook2(config)
    assert report.dataset.ids == [f"{bare}_0", f"{other}_0", f"{bare}_1", f"{other}_7"]
    assert report.dataset.source == [bare, other, bare, other]
    assert report.dataset.label("full_resolution") == [0, 1, 0, 0]
    assert report.quarantined == ()
    read = report.dataset.read("video", np.array([2])).values[0]
    np.testing.assert_allclose(read, unit(entries[2]["2d"], entries[2]["3d"]), rtol=2e-6)


@pytest.fixture(scope="module")
def msrvtt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("msrvtt")
    made = write_msrvtt(
        folder, MsrvttConfig(num_train=6, num_train_1k_a=12, num_test=50, silent=0.1, num_captions=3, **SHORT)
    )
    return folder, made


@pytest.mark.parametrize(("train", "file"), [("9k", "1k-A_train"), ("7k", "train"), ("none", None)])
def test_msrvtt(tmp_path, words, msrvtt, train, file):
    folder, made = msrvtt
    report = import_msrvtt(MsrvttImport(**settings(folder, words, tmp_path / "d", train=train, validation=0.2)))
    dataset, test = report.dataset, read_plainly(made.splits["test"].file)
    learnt = {} if file is None else read_plainly(made.splits[file].file)
    assert dataset.ids == [*learnt, *test, *made.silent]
    check_clips(dataset, test, "eval_caption", "_pooled")
    check_clips(dataset, learnt, "caption", "_pooled")
    tested = dataset.split("test")
    assert {dataset.ids[row] for row in tested} == set(made.listed)
    assert len(tested) == 50
    with open(made.test_list, newline="") as stream:
        sentences = {row["video_id"]: row["sentence"] for row in csv.DictReader(stream)}
    assert len(made.silent) == 5
    for name in made.silent:
        row = dataset.ids.index(name)
        assert dataset.captions(row) == [sentences[name]]
        assert [bool(dataset.has(m)[row]) for m in ("video", "audio", "text")] == [False, False, True]
    assert [entry.id for entry in report.quarantined] == list(made.silent)
    assert all("it counts as a miss" in entry.reason for entry in report.quarantined)


class FirstValues(nn.Module):
    """A model without weights: of video and audio their first numbers, of text the ids of its first words."""

    def forward(self, features: Any, batch_size: int) -> Embeddings:
        vectors = {}
        for name, given in features.items():
            numbers = given.values.reshape(len(given.values), -1).float()[:, :6]
            vectors[name] = torch.cat([numbers, torch.ones(len(numbers), 7 - numbers.shape[1])], dim=1)
        return Embeddings(vectors, {name: torch.ones(batch_size, dtype=torch.bool) for name in features})


def test_absent_clips_of_msrvtt_count_as_misses(tmp_path, words, msrvtt):
    folder, _ = msrvtt
    dataset = import_msrvtt(MsrvttImport(**settings(folder, words, tmp_path / "d", train="none"))).dataset
    scoring = EvaluationConfig(num_resamples=20)
    tasks = [Task(("text",), ("video", "audio")), Task(("text",), ("video",))]
    for result in evaluate(FirstValues(), dataset, "test", tasks, scoring).values():
        assert (result.num_queries, result.num_missing) == (50, 5)
        hits = result.per_query("R@10")
        absent = ~dataset.has("video")[result.query_items]
        assert absent.sum() == 5
        assert not hits[absent].any()
        assert result.metrics["R@10"].value == pytest.approx(hits.sum() / 50)


def test_subsets_of_msrvtt(tmp_path, words, msrvtt):
    folder, made = msrvtt
    named = tmp_path / "named.csv"
    some = [*made.listed[::3], "video99999"]
    named.write_text("video_id,more\n" + "".join(f"{name},x\n" for name in some))
    plain = tmp_path / "plain.txt"
    plain.write_text("\n".join(made.listed[:4]) + "\n")
    subset = (f"heard={named}", f"four={plain}")
    dataset = import_msrvtt(MsrvttImport(**settings(folder, words, tmp_path / "d", subset=subset))).dataset
    for label, wanted in (("subset_heard", set(some)), ("subset_four", set(made.listed[:4]))):
        assert dataset.label(label) == [int(name in wanted) for name in dataset.ids]
    for wrong in ("heard", "heard=", "=x", "two words=x"):
        with pytest.raises(ConfigError, match="a subset is NAME=FILE"):
            MsrvttImport(**settings(folder, words, tmp_path / "e", subset=(wrong,)))
    plain.write_text("videO1\n")
    with pytest.raises(DataError, match="none of the 1 clips is in the test, for instance 'videO1'"):
        import_msrvtt(MsrvttImport(**settings(folder, words, tmp_path / "e", subset=(f"four={plain}",))))


@pytest.mark.parametrize("test_only", [False, True])
def test_lsmdc(tmp_path, words, test_only):
    made = write_lsmdc(tmp_path / "f", LsmdcConfig(num_clips={"train": 12, "test": 6}, **SHORT))
    config = LsmdcImport(**settings(tmp_path / "f", words, tmp_path / "d", test_only=test_only, validation=0.3))
    dataset = import_lsmdc(config).dataset
    train = {} if test_only else read_plainly(made["train"].file)
    test = read_plainly(made["test"].file)
    assert dataset.ids == [*train, *test]
    check_clips(dataset, {**train, **test}, "caption", "_pooled")
    assert Counter(dataset.split_names())["test"] == 6


def test_howto100m(tmp_path, words):
    made = write_howto100m(tmp_path / "f", HowTo100MConfig(num_videos=6, seconds=(20, 40)))
    config = HowTo100MImport(
        **settings(tmp_path / "f", words, tmp_path / "d", videos=made.list_file, validation=0.0, test=0.0)
    )
    report = import_howto100m(config)
    dataset = report.dataset
    assert report.quarantined == ()
    with open(made.captions_file, "rb") as stream:
        spoken = pickle.load(stream)
    assert dataset.ids == [f"{video.id}:{k:04d}" for video in made.videos for k in range(len(spoken[video.id]["text"]))]
    start, end = (dataset.table.column(name).to_pylist() for name in ("start", "end"))
    video, audio = dataset.instances("video"), dataset.instances("audio")
    for row, name in enumerate(dataset.ids):
        source, number = name.rsplit(":", 1)
        told = spoken[source]
        taken = [int(number)]
        while told["end"][max(taken)] - told["start"][min(taken)] < 10:
            options = [k for k in (min(taken) - 1, max(taken) + 1) if 0 <= k < len(told["text"])]
            if not options:
                break
            taken.append(min(options, key=lambda k: told["end"][max(*taken, k)] - told["start"][min(*taken, k)]))
        assert (start[row], end[row]) == (told["start"][min(taken)], told["end"][max(taken)])
        assert dataset.captions(row) == [" ".join(told["text"][k] for k in taken)]
        (place,) = (tmp_path / "f" / v.path / v.id for v in made.videos if v.id == source)
        cut = []
        for stream_name, rate in (("2d", 1.0), ("3d", 1.5)):
            with np.load(f"{place}_{stream_name}.npz") as stored:
                rows = stored["features"][int(start[row] * rate) : int(end[row] * rate) + 1]
            cut.append(rows.max(axis=0))
        read = dataset.read("video", video.first[row : row + 1]).values[0]
        np.testing.assert_allclose(read, unit(*cut), rtol=1e-5, atol=1e-8)
        with np.load(f"{place}_spec.npz") as stored:
            frames = stored["arr_0"][:, int(start[row] * 100) : int(end[row] * 100) + 1][:, :1000]
        np.testing.assert_array_equal(dataset.read("audio", audio.first[row : row + 1]).values[0], frames.T)
    checked = check_dataset(dataset.path)
    assert checked.ok, checked.to_text()


def test_howto100m_splits_and_what_is_left_out(tmp_path):
    files = tmp_path / "f"
    names = [f"video{k:06d}" for k in range(30)]
    rows = [narrated_video(files, name, 30, seed=k, below=f"food/video_{k % 3}") for k, name in enumerate(names)]
    told = said(*[(3.0 * k, 3.0 * k + 3, "stir the onions") for k in range(9)])
    dump(files / "caption.pickle", dict.fromkeys(names, told))
    (files / "list.txt").write_text("path\n" + "".join(f"{row}\n" for row in rows))
    excluded = {"csv": names[3], "jsonl": names[4], "txt": names[5]}
    (tmp_path / "a.csv").write_text(f"task,video_id\n1,{excluded['csv']}\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"youtube_id": excluded["jsonl"]}) + "\n")
    (tmp_path / "c.txt").write_text(f"{excluded['txt']}\n")
    lists = tuple(tmp_path / name for name in ("a.csv", "b.jsonl", "c.txt"))
    plain = settings(files, word_file(tmp_path), tmp_path / "d", videos=files / "list.txt", exclude=lists)
    config = HowTo100MImport(**plain, validation=0.25, test=0.25, held_out_clips=2, max_quarantined=0.0)
    report = import_howto100m(config)
    assert [(entry.id, entry.reason) for entry in report.quarantined] == [
        (name, f"it is in a list of evaluated videos, {file}")
        for name, file in zip(excluded.values(), ("a.csv", "b.jsonl", "c.txt"), strict=True)
    ]
    dataset = report.dataset
    assert {*names} - {*excluded.values()} == {*(dataset.source or [])}
    start, end = (dataset.table.column(name).to_pylist() for name in ("start", "end"))
    by_split: dict[str, set[str]] = {"train": set(), "val": set(), "test": set()}
    for row, (name, split) in enumerate(zip(dataset.source or [], dataset.split_names(), strict=True)):
        assert name is not None
        by_split[split].add(name)
        same = [k for k in range(len(dataset)) if (dataset.source or [])[k] == name]
        if split == "train":
            assert len(same) == 9
        else:
            assert len(same) == 2
            assert all(k == row or end[k] <= start[row] or end[row] <= start[k] for k in same)
    assert all(by_split.values())
    assert sum(map(len, by_split.values())) == 27, "a video is in one split"


def test_videos_are_held_out_by_their_name_alone(tmp_path, words):
    names = [f"video{k}" for k in range(20_000)]
    held = {name for name in names if held_out(name, 0.05)}
    assert 0.045 < len(held) / len(names) < 0.055
    assert held < {name for name in names if held_out(name, 0.1)}
    assert not any(held_out(name, 0.0) for name in names)
    splits: list[dict[str, str]] = []
    for number in (15, 40):
        files = tmp_path / f"f{number}"
        write_youcook2(files, YouCook2Config(num_clips={"train": number, "val": 1}, clips_of_video=(1, 1), **SHORT))
        entries = list(read_plainly(files / "youcook_train_audio.pkl").values())
        entries = [{**entry, "id": f"video{k:06d}"} for k, entry in enumerate(entries)]
        dump(files / "youcook_train_audio.pkl", entries if number == 15 else entries[::-1])
        out = tmp_path / f"d{number}"
        dataset = import_youcook2(YouCook2Import(**settings(files, words, out, validation=0.3))).dataset
        splits.append(dict(zip(dataset.ids, dataset.split_names(), strict=True)))
    few, many = splits
    trained = [name for name in few if few[name] != "test"]
    assert {few[name] for name in trained} == {"train", "val"}
    assert all(few[name] == many[name] for name in trained), "more videos, in another order, move no video"


@pytest.fixture(scope="module")
def crosstask(tmp_path_factory, words):
    folder = tmp_path_factory.mktemp("crosstask")
    made = write_crosstask(folder / "f", CrossTaskConfig(num_tasks=2, videos_of_task=3))
    config = CrossTaskImport(**settings(folder / "f", words, folder / "d"))
    return folder / "f", made, import_crosstask(config)


def test_crosstask(crosstask):
    folder, made, report = crosstask
    dataset = report.dataset
    steps = [(task, k, name) for task in sorted(made.steps) for k, name in enumerate(made.steps[task], start=1)]
    assert dataset.ids == [*(f"{task}/{k}" for task, k, _ in steps), *made.videos]
    assert dataset.label("task") == [*(task for task, _, _ in steps), *made.videos.values()]
    assert dataset.label("step")[: len(steps)] == [k for _, k, _ in steps]
    assert [dataset.captions(row) for row in range(len(steps))] == [[name] for _, _, name in steps]
    numbers, seconds = dataset.label("step_numbers"), dataset.label("step_seconds")
    for row in dataset.split("test").tolist():
        name, task = dataset.ids[row], made.videos[dataset.ids[row]]
        annotation = np.load(folder / f"{task}_{name}.npy")
        found = np.zeros_like(annotation)
        found[seconds[row], np.array(numbers[row]) - 1] = 1
        np.testing.assert_array_equal(found, annotation)
        index = dataset.instances("video")
        assert index.count[row] == len(annotation)
        read = dataset.read("video", index.first[row] + np.arange(len(annotation))).values
        two, three = (np.load(folder / f"{name}_{stream}.npy") for stream in ("2d", "3d"))
        for second in (0, 1, len(annotation) // 2, len(annotation) - 1):
            share = slice(
                second * len(three) // len(annotation), -(-(second + 1) * len(three) // len(annotation))
            )  # torch's adaptive pooling: from the floor of its beginning to the ceiling of its end
            expected = unit(two[second], three[share].max(axis=0))
            np.testing.assert_allclose(read[second], expected, rtol=1e-5, atol=1e-8)
        heard = dataset.instances("audio")
        with np.load(folder / f"{name}.npz") as stored:
            frames = stored["arr_0"].T
        np.testing.assert_array_equal(dataset.read("audio", heard.first[row : row + 1]).values[0], frames)
    assert report.quarantined == ()


@pytest.mark.parametrize(("time", "seconds"), [(7, 7), (10, 4), (3, 8), (1, 5), (12, 1)])
def test_rows_are_brought_to_seconds(time, seconds):
    rows = np.random.default_rng(time).standard_normal((time, 3)).astype(np.float32)
    expected = [rows[s * time // seconds : -(-(s + 1) * time // seconds)].max(axis=0) for s in range(seconds)]
    np.testing.assert_array_equal(adaptive_maximum(rows, seconds), np.array(expected))


def test_steps_are_located_in_what_was_imported(crosstask):
    _, made, report = crosstask
    evaluation = EvaluationConfig(num_resamples=10, similarity="dot product")
    result = evaluate_steps(FirstValues(), report.dataset, StepEvaluationConfig(evaluation=evaluation))
    assert sorted(report.dataset.ids[row] for row in result.video_items) == sorted(made.videos)


FORMATS = ("youcook2", "msrvtt", "howto100m", "crosstask")


def prepare(name: str, files: Path, words: Path) -> tuple[Any, Any]:
    """Write files of a format and return its importer and its configuration without `out`."""
    if name == "youcook2":
        write_youcook2(files, YouCook2Config(num_clips={"train": 6, "val": 4}, **SHORT))
        return import_youcook2, lambda out: YouCook2Import(**settings(files, words, out))
    if name == "msrvtt":
        write_msrvtt(files, MsrvttConfig(num_train=2, num_train_1k_a=4, num_test=8, silent=0.2, **SHORT))
        return import_msrvtt, lambda out: MsrvttImport(**settings(files, words, out))
    if name == "howto100m":
        made = write_howto100m(files, HowTo100MConfig(num_videos=5, seconds=(15, 20)))
        return import_howto100m, lambda out: HowTo100MImport(**settings(files, words, out, videos=made.list_file))
    write_crosstask(files, CrossTaskConfig(num_tasks=1, videos_of_task=3))
    return import_crosstask, lambda out: CrossTaskImport(**settings(files, words, out))


@pytest.mark.parametrize("name", FORMATS)
def test_stopped_and_taken_up(tmp_path, words, monkeypatch, name):
    importer, config = prepare(name, tmp_path / "f", words)
    importer(config(tmp_path / "d"))
    whole = content(tmp_path / "d")
    (tmp_path / "d").rename(tmp_path / "whole")
    real, added = Packer.add, []

    def stop_at_times(self: Packer, record: Any) -> None:
        if len(added) in (1, 3):
            added.append(None)
            raise KeyboardInterrupt
        real(self, record)
        added.append(record)

    monkeypatch.setattr(Packer, "add", stop_at_times)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            importer(config(tmp_path / "d"))
        assert not (tmp_path / "d").exists()
    importer(config(tmp_path / "d"))
    assert content(tmp_path / "d") == whole
    assert len({record.key for record in added if record is not None}) == len(added) - 2, "nothing was read twice"


def test_other_files_are_not_taken_up(tmp_path, words, monkeypatch):
    importer, config = prepare("msrvtt", tmp_path / "f", words)
    with monkeypatch.context() as patched:
        patched.setattr(Packer, "finish", lambda *args, **named: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            importer(config(tmp_path / "d"))
    for file in sorted((tmp_path / "f").glob("*test*")):  # the pickle and the list that goes with it
        before = os.stat(file)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        with pytest.raises(DataError, match="an import of other files"):
            importer(config(tmp_path / "d"))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    importer(config(tmp_path / "d"))


def test_lists_of_every_kind(tmp_path):
    rows = [{"video_id": "a", "more": "1"}, {"video_id": "b", "more": "2, 3"}]
    files = {
        "plain.csv": b'video_id,more\r\na,1\r\nb,"2, 3"\r\n',
        "marked.csv": b'\xef\xbb\xbfvideo_id,more\na,1\nb,"2, 3"\n',
        "lines.jsonl": b'{"video_id": "a", "more": "1"}\n{"video_id": "b", "more": "2, 3"}\n',
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
        for file in (tmp_path / name, tmp_path / f"{name}.gz"):
            found = read_list(file)
            assert found.rows == rows
            assert found.distinct("video_id") == ["a", "b"]
    (tmp_path / "ids.txt").write_text("a\n\n  b \n")
    assert read_list(tmp_path / "ids.txt").rows == [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"", "the list is empty"),
        ("a.csv", b"video_id\n", "the list is empty"),
        ("a.csv", b"video_id\na,b\n", "line 2 has more fields"),
        ("a.csv", b'video_id\n"a\n', "not a readable list"),
        ("a.csv", b"video_id\n\xff\xfe\n", "not a readable list .* in UTF-8"),
        ("a.csv.gz", b"video_id\na\n", "not a readable list"),
        ("a.csv.gz", gzip.compress(b"video_id\n" + b"a\n" * 999, mtime=0)[:-12], "not a readable list"),
        ("a.jsonl", b'{"video_id": 1}\n[2]\n', "a line is not an object"),
        ("a.jsonl", b'{"video_id": 1\n', "not a readable list"),
        ("a.jsonl", b"[" * 100_000, "not a readable list"),
    ],
)
def test_lists_that_cannot_be_read(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        read_list(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_fields_of_lists(tmp_path):
    (tmp_path / "a.csv").write_text("video_id,more\na,1\nb\na,\n")
    found = read_list(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"row 1: there is no 'more'\. Fill it in"):
        found.column("more")
    with pytest.raises(DataError, match=r"row 0: there is no 'vide_id'\. Did you mean 'video_id'"):
        found.column("vide_id")
    with pytest.raises(DataError, match="row 2: 'a' is in rows 0 and 2"):
        found.distinct("video_id")


def test_the_command_lists_what_was_left_out(tmp_path, capsys):
    entries = [youcook2_entry(f"clip{k:07d}_0", k) for k in range(30)]
    for entry in entries[:25]:
        entry["audio"] = torch.full((40, 3), float("nan"))
    entries[1]["id"] = "clip\x1b[2J_0"
    dump(tmp_path / "youcook_val_audio.pkl", entries)
    out = tmp_path / "d"
    words = word_file(tmp_path)
    command = ["import", "youcook2", "--features", str(tmp_path), "--words", str(words), "--out", str(out)]
    main([*command, "--test-only", "--no-progress"])
    printed = capsys.readouterr().out
    assert printed.count("left out: clip") == 20
    assert "left out: clip0000000_0: audio: 'audio' holds NaN" in printed
    assert r"left out: clip\x1b[2J_0: audio: " in printed
    assert f"25 left out, 5 more of them; all: {out / 'quarantine.json'}" in printed
    assert len(json.loads((out / "quarantine.json").read_text())) == 25
    with pytest.raises(SystemExit):
        main([*command, "--test-only"])
    assert "already holds a data set" in capsys.readouterr().err
