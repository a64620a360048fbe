"""Raw inputs as a backbone reads them: equal to its processor called directly, and known to the fingerprint."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_backbones import RATE, raw_dataset, tiny_ast, tiny_bert, tiny_vit
from tiny_families import tiny_wav2vec2, tiny_whisper

from trichord.backbones import Preparer, load_preparer, open_checkpoint
from trichord.data import Dataset, ModalityArrays, collate, write_dataset
from trichord.data.prepared import StoredPrepared, prepare
from trichord.data.raw_storage import StoredRaw
from trichord.errors import ConfigError, DataError
from trichord.training.source import BatchSource


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places")
    for make in (tiny_vit, tiny_bert, tiny_ast, tiny_whisper, tiny_wav2vec2):
        make(folder / make.__name__)
    raw_dataset(folder / "data", ("video", "audio", "text", "clip"), items=15, missing=True)
    return folder


@pytest.fixture(scope="module")
def raw(places: Path) -> Dataset:
    return Dataset.open(places / "data")


def preparer(places: Path, name: str, kind: str) -> Preparer:
    rate = RATE if kind == "waveform" else None
    return load_preparer(open_checkpoint(str(places / name), kind), kind, rate)


def instances_of(dataset: Dataset, name: str, instances: np.ndarray) -> list[Any]:
    stored = dataset.stored(name)
    assert isinstance(stored, StoredRaw)
    return stored.raw(instances)


def test_images_are_what_the_image_processor_makes_of_them(places: Path, raw: Dataset) -> None:
    from transformers import ViTImageProcessorPil

    chosen = np.array([4, 0, 4])
    found = prepare(raw, {"video": preparer(places, "tiny_vit", "image")}).read("video", chosen)
    processor = ViTImageProcessorPil.from_pretrained(places / "tiny_vit")
    direct = processor(instances_of(raw, "video", chosen), return_tensors="np")["pixel_values"]
    assert found.lengths is None
    np.testing.assert_array_equal(found.values, direct)
    by_hand = np.stack(instances_of(raw, "video", chosen)).transpose(0, 3, 1, 2) / 255 * 2 - 1
    np.testing.assert_allclose(found.values, by_hand, atol=1e-6)


def test_frames_are_prepared_one_by_one_and_padded(places: Path, raw: Dataset) -> None:
    from transformers import ViTImageProcessorPil

    found = prepare(raw, {"clip": preparer(places, "tiny_vit", "frames")}).read("clip", np.array([0, 2, 1]))
    assert found.lengths is not None
    assert found.lengths.tolist() == [2, 4, 3]
    processor = ViTImageProcessorPil.from_pretrained(places / "tiny_vit")
    for row, frames in enumerate(instances_of(raw, "clip", np.array([0, 2, 1]))):
        direct = processor(list(frames), return_tensors="np")["pixel_values"]
        np.testing.assert_array_equal(found.values[row, : len(frames)], direct)
        assert not found.values[row, len(frames) :].any()


def test_captions_are_what_the_tokenizer_makes_of_them(places: Path, raw: Dataset) -> None:
    from transformers import BertTokenizer

    tokenizer = BertTokenizer.from_pretrained(places / "tiny_bert")
    items = {
        "id": ["a", "b"],
        "split": ["x", "y"],
        "captions": [["a red square", "red"], ["a green purple square on paper"]],
    }
    dataset = write_dataset(
        places / "unequal", name="n", items=items, modalities={"text": ModalityArrays(None, kind="text")}
    )
    found = prepare(dataset, {"text": preparer(places, "tiny_bert", "text")}).read("text", np.array([2, 1, 0]))
    direct = tokenizer(["a green purple square on paper", "red", "a red square"], padding=True, return_tensors="np")
    np.testing.assert_array_equal(found.values, direct["input_ids"])
    np.testing.assert_array_equal(found.lengths, direct["attention_mask"].sum(axis=1))


@pytest.mark.parametrize("name", ["tiny_ast", "tiny_whisper"])
def test_recordings_are_what_the_feature_extractor_makes_of_them(places: Path, raw: Dataset, name: str) -> None:
    import transformers

    chosen = np.array([3, 1])
    found = prepare(raw, {"audio": preparer(places, name, "waveform")}).read("audio", chosen)
    kind = {"tiny_ast": "ASTFeatureExtractor", "tiny_whisper": "WhisperFeatureExtractor"}[name]
    extractor = getattr(transformers, kind).from_pretrained(places / name)
    direct = extractor(instances_of(raw, "audio", chosen), sampling_rate=RATE, return_tensors="np")
    values = direct["input_values"] if name == "tiny_ast" else direct["input_features"].transpose(0, 2, 1)
    np.testing.assert_array_equal(found.values, values)
    assert (found.lengths is None) == (name == "tiny_ast")


def test_samples_are_normalised_one_recording_at_a_time(places: Path, raw: Dataset) -> None:
    chosen = np.array([0, 1, 2])
    found = prepare(raw, {"audio": preparer(places, "tiny_wav2vec2", "waveform")}).read("audio", chosen)
    assert found.lengths is not None
    for row, wave in enumerate(instances_of(raw, "audio", chosen)):
        assert found.lengths[row] == len(wave)
        by_hand = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
        np.testing.assert_allclose(found.values[row, : len(wave)], by_hand, atol=1e-5)
        assert not found.values[row, len(wave) :].any()


def view_of(places: Path, raw: Dataset) -> Dataset:
    return prepare(
        raw,
        {
            "video": preparer(places, "tiny_vit", "image"),
            "audio": preparer(places, "tiny_whisper", "waveform"),
            "text": preparer(places, "tiny_bert", "text"),
            "clip": preparer(places, "tiny_vit", "frames"),
        },
    )


def test_batches_hold_what_items_have(places: Path, raw: Dataset) -> None:
    view = view_of(places, raw)
    items = np.array([2, 3, 4])
    batch = collate(view, items, ("video", "audio", "text", "clip"))
    assert batch.features["video"].rows.tolist() == [0, 2], "item 3 has no image"
    assert batch.features["video"].values.dtype == torch.float32
    assert batch.features["text"].values.dtype == torch.int64
    alone = collate(view, items[2:], ("video",)).features["video"].values[0]
    assert torch.equal(batch.features["video"].values[1], alone)
    source = BatchSource(view, view.split("train"), ("video", "text"), 4, seed=0, stage=0)
    steps = dict(source.steps(0))
    assert sorted(int(item) for batch in steps.values() for item in batch.items) == view.split("train").tolist()


@pytest.mark.parametrize("name", ["video", "audio", "text", "clip"])
def test_no_instances_give_no_rows(places: Path, raw: Dataset, name: str) -> None:
    view = view_of(places, raw)
    none, one = (view.read(name, np.zeros(number, np.int64)) for number in (0, 1))
    assert none.values.shape == (0, *one.values.shape[1:])
    assert (none.lengths is None) == (one.lengths is None)
    assert none.lengths is None or len(none.lengths) == 0


def test_the_view_says_what_it_is(places: Path, raw: Dataset) -> None:
    view = view_of(places, raw)
    found = {entry.modality.name: entry for entry in view.spec.modalities}
    assert (found["video"].kind, found["video"].dim, found["text"].dim, found["audio"].dim) == ("image", 3, 17, 16)
    assert all(entry.preparation for entry in found.values())
    assert not any(entry.preparation for entry in raw.spec.modalities)
    np.testing.assert_array_equal(view.has("video"), raw.has("video"))
    view.check_finite("audio")


def test_the_fingerprint_holds_what_the_preparation_is(places: Path, raw: Dataset, tmp_path: Path) -> None:
    def fingerprint(folder: Path) -> str:
        return prepare(raw, {"video": preparer(folder, "tiny_vit", "image")}).fingerprint()

    first = fingerprint(places)
    assert first != raw.fingerprint()
    shutil.copytree(places / "tiny_vit", tmp_path / "tiny_vit")
    assert fingerprint(tmp_path) == first, "another place, the same files"
    file = tmp_path / "tiny_vit" / "preprocessor_config.json"
    file.write_text(file.read_text().replace("0.5", "0.25"))
    assert fingerprint(tmp_path) != first


def test_what_is_too_long_is_counted(places: Path, raw: Dataset, tmp_path: Path) -> None:
    lengths = [5520, 5519, 16001]  # 400 samples for the first of 32 frames, 160 for every other: 5360 to 5519
    waves = np.random.default_rng(0).standard_normal(sum(lengths)).astype(np.float32)
    items = {"id": ["a", "b", "c"], "split": ["x"] * 3, "captions": [["red"] * 1, ["a " * 30], ["a " * 31]]}
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    dataset = write_dataset(
        tmp_path / "long",
        name="n",
        items=items,
        modalities={
            "audio": ModalityArrays(waves, None, offsets, kind="waveform", rate=RATE),
            "text": ModalityArrays(None, kind="text"),
        },
    )
    numbers = []
    for name, made, kind in (
        ("audio", "tiny_ast", "waveform"),
        ("audio", "tiny_whisper", "waveform"),
        ("text", "tiny_bert", "text"),
    ):
        stored = prepare(dataset, {name: preparer(places, made, kind)}).stored(name)
        assert isinstance(stored, StoredPrepared)
        numbers.append(stored.num_cut)
    assert numbers == [2, 1, 1]
    read = stored.read(np.arange(3))
    assert read.lengths is not None
    assert read.lengths.tolist() == [3, 32, 32]
    assert read.values[2, -1] == read.values[1, -1] == 3, "[SEP] stays at the end of what was cut"


def test_a_recording_too_short_for_the_network_is_named(places: Path, tmp_path: Path) -> None:
    waves, offsets = np.ones(1000, np.float32), np.array([0, 400, 601, 1000])
    items = {"id": ["a", "b", "c"], "split": ["x"] * 3}
    arrays = {"audio": ModalityArrays(waves, np.array([0, 1, 2]), offsets, kind="waveform", rate=RATE)}
    dataset = write_dataset(tmp_path / "short", name="n", items=items, modalities=arrays)
    with pytest.raises(
        DataError, match=r"audio.npy, row 1: the recording of item 'b' has 201 samples, and .* needs 400"
    ):
        prepare(dataset, {"audio": preparer(places, "tiny_ast", "waveform")})
    # The convolutions of 10, 3, 2 samples in steps of 5, 4, 4 need ((2 - 1) * 4 + 3 - 1) * 5 + 10.
    assert preparer(places, "tiny_wav2vec2", "waveform").fewest == 40


def test_only_raw_inputs_are_prepared_and_only_once(places: Path, raw: Dataset, tmp_path: Path) -> None:
    made = preparer(places, "tiny_vit", "image")
    with pytest.raises(ConfigError, match=r"video of .* is prepared already"):
        prepare(prepare(raw, {"video": made}), {"video": made})
    arrays = {"video": ModalityArrays(np.ones((1, 2), np.float32))}
    features = write_dataset(tmp_path / "f", name="n", items={"id": ["a"], "split": ["x"]}, modalities=arrays)
    with pytest.raises(ConfigError, match="is of the kind 'pooled'; a pretrained backbone reads raw inputs"):
        prepare(features, {"video": made})
    with pytest.raises(ConfigError, match="did you mean 'video'"):
        prepare(raw, {"vidio": made})
