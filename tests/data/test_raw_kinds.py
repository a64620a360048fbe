"""Raw inputs in the data format: images, frames, waveforms and text, written by hand with NumPy and pandas."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_backbones import raw_dataset

from trichord.data import Dataset, ModalityArrays, collate, write_dataset
from trichord.data.arrays import ArraysImport, import_arrays
from trichord.data.check import check_dataset
from trichord.data.raw_storage import StoredRaw
from trichord.data.storage import Chunk
from trichord.errors import ConfigError, DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3)).astype(np.uint8)
FRAMES = np.random.default_rng(1).integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)
WAVE = np.array([0, 16384, -32768, 1, 2, 3, 4], np.int16)
MODALITIES = {
    "video": {"letter": "V", "kind": "image"},
    "audio": {"letter": "A", "kind": "waveform", "rate": 8000},
    "text": {"letter": "T", "kind": "text"},
    "clip": {"letter": "C", "kind": "frames"},
}


def write_json(folder: Path, modalities: dict[str, dict[str, object]]) -> None:
    header = {"format": "trichord-dataset", "version": 1, "name": "raw", "modalities": modalities}
    (folder / "dataset.json").write_text(json.dumps(header))


def write_table(folder: Path, captions: list[list[str]]) -> None:
    frame = pd.DataFrame({"id": ["a", "b", "c"], "split": ["train", "train", "test"], "captions": captions})
    frame.to_parquet(folder / "items.parquet", index=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three items: an image each, a recording for a and c, frames for b and c, captions for a (two) and c."""
    folder = tmp_path / "raw"
    folder.mkdir()
    write_json(folder, MODALITIES)
    write_table(folder, [["one dog", "two dogs"], [], ["a cat"]])
    np.save(folder / "video.npy", IMAGES)
    np.save(folder / "audio.npy", WAVE)
    np.save(folder / "audio.offsets.npy", np.array([0, 3, 7]))
    np.save(folder / "audio.items.npy", np.array([0, 2]))
    np.save(folder / "clip.npy", FRAMES)
    np.save(folder / "clip.offsets.npy", np.array([0, 2, 6]))
    np.save(folder / "clip.items.npy", np.array([1, 2]))
    return folder


def raw(dataset: Dataset, name: str, *instances: int) -> list:
    stored = dataset.stored(name)
    assert isinstance(stored, StoredRaw)
    return stored.raw(np.array(instances, dtype=np.int64))


def test_raw_inputs_are_read_as_they_were_written(folder: Path) -> None:
    dataset = Dataset.open(folder)
    assert [(e.kind, e.num_instances, e.rate) for e in dataset.spec.modalities] == [
        ("image", 3, None), ("waveform", 2, 8000), ("text", 3, None), ("frames", 2, None),
    ]  # fmt: skip
    np.testing.assert_array_equal(raw(dataset, "video", 2, 0), IMAGES[[2, 0]])
    np.testing.assert_array_equal(raw(dataset, "clip", 1)[0], FRAMES[2:])
    wave = raw(dataset, "audio", 0)[0]
    assert wave.dtype == np.float32
    np.testing.assert_array_equal(wave, [0.0, 0.5, -1.0])
    assert raw(dataset, "text", 2, 1) == ["a cat", "two dogs"]
    assert [dataset.has(name).tolist() for name in ("text", "audio", "clip")] == [
        [True, False, True], [True, False, True], [False, True, True],
    ]  # fmt: skip


def test_every_instance_says_whose_it_is(folder: Path) -> None:
    dataset = Dataset.open(folder)

    def owners(name: str, rows: int) -> list[str]:
        stored = dataset.stored(name)
        found = [stored.owner(Chunk(folder, start, np.zeros((1, 1), np.float32)), 0, "abc") for start in range(rows)]
        return [owner.removeprefix("item ").strip("'") for owner in found]

    assert owners("video", 3) == ["a", "b", "c"]
    assert owners("clip", 6) == ["b", "b", "c", "c", "c", "c"]
    assert owners("audio", 7) == ["a", "a", "a", "c", "c", "c", "c"]
    counts = dataset.instances("text").count
    assert owners("text", 3) == [letter for letter, count in zip("abc", counts, strict=True) for _ in range(count)]


def test_float_recordings_are_not_scaled(folder: Path) -> None:
    np.save(folder / "audio.npy", np.array([0.25, -2, 3, 1, 1, 1, 1], np.float64))
    np.testing.assert_array_equal(raw(Dataset.open(folder), "audio", 0)[0], [0.25, -2, 3])


@pytest.mark.parametrize("name", list(MODALITIES))
def test_raw_inputs_are_no_features(folder: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"{name} holds raw inputs .*--encoder {name}=FOLDER"):
        collate(Dataset.open(folder), np.arange(3), (name,))


def test_what_is_written_is_what_is_read(folder: Path, tmp_path: Path) -> None:
    by_hand = Dataset.open(folder)
    written = write_dataset(
        tmp_path / "written",
        name="other name",
        items=by_hand.table,
        modalities={
            "video": ModalityArrays(IMAGES, kind="image"),
            "audio": ModalityArrays(WAVE, np.array([0, 2]), np.array([0, 3, 7]), kind="waveform", rate=8000),
            "text": ModalityArrays(None, kind="text"),
            "clip": ModalityArrays(FRAMES, np.array([1, 2]), np.array([0, 2, 6]), letter="C", kind="frames"),
        },
    )
    assert written.fingerprint() == by_hand.fingerprint()
    assert json.loads((tmp_path / "written" / "dataset.json").read_text())["modalities"] == MODALITIES


def _image_changed(folder: Path) -> None:
    changed = IMAGES.copy()
    changed[2, 3, 4, 2] ^= 1
    np.save(folder / "video.npy", changed)


def _image_turned(folder: Path) -> None:
    np.save(folder / "video.npy", IMAGES.reshape(3, 5, 4, 3))


def _rate_changed(folder: Path) -> None:
    write_json(folder, {**MODALITIES, "audio": {**MODALITIES["audio"], "rate": 16000}})


def _caption_changed(folder: Path) -> None:
    write_table(folder, [["one dog", "two dogs"], [], ["a cat!"]])


@pytest.mark.parametrize("change", [_image_changed, _image_turned, _rate_changed, _caption_changed])
def test_the_fingerprint_knows_every_part(folder: Path, change: Callable[[Path], None]) -> None:
    before = Dataset.open(folder).fingerprint()
    assert Dataset.open(folder).fingerprint() == before
    change(folder)
    assert Dataset.open(folder).fingerprint() != before


BROKEN = {
    "images of floats": (("video.npy", IMAGES.astype(np.float32)), "uint8 of shape"),
    "grey images": (("video.npy", IMAGES[..., 0]), "uint8 of shape"),
    "colours first": (("video.npy", np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2))), "uint8 of shape"),
    "images without pixels": (("video.npy", IMAGES[:, :0]), "uint8 of shape"),
    "too few images": (("video.npy", IMAGES[:2]), "2 instances for 3 items"),
    "offsets of images": (("video.offsets.npy", np.array([0, 1, 2, 3])), "has no offsets"),
    "two channels": (("audio.npy", np.zeros((7, 2), np.float32)), "of one axis"),
    "samples of 8 bits": (("audio.npy", WAVE.astype(np.uint8)), "floating-point or int16"),
    "an empty recording": (("audio.offsets.npy", np.array([0, 0, 7])), "at least one step"),
    "recordings cut short": (("audio.npy", WAVE[:5]), "end at the number of steps, 5"),
    "frames of nobody": (("clip.items.npy", np.array([1, 3])), "item row 3 does not exist"),
    "arrays of text": (("text.npy", np.zeros(3, np.float32)), "has no arrays"),
}


@pytest.mark.parametrize(("file", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_malformed_arrays_are_refused_by_name(folder: Path, file: tuple[str, np.ndarray], message: str) -> None:
    np.save(folder / file[0], file[1])
    with pytest.raises(DataError, match=message) as caught:
        Dataset.open(folder)
    assert file[0].split(".")[0] in str(caught.value)


def test_offsets_are_needed_for_frames_and_waveforms(folder: Path) -> None:
    (folder / "clip.offsets.npy").unlink()
    with pytest.raises(DataError, match=r"clip.offsets.npy: the file does not exist"):
        Dataset.open(folder)


HEADERS = {
    "a width": ("video", {"letter": "V", "kind": "image", "dim": 3}, r"unknown: \['dim'\]"),
    "no rate": ("audio", {"letter": "A", "kind": "waveform"}, r"missing: \['rate'\]"),
    "a rate of nothing": ("audio", {"letter": "A", "kind": "waveform", "rate": 0}, "whole number of samples"),
    "half a rate": ("audio", {"letter": "A", "kind": "waveform", "rate": 8000.5}, "expected int, found float"),
    "a rate of images": ("video", {"letter": "V", "kind": "image", "rate": 25}, r"unknown: \['rate'\]"),
    "a kind there is not": ("video", {"letter": "V", "kind": "picture", "dim": 3}, "known: .*image"),
    "no kind": ("video", {"letter": "V", "dim": 3}, r"missing: \['kind'\]"),
}


@pytest.mark.parametrize(("name", "entry", "message"), HEADERS.values(), ids=HEADERS.keys())
def test_malformed_headers_are_refused(folder: Path, name: str, entry: dict, message: str) -> None:
    write_json(folder, {**MODALITIES, name: entry})
    with pytest.raises(DataError, match=message):
        Dataset.open(folder)


def test_text_without_captions_is_refused(folder: Path) -> None:
    write_table(folder, [[], [], []])
    with pytest.raises(DataError, match="it is the captions, and the table has none"):
        Dataset.open(folder)


def test_the_check_counts_raw_inputs(folder: Path) -> None:
    report = check_dataset(folder)
    assert report.ok, report.to_text()
    text = report.to_text()
    assert "V video   image uint8, 3 instances; missing: none" in text
    assert "A audio   waveform int16, 2 instances, 7 samples; missing: train 1" in text
    assert "T text    text text, 3 instances, up to 2 per item" in text
    assert "C clip    frames uint8, 2 instances, 6 frames" in text


def test_the_check_finds_what_is_wrong_with_raw_inputs(folder: Path) -> None:
    images = IMAGES.copy()
    images[1], images[2] = 0, images[0]
    np.save(folder / "video.npy", images)
    np.save(folder / "audio.npy", np.array([0, 0, 0, 1, np.nan, 3, 4], np.float32))
    write_table(folder, [["one dog", " "], [], ["one dog"]])
    text = check_dataset(folder).to_text()
    assert "video: 1 images are black" in text
    assert "video: 1 images occur in more than one split, as in the items a and c" in text
    assert "audio: 1 recordings are silent" in text
    assert "audio.npy, row 3: NaN or infinity (item 'c')" in text
    assert "text: 1 captions are blank" in text
    assert "text: all captions" not in text
    with pytest.raises(DataError, match=r"audio.npy, row 3: .*item 'c'"):
        Dataset.open(folder).check_finite("audio")


def test_the_check_notices_that_all_inputs_are_equal(folder: Path) -> None:
    np.save(folder / "video.npy", np.repeat(IMAGES[:1], 3, axis=0))
    np.save(folder / "audio.npy", np.array([1, 2, 3, 1, 2, 3], np.float32))
    np.save(folder / "audio.offsets.npy", np.array([0, 3, 6]))
    write_table(folder, [["dog", "dog"], [], ["dog"]])
    text = check_dataset(folder).to_text()
    assert "video: all images are equal" in text
    assert "audio: all recordings are equal" in text
    assert "text: all captions are equal" in text
    assert "clip: all frames" not in text


WRITTEN = {
    "no such kind": (ModalityArrays(IMAGES, kind="picture"), "known: "),
    "text with values": (ModalityArrays(IMAGES, kind="text"), "text, and no other kind, is written without values"),
    "images without values": (ModalityArrays(None, kind="image"), "text, and no other kind"),
    "text of items": (ModalityArrays(None, np.array([0, 1, 2]), kind="text"), "has no arrays"),
    "no rate": (ModalityArrays(WAVE, offsets=np.array([0, 3, 5, 7]), kind="waveform"), "has a rate"),
    "a rate of features": (ModalityArrays(np.ones((3, 2), np.float32), rate=5), "has a rate"),
    "frames without offsets": (ModalityArrays(FRAMES, kind="frames"), "frames and waveforms have offsets"),
}


@pytest.mark.parametrize(("arrays", "message"), WRITTEN.values(), ids=WRITTEN.keys())
def test_what_cannot_be_is_not_written(tmp_path: Path, arrays: ModalityArrays, message: str) -> None:
    items = {"id": ["a", "b", "c"], "split": ["x", "x", "y"], "captions": [["1"], ["2"], ["3"]]}
    with pytest.raises((ConfigError, DataError), match=message):
        write_dataset(tmp_path / "new", name="n", items=items, modalities={"video": arrays})
    assert not (tmp_path / "new").exists()


def test_arrays_are_imported_as_raw_inputs(folder: Path, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "all.npz",
        id=np.array(["a", "b", "c"]), split=np.array(["train", "train", "test"]), image=IMAGES[[2, 0, 1]],
        order=np.array(["c", "a", "b"]), wave=WAVE, ends=np.array([0, 3, 7]), heard=np.array(["a", "c"]),
    )  # fmt: skip
    (tmp_path / "said.jsonl").write_text(
        "\n".join(json.dumps({"id": i, "said": s}) for i, s in (("a", ["one dog", "two dogs"]), ("c", "a cat")))
    )
    place = f"{tmp_path}/all.npz"
    config = ArraysImport(
        out=str(tmp_path / "made"),
        name="made",
        modality=(f"video={place}:image@order", f"audio={place}:wave@heard#ends"),
        raw=("video=image", "audio=waveform/8000", "text=text"),
        ids=f"{place}:id",
        split=f"{place}:split",
        captions=f"{tmp_path}/said.jsonl:said@id",
    )
    made, by_hand = import_arrays(config), Dataset.open(folder)
    dataset = Dataset.open(made.path)
    for name, instances in (("video", 3), ("audio", 2), ("text", 3)):
        both = [raw(one, name, *range(instances)) for one in (dataset, by_hand)]
        assert all(np.array_equal(a, b) for a, b in zip(*both, strict=True))
        np.testing.assert_array_equal(dataset.has(name), by_hand.has(name))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"raw": ("video=picture",)}, "video=waveform/RATE"),
        ({"raw": ("video=waveform",)}, "video=waveform/RATE"),
        ({"raw": ("video=image/25",)}, "video=waveform/RATE"),
        ({"raw": ("video=text",)}, "names no array"),
        ({"raw": ("video=image",), "transform": ("video=l2",)}, "not transformed"),
        ({"raw": ("video=image",), "modality": ("video=a.npy+b.npy",)}, "not several side by side"),
        ({"raw": ("audio=image",)}, "not imported"),
    ],
)
def test_settings_of_raw_imports_are_checked(changed: dict, message: str) -> None:
    settings = {"out": "x", "name": "x", "modality": ("video=a.npy",), "ids": "b.npy", "split": "c.npy"}
    with pytest.raises(ConfigError, match=message):
        ArraysImport(**{**settings, **changed})


def test_the_tiny_data_set_has_every_kind_and_missing_inputs(tmp_path: Path) -> None:
    dataset = raw_dataset(tmp_path / "tiny", ("text", "video", "audio", "clip"), items=30, missing=True)
    assert {entry.kind for entry in dataset.spec.modalities} == {"image", "waveform", "text", "frames"}
    assert not dataset.has("text").all()
    assert set(dataset.spec.splits) == {"train", "val", "test"}
