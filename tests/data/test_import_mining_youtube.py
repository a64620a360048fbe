from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from published_maker import unit, word_file
from step_files import FirstNumbers, marked, settings, vectors, write_features

from trichord.cli.main import main
from trichord.data import Dataset
from trichord.data.importers.mining_youtube import MiningYouTubeImport, import_mining_youtube
from trichord.data.packing import PackReport
from trichord.errors import DataError
from trichord.evaluation.crosstask import StepEvaluationConfig, evaluate_steps
from trichord.evaluation.settings import EvaluationConfig

ACTIONS = {
    "x": ["cut onions", "fry eggs", "cut onions"],
    "y": ["stir"],
    **{f"more{k}": ["stir", "fry eggs"] for k in range(9)},
}


def write_mining(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    (folder / "mining.csv").write_text("video_id\n" + "".join(f"{video}\n" for video in ACTIONS))
    (folder / "step.json").write_text(json.dumps({**ACTIONS, "not listed": ["stir"]}))
    word_file(folder)
    written = {}
    for seed, (video, actions) in enumerate(ACTIONS.items()):
        written[video] = write_features(folder, video, 5, seed)
        np.save(folder / f"{video}.npy", np.eye(5, len(actions), -1, dtype=np.int64))
    return written


def read(folder: Path) -> PackReport:
    return import_mining_youtube(MiningYouTubeImport(**settings(folder)))


def test_items_hold_what_the_files_hold(tmp_path):
    written = write_mining(tmp_path)
    report = read(tmp_path)
    dataset = report.dataset
    assert report.quarantined == ()
    assert dataset.spec.name == "mining-youtube"
    steps = [(video, k, action) for video in sorted(ACTIONS) for k, action in enumerate(ACTIONS[video], start=1)]
    assert dataset.ids == [*(f"{video}/{k}" for video, k, _ in steps), *ACTIONS]
    assert dataset.label("task") == [*(video for video, _, _ in steps), *ACTIONS]
    assert dataset.label("step") == [*(k for _, k, _ in steps), *[None] * len(ACTIONS)]
    assert [dataset.captions(row) for row in range(len(steps))] == [[action] for _, _, action in steps]
    assert marked(dataset, "x") == [(1, 1), (2, 2), (3, 3)]
    assert marked(dataset, "y") == [(1, 1)]
    row = dataset.ids.index("x")
    heard = dataset.read("audio", dataset.instances("audio").first[row : row + 1]).values[0]
    np.testing.assert_array_equal(heard, written["x"]["mel"].T)
    flat, deep = written["x"]["2d"], written["x"]["3d"]
    shares = [deep[second * 7 // 5 : -(-(second + 1) * 7 // 5)].max(axis=0) for second in range(5)]
    assert len(deep) == 7
    expected = np.stack([unit(flat[second], shares[second]) for second in range(5)])
    np.testing.assert_allclose(vectors(dataset, "x"), expected, rtol=1e-5, atol=1e-8)


def test_actions_are_located(tmp_path):
    write_mining(tmp_path)
    dataset = read(tmp_path).dataset
    evaluation = EvaluationConfig(num_resamples=10, similarity="dot product")
    result = evaluate_steps(FirstNumbers(), dataset, StepEvaluationConfig(evaluation=evaluation))
    assert sorted(dataset.ids[row] for row in result.video_items) == sorted(ACTIONS)
    assert result.galleries["T>VA"].protocol.num_tasks == len(ACTIONS), "a video is its own task"


BROKEN = {
    "annotation of another width": (
        "x.npy",
        np.eye(5, 2),
        "annotation: x.npy is seconds x 3 steps of 0 and 1, .* (5, 2)",
    ),
    "annotation missing": ("x.npy", None, "annotation: the file does not exist"),
    "features missing": ("x_2d.npy", None, "video: the file does not exist"),
    "too few seconds": ("x.npy", np.eye(2, 3), "annotation: x.npy has 2 seconds for 3 steps"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_video(tmp_path, broken):
    name, values, reason = BROKEN[broken]
    write_mining(tmp_path)
    (tmp_path / name).unlink()
    if values is not None:
        np.save(tmp_path / name, values)
    report = read(tmp_path)
    (left,) = report.quarantined
    assert left.id == "x"
    assert re.search(re.escape(reason).replace(r"\.\*", ".*"), left.reason), left.reason
    assert "x" not in report.dataset.ids


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("step.json", json.dumps({k: v for k, v in ACTIONS.items() if k != "y"}), r"the tasks \['y'\] have no steps"),
        ("step.json", '["cut"]', "steps are an object from task to the names of its steps"),
        ("mining.csv", "video\nx\n", "there is no 'video_id'"),
        ("mining.csv", "video_id\nx\nx\n", "'x' is in rows 0 and 1"),
        ("mining.csv", "video_id\n../x\n", "a video and its task are names, not paths"),
    ],
)
def test_broken_lists(tmp_path, file, text, message):
    write_mining(tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=message):
        read(tmp_path)
    assert not (tmp_path / "d").exists()


def test_the_command(tmp_path, capsys):
    write_mining(tmp_path)
    arguments = ["--features", str(tmp_path), "--words", str(tmp_path / "words.bin"), "--out", str(tmp_path / "d")]
    main(["import", "mining-youtube", *arguments, "--no-progress"])
    assert Dataset.open(tmp_path / "d").spec.name == "mining-youtube"
    assert "mining-youtube" in capsys.readouterr().out
