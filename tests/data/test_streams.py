from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from published_maker import unit

from trichord.config import replaced
from trichord.data import Dataset
from trichord.data.check import check_dataset
from trichord.data.generated import HowTo100MConfig, WordVectorsConfig, write_howto100m, write_word_vectors
from trichord.data.importers.howto100m import HowTo100MImport, import_howto100m
from trichord.data.specification import ModalityHeader, Stream
from trichord.errors import ConfigError, DataError
from trichord.evaluation.result import load_result
from trichord.modality import AUDIO, VIDEO
from trichord.recipes import mcn_fixed_small
from trichord.runs import RunOptions, run_experiment

RATES = {"2d": 1.0, "3d": 1.5, "mel": 10.0}
DIMS = {"2d": 3, "3d": 2, "mel": 2}
MAX_STEPS = 25
LENGTHS = {"2d": [12, 0, 7, 30], "3d": [17, 0, 11, 45], "mel": [118, 0, 70, 0]}
SOURCES = ["w", "x", "y", "z"]


def segments() -> list[tuple[str | None, float | None, float | None]]:
    random = np.random.default_rng(0)
    found: list[tuple[str | None, float | None, float | None]] = []
    for _ in range(60):
        start = float(np.round(random.uniform(0, 14), 2))
        found.append((str(random.choice(SOURCES)), start, start + float(np.round(random.uniform(0.05, 12), 2))))
    edges = [(0.0, 1.0), (0.0, 0.4), (6.99, 7.0), (7.0, 9.0), (6.0, 400.0), (11.9, 12.0), (1e6, 1e9), (0.0, 1e300)]
    found += [("y", start, end) for start, end in edges]
    found += [(None, 0.0, 1.0), ("no such source", 0.0, 1.0), ("y", None, None), ("w", 2.0, 3.0), ("w", 2.0, 3.0)]
    return found


def make(folder: Path, wanted: list[tuple[str | None, float | None, float | None]] | None = None) -> Path:
    """A data set that is cut from streams, written by hand."""
    wanted = segments() if wanted is None else wanted
    folder.mkdir()
    streams = [{"name": name, "dim": DIMS[name], "rate": RATES[name]} for name in ("2d", "3d")]
    mel = [{"name": "mel", "dim": 2, "rate": 10}]
    modalities = {
        "video": {"letter": "V", "kind": "pooled", "dim": 5, "streams": streams},
        "audio": {"letter": "A", "kind": "sequence", "dim": 2, "streams": mel, "max_steps": MAX_STEPS},
    }
    header = {"format": "trichord-dataset", "version": 1, "name": "cut", "modalities": modalities}
    (folder / "dataset.json").write_text(json.dumps(header))
    pd.DataFrame({"id": SOURCES}).to_parquet(folder / "sources.parquet", index=False)
    source, start, end = ([row[k] for row in wanted] for k in range(3))
    frame = pd.DataFrame({"source": source, "start": start, "end": end})
    frame.insert(0, "id", [f"item {k}" for k in range(len(wanted))])
    frame.insert(1, "split", ["train", "test"] * (len(wanted) // 2) + ["train"] * (len(wanted) % 2))
    frame.to_parquet(folder / "items.parquet", index=False)
    random = np.random.default_rng(1)
    for modality, names in (("video", ("2d", "3d")), ("audio", ("mel",))):
        for name in names:
            rows = random.standard_normal((sum(LENGTHS[name]), DIMS[name])).astype(np.float16)
            np.save(folder / f"{modality}.{name}.npy", rows)
            offsets = np.concatenate([[0], np.cumsum(LENGTHS[name])]).astype(np.int64)
            np.save(folder / f"{modality}.{name}.offsets.npy", offsets)
    return folder


def by_hand(folder: Path, segment: tuple[str | None, float | None, float | None]) -> dict[str, np.ndarray]:
    """The features of one item, from the rule of the published code and Python's own slices."""
    name, start, end = segment
    if name not in SOURCES or start is None or end is None:
        return {}
    cut = {}
    for stream, rate in RATES.items():
        file = folder / f"{'audio' if stream == 'mel' else 'video'}.{stream}.npy"
        place, lengths = SOURCES.index(name), LENGTHS[stream]
        whole = np.load(file)[sum(lengths[:place]) : sum(lengths[: place + 1])]
        cut[stream] = whole[max(0, int(start * rate)) : max(0, int(end * rate) + 1)]
    found = {}
    if len(cut["2d"]) and len(cut["3d"]):
        found["video"] = unit(cut["2d"].max(axis=0), cut["3d"].max(axis=0))
    if len(cut["mel"]):
        found["audio"] = cut["mel"][:MAX_STEPS].astype(np.float64)
    return found


def test_items_are_cut_as_by_hand(tmp_path):
    dataset, wanted = Dataset.open(make(tmp_path / "d")), segments()
    expected = [by_hand(dataset.path, segment) for segment in wanted]
    for name in ("video", "audio"):
        index = dataset.instances(name)
        assert index.count.tolist() == [int(name in found) for found in expected]
        assert 10 < index.total < len(wanted), "some lack it, most do not"
        rows = np.flatnonzero(index.count)
        read = dataset.read(name, index.first[rows])
        assert read.values.dtype == np.float32
        for place, row in enumerate(rows):
            steps = expected[row][name]
            if name == "video":
                np.testing.assert_allclose(read.values[place], steps, rtol=1e-6)
                continue
            assert read.lengths is not None
            assert read.lengths[place] == len(steps) <= MAX_STEPS
            np.testing.assert_array_equal(read.values[place, : len(steps)], steps)
            assert not read.values[place, len(steps) :].any()
        backwards = dataset.read(name, index.first[rows][::-1])
        np.testing.assert_array_equal(backwards.values[::-1], read.values)
        assert len(dataset.read(name, np.array([], np.int64)).values) == 0


def test_the_published_rule_on_numbers_worked_out_by_hand(tmp_path):
    # y has 7 rows of 2D (1 per second) and 11 of 3D (1.5 per second): 2.7 to 4.1 s are rows 2 to 4 and 4 to 6.
    folder = make(tmp_path / "d", [("y", 2.7, 4.1), ("y", 6.9, 7.5)])
    dataset = Dataset.open(folder)
    two, three = np.load(folder / "video.2d.npy")[12:19], np.load(folder / "video.3d.npy")[17:28]
    read = dataset.read("video", np.array([0, 1])).values
    np.testing.assert_allclose(read[0], unit(two[2:5].max(axis=0), three[4:7].max(axis=0)), rtol=1e-6)
    np.testing.assert_allclose(read[1], unit(two[6], three[10]), rtol=1e-6)


def test_a_zero_stream_stays_zero(tmp_path):
    folder = make(tmp_path / "d", [("y", 0.0, 2.0)])
    np.save(folder / "video.2d.npy", np.zeros((49, 3), np.float16))
    read = Dataset.open(folder).read("video", np.array([0])).values[0]
    assert not read[:3].any()
    assert math.isclose(float(np.linalg.norm(read[3:])), 1, rel_tol=1e-6)


def test_items_of_a_source_share_its_rows(tmp_path):
    wanted = [("w", 0.5 * k, 0.5 * k + 4) for k in range(10)]
    folder = make(tmp_path / "d", wanted)
    dataset = Dataset.open(folder)
    before = dataset.read("video", np.arange(10)).values
    rows = np.load(folder / "video.2d.npy")
    rows[4] += 100  # second 4 of w
    np.save(folder / "video.2d.npy", rows)
    after = Dataset.open(folder).read("video", np.arange(10)).values
    changed = [bool((a != b).any()) for a, b in zip(before, after, strict=True)]
    assert changed == [int(start) <= 4 <= int(end) for _, start, end in wanted]
    assert dataset.stored("video").num_steps == sum(LENGTHS["2d"]) + sum(LENGTHS["3d"])


def changed(folder: Path, what: str) -> None:
    """Change one thing of a data set."""
    if what == "table":
        frame = pd.read_parquet(folder / "items.parquet")
        frame.loc[3, "end"] += 0.25
        frame.to_parquet(folder / "items.parquet", index=False)
    elif what in ("rate", "max_steps"):
        header = json.loads((folder / "dataset.json").read_text())
        audio = header["modalities"]["audio"]
        if what == "rate":
            audio["streams"][0]["rate"] = 11
        else:
            audio["max_steps"] += 1
        (folder / "dataset.json").write_text(json.dumps(header))
    elif what == "sources":
        pd.DataFrame({"id": ["x", "w", "y", "z"]}).to_parquet(folder / "sources.parquet", index=False)
    else:
        array = np.load(folder / what)
        if array.ndim == 2:
            array[-1, -1] += 1
        else:
            array[1] -= 1
        np.save(folder / what, array)


CONTENT = ["table", "rate", "max_steps", "sources", "audio.mel.npy", "video.3d.npy", "video.2d.offsets.npy"]


@pytest.mark.parametrize("what", CONTENT)
def test_the_fingerprint_changes_with_the_content(tmp_path, what):
    folder = make(tmp_path / "d")
    before = Dataset.open(folder).fingerprint()
    assert Dataset.open(folder).fingerprint() == before
    changed(folder, what)
    assert Dataset.open(folder).fingerprint() != before


def test_data_check(tmp_path):
    folder = make(tmp_path / "d")
    report = check_dataset(folder)
    assert report.ok, report.to_text()
    video, audio = report.modalities
    assert (video.steps, audio.steps) == (49 + 73, 188)
    assert video.duplicate_instances >= 1
    assert "cut" in report.to_text()
    bad = np.load(folder / "audio.mel.npy")
    bad[130, 1] = np.nan  # w owns the first 118 rows, y the other 70
    np.save(folder / "audio.mel.npy", bad)
    report = check_dataset(folder)
    assert not report.ok
    assert "audio.mel.npy, row 130: NaN or infinity (source 'y'); 1 rows" in report.to_text()
    with pytest.raises(DataError, match=r"audio\.mel\.npy, row 130: .* source 'y'"):
        Dataset.open(folder).check_finite("audio")
    three = np.load(folder / "video.3d.npy")
    three[28] = np.inf  # the first row of z
    np.save(folder / "video.3d.npy", three)
    assert "video.3d.npy, row 28: NaN or infinity (source 'z')" in check_dataset(folder).to_text()


def test_no_source_at_all(tmp_path):
    folder = make(tmp_path / "d", [("w", 0.0, 1.0), (None, None, None)])
    pd.DataFrame({"id": pd.Series([], dtype=str)}).to_parquet(folder / "sources.parquet", index=False)
    for name, dim in (("video.2d", 3), ("video.3d", 2), ("audio.mel", 2)):
        np.save(folder / f"{name}.npy", np.empty((0, dim), np.float16))
        np.save(folder / f"{name}.offsets.npy", np.zeros(1, np.int64))
    dataset = Dataset.open(folder)
    assert not dataset.has("video").any()
    assert isinstance(dataset.fingerprint(), str)
    assert check_dataset(folder).modalities[0].instances == 0


BROKEN: dict[str, tuple[str, Any, str]] = {
    "integers": ("video.2d.npy", np.zeros((49, 3), np.int32), "floating-point numbers, 3 wide"),
    "other width": ("video.2d.npy", np.zeros((49, 4), np.float16), "3 wide as dataset.json says"),
    "too few offsets": ("video.2d.offsets.npy", np.array([0, 49]), r"int64 of shape \(5,\)"),
    "offsets that end early": ("video.2d.offsets.npy", np.array([0, 12, 12, 19, 48]), "to the 49 rows"),
    "offsets that descend": ("video.2d.offsets.npy", np.array([0, 12, 11, 19, 49]), "never descend"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_streams(tmp_path, broken):
    name, values, message = BROKEN[broken]
    folder = make(tmp_path / "d")
    np.save(folder / name, values)
    with pytest.raises(DataError, match=rf"{name}: .*{message}"):
        Dataset.open(folder)


@pytest.mark.parametrize("column", ["source", "start", "end"])
def test_a_missing_column(tmp_path, column):
    folder = make(tmp_path / "d")
    pd.read_parquet(folder / "items.parquet").drop(columns=column).to_parquet(folder / "items.parquet", index=False)
    with pytest.raises(DataError, match=rf"items\.parquet: the column '{column}' is missing; a modality is cut"):
        Dataset.open(folder)


@pytest.mark.parametrize("names", [None, ["w", "w", "y", "z"]])
def test_broken_sources(tmp_path, names):
    folder = make(tmp_path / "d")
    (folder / "sources.parquet").unlink()
    if names:
        pd.DataFrame({"id": names}).to_parquet(folder / "sources.parquet", index=False)
    with pytest.raises(DataError, match=r"sources\.parquet: (the file does not exist|sources are distinct)"):
        Dataset.open(folder)


def test_headers_that_cannot_be():
    two, mel = Stream("2d", 3, 1.0), Stream("mel", 2, 10.0)
    for made in (
        lambda: Stream("2-d", 3, 1.0),
        lambda: Stream("offsets", 3, 1.0),
        lambda: Stream("2d", 0, 1.0),
        lambda: Stream("2d", 3, 0.0),
        lambda: Stream("2d", 3, math.nan),
        lambda: Stream("2d", 3, math.inf),
        lambda: ModalityHeader(VIDEO, "pooled", 4, streams=(two,)),
        lambda: ModalityHeader(VIDEO, "pooled", 6, streams=(two, two)),
        lambda: ModalityHeader(AUDIO, "sequence", 5, streams=(two, mel)),
        lambda: ModalityHeader(AUDIO, "sequence", 2, max_steps=3),
        lambda: ModalityHeader(AUDIO, "sequence", 2, streams=(mel,), max_steps=0),
        lambda: ModalityHeader(VIDEO, "pooled", 3, streams=(two,), max_steps=3),
    ):
        with pytest.raises(ConfigError):
            made()


def test_training_on_narrated_video(tmp_path):
    files = write_howto100m(tmp_path / "files", HowTo100MConfig(num_videos=10, seconds=(20, 30)))
    words = write_word_vectors(tmp_path / "words.bin", WordVectorsConfig(dim=16)).file
    config = HowTo100MImport(
        features=tmp_path / "files",
        videos=files.list_file,
        words=words,
        out=tmp_path / "d",
        validation=0.3,
        test=0.3,
        audio_frames=200,
        progress=False,
    )
    dataset = import_howto100m(config).dataset
    assert set(dataset.spec.splits) == {"train", "val", "test"}
    assert check_dataset(dataset.path).ok
    recipe = mcn_fixed_small(dataset.spec, "VT_A", 0)
    changes: dict[str, Any] = {"evaluation.scoring.num_resamples": 20}
    for stage in range(2):
        changes |= {
            f"stages.{stage}.{name}": value
            for name, value in {
                "epochs": 1,
                "batch_size": 16,
                "items_per_source": 4,
                "objective.parts.cluster.num_clusters": 4,
                "objective.parts.cluster.memory_size": 32,
            }.items()
        }
    run = run_experiment(
        replaced(recipe, changes), dataset, tmp_path / "run", options=RunOptions(device="cpu", progress=False)
    )
    assert run.finished
    result = load_result(run.results_folder("test"), "T>VA")
    assert (result.num_queries, result.num_missing) == (len(dataset.split("test")), 0)
