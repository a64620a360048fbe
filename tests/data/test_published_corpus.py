"""Files in the published formats: exactly these keys, types and shapes, and the planted signal in them."""

from __future__ import annotations

import csv
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from trichord.config import from_dict, replaced
from trichord.data.generated import (
    COOKING,
    MSRVTT,
    YOUCOOK2,
    CrossTaskConfig,
    HowTo100MConfig,
    LsmdcConfig,
    MsrvttConfig,
    PhrasingConfig,
    SignalConfig,
    WordVectorsConfig,
    YouCook2Config,
    draw_moments,
    write_crosstask,
    write_howto100m,
    write_lsmdc,
    write_msrvtt,
    write_word_vectors,
    write_youcook2,
)
from trichord.data.generated.phrasing import choose
from trichord.data.generated.timeline import Timeline, draw_timeline
from trichord.data.generated.visual import unit_length
from trichord.data.word2vec import read_vocabulary
from trichord.errors import ConfigError
from trichord.modality import STANDARD, unspell

SMALL = {"num_clips": {"train": 14, "val": 9}, "frames": (20, 30)}


def load(file: Path):
    with open(file, "rb") as handle:
        return pickle.load(handle)


def check_vector(vector: np.ndarray, kind: type = np.ndarray) -> None:
    assert isinstance(vector, kind)
    values = np.asarray(vector)
    assert values.dtype == np.float32
    assert values.shape == (2048,)
    assert values.min() >= 0
    assert np.linalg.norm(values) == pytest.approx(1, abs=1e-5)


def check_mel(values: np.ndarray, frames: int, kind: type = np.float32) -> None:
    assert values.shape == (40, frames)
    assert values.dtype == kind
    assert values.min() >= -80
    assert values.max() == 0, "decibels below the peak"
    assert values.astype(np.float32).std() > 3


def same(one, other) -> bool:
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (np.ndarray, torch.Tensor)):
        return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())
    return type(one) is type(other) and one == other


# ---- formats


def test_youcook2_has_the_published_keys_types_and_shapes(tmp_path):
    written = write_youcook2(tmp_path, YouCook2Config(**SMALL))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["youcook_train_audio.pkl", "youcook_val_audio.pkl"]
    videos = {}
    for split, number in (("train", 14), ("val", 9)):
        entries = load(tmp_path / f"youcook_{split}_audio.pkl")
        assert len(entries) == number
        assert tuple(entry["id"] for entry in entries) == written[split].ids
        for entry in entries:
            assert list(entry) == ["id", "2d", "3d", "audio", "caption"]
            assert re.fullmatch(r"[\w-]{11}_\d+", entry["id"])
            check_vector(entry["2d"])
            check_vector(entry["3d"])
            assert isinstance(entry["audio"], torch.Tensor)
            assert 20 <= entry["audio"].shape[1] <= 30
            check_mel(entry["audio"].numpy(), entry["audio"].shape[1])
            assert isinstance(entry["caption"], str)
            assert 12 <= len(re.findall(r"[\w']+", entry["caption"])) <= 20
        videos[split] = {entry["id"][:11] for entry in entries}
        assert len(videos[split]) < number, "several clips of one video"
    assert len({*written["train"].ids, *written["val"].ids}) == 23
    assert not videos["train"] & videos["val"]


def test_settings_choose_the_type_of_audio_and_the_pickle_protocol(tmp_path):
    for kind, protocol in (("float16", 3), ("float32", 4)):
        config = YouCook2Config(audio_type=kind, protocol=protocol, **SMALL)
        file = write_youcook2(tmp_path / kind, config)["val"].file
        assert load(file)[0]["audio"].dtype == getattr(torch, kind)
        content = file.read_bytes()
        assert content[:2] == bytes([0x80, protocol])
        assert (b"cnumpy.core.multiarray\n" in content) == (protocol == 3), "as NumPy 1 spelled it"
        assert b"cnumpy._core.multiarray\n" not in content


def test_msrvtt_has_the_published_keys_types_and_shapes_and_its_list_names_every_test_clip(tmp_path):
    config = MsrvttConfig(
        num_train=12, num_train_1k_a=20, num_test=25, silent=0.2, rows=(2, 4), num_captions=3, frames=(20, 30)
    )
    written = write_msrvtt(tmp_path, config)
    names = ["msrvtt_1k-A_train.pkl", "msrvtt_1kA_test.csv", "msrvtt_jsfusion_test.pkl", "msrvtt_train.pkl"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    entries = {
        "train": load(tmp_path / names[3]),
        "1k-A_train": load(tmp_path / names[0]),
        "test": load(tmp_path / names[2]),
    }
    for split, listed in entries.items():
        assert tuple(entry["id"] for entry in listed) == written.splits[split].ids
        assert len({entry["id"] for entry in listed}) == len(listed)
        for entry in listed:
            worded = "eval_caption" if split == "test" else "caption"
            assert list(entry) == ["id", "2d", "3d", "2d_pooled", "3d_pooled", "audio", worded]
            assert re.fullmatch(r"video\d+", entry["id"])
            for stream in ("2d", "3d"):
                assert entry[stream].dtype == np.float32
                assert entry[stream].shape[1] == 2048
                assert 2 <= len(entry[stream]) <= 4
                check_vector(entry[f"{stream}_pooled"])
                pooled = entry[stream].max(axis=0)
                np.testing.assert_allclose(entry[f"{stream}_pooled"], pooled / np.linalg.norm(pooled), atol=1e-6)
            check_mel(entry["audio"].numpy(), entry["audio"].shape[1])
            kinds = [type(text) for text in ([entry[worded]] if split == "test" else entry[worded])]
            assert kinds == [str] * (1 if split == "test" else 3)
    smaller, larger = {e["id"]: e for e in entries["train"]}, {e["id"]: e for e in entries["1k-A_train"]}
    assert set(smaller) < set(larger)
    assert all(same(entry, larger[name]) for name, entry in smaller.items())
    assert len(larger) == 16
    with open(tmp_path / "msrvtt_1kA_test.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["key", "vid_key", "video_id", "sentence"]
    assert [row["key"] for row in rows] == [f"ret{place}" for place in range(25)]
    assert all(row["vid_key"] == row["video_id"].replace("video", "msr") for row in rows)
    sentences = {row["video_id"]: row["sentence"] for row in rows}
    assert len(sentences) == 25
    assert tuple(sentences) == written.listed
    tested = {entry["id"]: entry["eval_caption"] for entry in entries["test"]}
    assert len(tested) == 20
    assert set(sentences) - set(tested) == set(written.silent)
    assert all(sentences[name] == text for name, text in tested.items())
    assert not set(sentences) & set(larger)


def test_lsmdc_has_the_published_keys_types_and_shapes(tmp_path):
    written = write_lsmdc(tmp_path, LsmdcConfig(num_clips={"train": 105, "test": 3}, frames=(10, 12)))
    for split, number in (("train", 105), ("test", 3)):
        entries = load(tmp_path / f"lsmdc_{split}.pkl")
        assert tuple(entry["id"] for entry in entries) == written[split].ids
        assert len(set(written[split].ids)) == number
        for entry in entries[:3]:
            assert list(entry) == ["id", "2d_pooled", "3d_pooled", "audio", "caption"]
            check_vector(entry["2d_pooled"], torch.Tensor)
            check_vector(entry["3d_pooled"], torch.Tensor)
            check_mel(entry["audio"].numpy(), entry["audio"].shape[1])
            assert isinstance(entry["caption"], str)


@pytest.mark.parametrize("compressed", [False, True])
def test_howto100m_has_the_published_tree(tmp_path, compressed):
    config = HowTo100MConfig(num_videos=6, seconds=(11, 17), compressed=compressed)
    written = write_howto100m(tmp_path, config)
    lines = (tmp_path / "videopaths.csv").read_text().splitlines()
    assert lines[0] == "path"
    assert {line.split("/")[0] for line in lines[1:]} > {"None"}
    captions = load(tmp_path / "caption.pickle")
    assert list(captions) == [line.split("/")[-1] for line in lines[1:]] == [video.id for video in written.videos]
    for line, video in zip(lines[1:], written.videos, strict=True):
        assert line.removeprefix("None/") == video.path
        assert re.fullmatch(r"(\w+/)?video_\d/[\w-]{11}", video.path)
        stem = tmp_path / video.path / video.id
        seconds = video.timeline.seconds
        assert 11 <= seconds <= 17
        for stream, number in (("2d", seconds), ("3d", int(1.5 * seconds))):
            file = np.load(f"{stem}_{stream}.npz")
            assert file.files == ["features"]
            assert file["features"].shape == (number, 2048)
            assert file["features"].dtype == np.float16
            assert file["features"].min() >= 0
        file = np.load(f"{stem}_spec.npz")
        assert file.files == ["arr_0"]
        check_mel(file["arr_0"], 100 * seconds, np.float16)
        said = captions[video.id]
        assert list(said) == ["start", "end", "text"]
        assert len(said["start"]) == len(said["end"]) == len(said["text"]) == len(video.timeline.start)
        assert all(isinstance(number, float) for number in said["start"] + said["end"])
        assert said["start"][0] >= 0
        assert said["end"][-1] <= seconds
        assert all(isinstance(text, str) and text for text in said["text"])


def test_crosstask_has_the_published_files(tmp_path):
    written = write_crosstask(tmp_path, CrossTaskConfig(num_tasks=2, videos_of_task=2, steps=(3, 4)))
    with open(tmp_path / "cvpr19_test.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["video_id"]: row["task"] for row in rows} == written.videos
    assert len(rows) == 4
    assert list(rows[0]) == ["video_id", "task"]
    steps = json.loads((tmp_path / "step.json").read_text())
    assert steps == written.steps
    for row in rows:
        name, names = row["video_id"], steps[row["task"]]
        assert len(set(names)) == len(names) in (3, 4)
        annotation = np.load(tmp_path / f"{row['task']}_{name}.npy")
        assert annotation.dtype == np.uint8
        assert annotation.shape[1] == len(names)
        assert set(np.unique(annotation)) == {0, 1}
        assert annotation.sum(axis=1).max() == 1
        shown = annotation[annotation.any(axis=1)].argmax(axis=1)
        assert (np.diff(shown) >= 0).all(), "the steps are done in order"
        for stream, number in (("2d", len(annotation)), ("3d", int(1.5 * len(annotation)))):
            rows_of_stream = np.load(tmp_path / f"{name}_{stream}.npy")
            assert rows_of_stream.shape == (number, 2048)
            assert rows_of_stream.dtype == np.float32
        check_mel(np.load(tmp_path / f"{name}.npz")["arr_0"], 100 * len(annotation), np.float16)


def test_word_vectors_cover_every_caption_and_more(tmp_path):
    clips = write_youcook2(tmp_path, YouCook2Config(**SMALL))
    used = {word for entry in load(clips["train"].file) for word in re.findall(r"[\w']+", entry["caption"])}
    written = write_word_vectors(tmp_path / "words.bin", WordVectorsConfig(num_fillers=50))
    assert written.words[0] == "</s>"
    assert len(set(written.words)) == len(written.words) == written.num_used + 51
    assert (tmp_path / "words.bin").read_bytes().startswith(b"%d 300\n" % len(written.words))
    found = read_vocabulary(tmp_path / "words.bin", used)
    assert set(found.words) == used
    assert found.vectors.std() == pytest.approx(0.15, rel=0.1)
    lacking = write_word_vectors(tmp_path / "lacking.bin", WordVectorsConfig(num_fillers=0, left_out=("the", "and")))
    assert set(written.words) - set(lacking.words) >= {"the", "and"}
    again = read_vocabulary(tmp_path / "lacking.bin", used)
    assert set(again.words) == used - {"the", "and"}
    ids = found.ids
    np.testing.assert_array_equal(again.vectors, found.vectors[[ids()[word] for word in again.words]])


def test_words_of_one_slot_are_related(tmp_path):
    write_word_vectors(tmp_path / "words.bin", WordVectorsConfig(num_fillers=0, relatedness=0.3))
    slots = list(COOKING.slots.values())[:4]
    found = read_vocabulary(tmp_path / "words.bin", [word for words in slots for word in words])
    vectors = unit_length(found.vectors)
    slot = np.array([next(i for i, words in enumerate(slots) if word in words) for word in found.words])
    cosines = vectors @ vectors.T
    related, others = slot[:, None] == slot, slot[:, None] != slot
    assert cosines[related & (cosines < 0.99)].mean() == pytest.approx(0.3, abs=0.08)
    assert abs(cosines[others].mean()) < 0.05


# ---- determinism


def test_the_configuration_decides_everything(tmp_path):
    small = {
        "youcook2": (write_youcook2, YouCook2Config(**SMALL)),
        "msrvtt": (write_msrvtt, MsrvttConfig(num_train=3, num_train_1k_a=5, num_test=4, rows=(2, 2), frames=(9, 12))),
    }
    for name, (write, config) in small.items():
        files = {}
        for attempt, seed in (("a", 0), ("b", 0), ("c", 1)):
            folder = tmp_path / name / attempt
            write(folder, replaced(config, {"seed": seed}))
            files[attempt] = [load(file) for file in sorted(folder.glob("*.pkl"))]
        assert same(files["a"], files["b"])
        assert not same(files["a"], files["c"])
        assert from_dict(config.to_dict()) == config
    for name, (write, config) in {
        "howto100m": (write_howto100m, HowTo100MConfig(num_videos=2, seconds=(4, 6))),
        "crosstask": (write_crosstask, CrossTaskConfig(num_tasks=1, videos_of_task=1, steps=(2, 2))),
    }.items():
        contents = []
        for attempt in ("a", "b"):
            folder = tmp_path / name / attempt
            write(folder, config)
            contents.append({str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()})
        assert contents[0] == contents[1]


def test_more_videos_do_not_change_the_first_ones(tmp_path):
    few = write_howto100m(tmp_path / "few", HowTo100MConfig(num_videos=2, seconds=(4, 6)))
    many = write_howto100m(tmp_path / "many", HowTo100MConfig(num_videos=3, seconds=(4, 6)))
    for one, other in zip(few.videos, many.videos[:2], strict=True):
        assert one.path == other.path
        rows = [
            np.load(tmp_path / f / v.path / f"{v.id}_2d.npz")["features"] for f, v in (("few", one), ("many", other))
        ]
        np.testing.assert_array_equal(*rows)


# ---- signal


def explained(inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Share of the variance of each target that ridge regression explains on the last quarter of the rows."""
    cut = 3 * len(inputs) // 4
    inputs = (inputs - inputs[:cut].mean(axis=0)) / inputs[:cut].std()
    kernel = inputs @ inputs.T
    centre = targets[:cut].mean(axis=0)
    weights = np.linalg.solve(
        kernel[:cut, :cut] + 0.03 * np.trace(kernel) / len(kernel) * np.eye(cut), targets[:cut] - centre
    )
    left = targets[cut:] - centre - kernel[cut:, :cut] @ weights
    return 1 - (left**2).sum(axis=0) / ((targets[cut:] - centre) ** 2).sum(axis=0)


def words_of(captions: list[str], phrasing: PhrasingConfig) -> np.ndarray:
    every = [word for words in phrasing.slots.values() for word in words]
    return np.array([[word in caption.split() for word in every] for caption in captions], dtype=float)


@pytest.mark.parametrize("preset", [YOUCOOK2, MSRVTT])
def test_every_modality_shows_its_own_groups_and_nothing_else(tmp_path, preset):
    config = YouCook2Config(signal=preset, num_clips={"train": 800, "val": 1}, frames=(40, 60), topic=0.0)
    written = write_youcook2(tmp_path, config)["train"]
    entries = load(written.file)
    views = {
        "video": np.stack([np.concatenate([entry["2d"], entry["3d"]]) for entry in entries]),
        "audio": np.stack([entry["audio"].numpy().mean(axis=1) for entry in entries]),
        "text": words_of([entry["caption"] for entry in entries], preset.phrasing),
    }
    for name, inputs in views.items():
        for group, truth in written.attributes.items():
            found = explained(inputs, truth)
            if name in unspell(group, STANDARD):
                assert found.min() > 0.4, (name, group, found)
            else:
                assert found.max() < 0.05, (name, group, found)


def test_what_two_modalities_see_of_an_attribute_is_as_correlated_as_planted():
    config = replaced(YOUCOOK2, {"strength.VAT": 0.5})
    moments = draw_moments(config, 0, "test", np.arange(20000), num_captions=2)
    place = {
        name: sum(config.attributes[g] for g in config.groups_of(name)[: config.groups_of(name).index("VAT")])
        for name in ("video", "audio", "text")
    }
    seen = {
        "video": moments.video[:, place["video"]],
        "audio": moments.audio[:, place["audio"]],
        "text": moments.text[:, 0, place["text"]],
    }
    for one, other in (("video", "audio"), ("video", "text"), ("audio", "text")):
        noise = [config.noise[name] ** 2 for name in (one, other)]
        wanted = 0.25 / np.sqrt((0.25 + noise[0]) * (0.25 + noise[1]))
        assert np.corrcoef(seen[one], seen[other])[0, 1] == pytest.approx(wanted, abs=0.02)
    for values in (moments.video, moments.audio, moments.text[:, 1]):
        np.testing.assert_allclose(values.std(axis=0), 1, atol=0.03)
        np.testing.assert_allclose(np.corrcoef(values.T), np.eye(values.shape[1]), atol=0.04)


def test_clips_of_one_video_have_their_topic_in_common():
    moments = draw_moments(YOUCOOK2, 0, "test", np.repeat(np.arange(5000), 2), topic=0.3)
    first, second = moments.attributes["AT"][::2, 0], moments.attributes["AT"][1::2, 0]
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.3, abs=0.04)


def test_segments_of_a_long_video_show_what_is_said(tmp_path):
    config = HowTo100MConfig(num_videos=4, seconds=(250, 300), segment=(3.0, 6.0), signal=MSRVTT)
    written = write_howto100m(tmp_path, config)
    captions = load(written.captions_file)
    video, said = [], []
    for entry in written.videos:
        rows = np.load(tmp_path / entry.path / f"{entry.id}_2d.npz")["features"].astype(np.float32)
        mine = captions[entry.id]
        for start, end, text in zip(mine["start"], mine["end"], mine["text"], strict=True):
            inside = np.arange(len(rows)) + 0.5
            inside = (inside >= start) & (inside < end)
            if inside.any():
                video.append(rows[inside].mean(axis=0))
                said.append(text)
    words = words_of(said, MSRVTT.phrasing)
    values = words.reshape(len(words), -1, 6).argmax(axis=2).astype(float)
    found = explained(np.stack(video), values)
    assert len(video) > 150
    shared = sum(MSRVTT.attributes[group] for group in ("VT", "VAT"))
    assert found[:shared].min() > 0.2
    assert found[shared:].max() < 0.05


def test_a_step_looks_alike_in_all_videos_of_its_task(tmp_path):
    written = write_crosstask(tmp_path, CrossTaskConfig(num_tasks=1, videos_of_task=8, steps=(5, 5), skipped=0.0))
    means = []
    for name, task in written.videos.items():
        rows, shown = np.load(tmp_path / f"{name}_2d.npy"), np.load(tmp_path / f"{task}_{name}.npy").astype(float)
        means.append((shown / shown.sum(axis=0)).T @ rows)
    centred = np.stack(means) - np.mean(means, axis=(0, 1))
    centred /= np.linalg.norm(centred, axis=2, keepdims=True)
    cosines = np.einsum("ikd,jld->ijkl", centred, centred)[np.triu_indices(8, 1)]
    alike = np.mean([cosines[:, k, k].mean() for k in range(5)])
    unlike = np.mean([cosines[:, k, m].mean() for k in range(5) for m in range(5) if k != m])
    assert alike > unlike + 0.3


# ---- parts


def test_values_choose_words_equally_often():
    values = np.random.default_rng(0).standard_normal((6000, len(COOKING.slots)))
    chosen = [choose(row, COOKING)["action"] for row in values]
    counts = np.array([chosen.count(word) for word in COOKING.slots["action"]])
    np.testing.assert_allclose(counts / 6000, 1 / 6, atol=0.02)
    assert choose(np.full(12, -9.0), COOKING)["action"] == "fry"
    assert choose(np.full(12, 9.0), COOKING)["action"] == "steam"


def test_times_are_found_in_their_segments():
    timeline = Timeline(10, np.array([1.0, 4.0]), np.array([3.0, 6.0]))
    np.testing.assert_array_equal(
        timeline.segment_at(np.array([0.5, 1.0, 2.9, 3.0, 4.5, 6.0, 9.0])), [-1, 0, 0, -1, 1, -1, -1]
    )
    for seed in range(20):
        drawn = draw_timeline(np.random.default_rng(seed), 30, (2.0, 5.0), 0.3)
        assert (drawn.end > drawn.start).all()
        assert (drawn.start[1:] >= drawn.end[:-1]).all()
        assert drawn.end[-1] <= 30


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replaced(YOUCOOK2, {"num_private.text": 3}), "slots"),
        (lambda: replaced(YOUCOOK2, {"strength.AT": 0.0}), "above 0"),
        (lambda: replaced(YOUCOOK2, {"num_private.audio": 40}), "mel bands"),
        (lambda: SignalConfig(**{**vars(YOUCOOK2), "strength": {"AT": 1.0}}), "strength names"),
        (lambda: YouCook2Config(num_clips={"train": 1}), "train and val"),
        (lambda: YouCook2Config(frames=(5, 4)), "frames"),
        (lambda: YouCook2Config(protocol=9), "protocol"),
        (lambda: YouCook2Config(topic=1.0), "topic"),
        (lambda: MsrvttConfig(num_train=10, num_train_1k_a=9), "smaller"),
        (lambda: MsrvttConfig(silent=1.0), "silent"),
        (lambda: LsmdcConfig(num_clips={"train": 0, "test": 1}), "one clip"),
        (lambda: HowTo100MConfig(pause=1.0), "pause"),
        (lambda: CrossTaskConfig(step_name="{colour} it"), "slots"),
        (lambda: CrossTaskConfig(step_name="taste {vegetable}"), "words"),
        (lambda: WordVectorsConfig(relatedness=1.0), "relatedness"),
        (lambda: PhrasingConfig(slots={"a": ("x",)}, sentences=("{a}",)), "two words"),
        (lambda: PhrasingConfig(slots={"a": ("x", "y"), "b": ("y", "z")}, sentences=("{a}",)), "one place"),
        (lambda: PhrasingConfig(slots={"a": ("x", "y")}, sentences=("x {a}",)), "one place"),
        (lambda: PhrasingConfig(slots={"a": ("x", "y")}, sentences=("{b}",)), "without words"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
