"""Leakage: which videos two lists share, wherever they are named."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest

from trichord.data import ModalityArrays, write_dataset
from trichord.data.leakage import find_leak
from trichord.data.video_lists import look_like_clips, read_video_list
from trichord.errors import ConfigError, DataError

FOLDER = Path(os.environ.get("TRICHORD_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "captions"


def videos(asked: object, **choices: object) -> list[str]:
    return list(read_video_list(str(asked), **choices).ids)  # type: ignore[arg-type]


def write_clips(folder: Path, *, with_source: bool = True) -> Path:
    """Five clips of three videos; the last has no source, so that it stands for itself."""
    items: dict[str, list[str | None]] = {"id": list("abcde"), "split": ["train", "train", "val", "test", "test"]}
    if with_source:
        items["source"] = ["x", "x", "y", "z", None]
    video = ModalityArrays(np.eye(5, dtype=np.float32))
    return write_dataset(folder, name="made", items=items, modalities={"video": video}).path


@pytest.mark.parametrize("seed", range(5))
def test_what_is_shared_is_the_intersection_whatever_the_order_and_the_repetitions(seed: int) -> None:
    draws = np.random.default_rng(seed)
    learnt, measured = (draws.integers(0, 40, draws.integers(1, 60)).astype(str).tolist() for _ in range(2))
    leak = find_leak(learnt, measured, ("one", "other"))
    both = {video for video in learnt if video in measured}
    assert set(leak.shared) == both
    assert list(leak.shared) == sorted(both)
    assert (leak.num_training, leak.num_evaluated) == (len(set(learnt)), len(set(measured)))
    turned = find_leak(measured[::-1] * 2, learnt, ("other", "one"))
    assert turned.shared == leak.shared
    assert leak.sentence.startswith("LEAKAGE" if both else "No leakage")


def test_the_sentence_counts_videos_and_names_the_first() -> None:
    shared = [f"{number:04d}" for number in range(1200)]
    sentence = find_leak(shared, [*shared, "other"], ("A", "B")).sentence
    assert sentence == (
        "LEAKAGE: 1,200 of the 1,201 videos of B are also in A: 0000, 0001, 0002, 0003, 0004, and 1,195 more; leave "
        "them out of training"
    )
    assert find_leak(["a", "a"], ["b", "c"], ("A", "B")).sentence == (
        "No leakage: none of the 2 videos of B is among the 1 of A"
    )


def test_the_videos_of_a_data_set_are_its_sources(tmp_path: Path) -> None:
    data = write_clips(tmp_path / "data")
    assert videos(f"{data}:train") == ["x", "x"]
    assert videos(f"{data}:train+val") == ["x", "x", "y"]
    assert videos(f"{data}:test") == ["z", "e"], "an item without a source stands for itself"
    assert videos(data) == ["x", "x", "y", "z", "e"]
    assert read_video_list(str(data)).read_from == "the column source"
    plain = read_video_list(str(write_clips(tmp_path / "plain", with_source=False)))
    assert (list(plain.ids), plain.read_from) == (list("abcde"), "the items' ids")


def test_a_list_is_read_whatever_its_kind(tmp_path: Path) -> None:
    rows = [{"clip_id": "v1_0", "youtube_id": "v1"}, {"clip_id": "v2_0", "youtube_id": "v2"}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "a.jsonl").write_text(text)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "a.csv").write_text("task,video_id\n7,v1\n8,v2\n")
    (tmp_path / "a.txt").write_text("v1\n\nv2\n")
    (tmp_path / "paths.csv").write_text("path\nFood/video_1/v1\nNone/v2\n")
    (tmp_path / "paths.txt").write_text("path\nFood/video_1/v1\nNone/v2\n")
    for name in ("a.jsonl", "a.jsonl.gz", "a.csv", "a.txt", "paths.csv", "paths.txt"):
        assert videos(tmp_path / name) == ["v1", "v2"], name
    assert read_video_list(str(tmp_path / "a.jsonl")).read_from == "the field youtube_id"
    assert read_video_list(str(tmp_path / "paths.txt")).read_from == "the field path"
    assert videos(tmp_path / "a.jsonl", field="clip_id") == ["v1_0", "v2_0"]
    assert videos(tmp_path / "a.csv", field="task") == ["7", "8"]


def test_rows_of_a_split_and_a_colon_in_a_name(tmp_path: Path) -> None:
    text = "video_id,split\na,train\nb,val\nc,test\n"
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b:val").write_text("whole\n")
    assert videos(f"{tmp_path}/a.csv:train") == ["a"]
    assert videos(f"{tmp_path}/a.csv:train+test") == ["a", "c"]
    assert videos(f"{tmp_path}/b:val") == ["whole"], "a path that is there is no path and split"


def test_clips_of_one_video_are_recognised_and_compared_on_demand(tmp_path: Path) -> None:
    learnt, measured = ["GLd3aX16zBg_90_102", "GLd3aX16zBg_114_127", "-AwyG1JcMp8_0"], ["GLd3aX16zBg_200_210", "other"]
    (tmp_path / "a.txt").write_text("\n".join(learnt))
    assert not find_leak(learnt, measured, ("a", "b")).shared
    assert look_like_clips(learnt, measured) == 1
    assert look_like_clips(["video7010", "v_QOlSCBRmfWY"], ["video7011", "v_QOlSCBRmfWX"]) == 0
    assert videos(tmp_path / "a.txt", characters=11) == ["GLd3aX16zBg", "GLd3aX16zBg", "-AwyG1JcMp8"]
    assert read_video_list(str(tmp_path / "a.txt"), None, 11).read_from == "the field id, first 11 characters"


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    data = write_clips(tmp_path / "data")
    (tmp_path / "a.jsonl").write_text('{"clip": "a", "split": "train"}\n{"video": "b", "split": "val"}\n')
    (tmp_path / "some.jsonl").write_text('{"video_id": "a"}\n{"video": "b"}\n')
    with pytest.raises(DataError, match="no field names videos; fields: clip, split, video"):
        videos(tmp_path / "a.jsonl")
    with pytest.raises(DataError, match=r"no field 'clips'.*[Dd]id you mean 'clip'"):
        videos(tmp_path / "a.jsonl", field="clips")
    with pytest.raises(DataError, match=r"row 1.* no 'video_id'"):
        videos(tmp_path / "some.jsonl")
    with pytest.raises(ConfigError, match="no split 'trian'; did you mean 'train'"):
        videos(f"{tmp_path}/a.jsonl:trian")
    with pytest.raises(ConfigError, match="no split 'trian'; did you mean 'train'"):
        videos(f"{data}:trian")
    with pytest.raises(DataError, match="no 'split'"):
        videos(f"{tmp_path}/some.jsonl:train")
    with pytest.raises(DataError, match="does not exist"):
        videos(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="a split is named after the colon"):
        videos(f"{data}:")
    with pytest.raises(ConfigError, match="at least one character"):
        videos(tmp_path / "a.jsonl", field="split", characters=0)


@pytest.mark.real
@pytest.mark.skipif(not (FOLDER / "youcook2.jsonl.gz").exists(), reason="the published lists are not there")
def test_the_published_lists() -> None:
    def shared(training: str, evaluated: str) -> tuple[int, int, int]:
        leak = find_leak(videos(FOLDER / training), videos(FOLDER / evaluated), ("a", "b"))
        return len(leak.shared), leak.num_training, leak.num_evaluated

    assert shared("youcook2.jsonl.gz:train", "youcook2_validation_clips.csv") == (0, 1199, 436)
    assert shared("youcook2.jsonl.gz:val", "youcook2_validation_clips.csv") == (418, 419, 436)
    assert shared("msrvtt_1kA.jsonl.gz:train", "msrvtt_1kA_test.csv") == (0, 9000, 1000)
    assert shared("msrvtt_1kA.jsonl.gz:test1kA", "msrvtt_1kA_test.csv") == (1000, 1000, 1000)
    assert shared("msrvtt_1kA.jsonl.gz:train", "msrvtt_full_test_2990x20.jsonl.gz") == (1990, 9000, 2990)


def test_ids_of_two_kinds_tell_nothing() -> None:
    leak = find_leak(["abcdefghij0", "abcdefghij1"], ["video1", "video22"], ("training", "test"))
    assert leak.unlike == ("abcdefghij0", "video1")
    assert "cannot be told" in leak.sentence
    assert find_leak(["video3"], ["video1"], ("training", "test")).unlike is None
    assert "LEAKAGE" in find_leak(["video1", "abcdefghij1", "abcdefghij2"], ["video1"], ("training", "test")).sentence
