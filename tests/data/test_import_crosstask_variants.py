from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from published_maker import unit
from step_files import PAIRS, FirstNumbers, marked, settings, vectors, write_crosstask_by_hand

from trichord.data.importers.annotations import Span, mark_seconds
from trichord.data.importers.crosstask import CrossTaskImport, import_crosstask
from trichord.data.packing import PackReport
from trichord.evaluation.crosstask import StepEvaluationConfig, evaluate_steps
from trichord.evaluation.settings import EvaluationConfig


def read(folder: Path) -> PackReport:
    return import_crosstask(CrossTaskImport(**settings(folder)))


def annotate(folder: Path, text: str) -> None:
    """Annotate video b by spans instead of its grid."""
    (folder / "10_b.npy").unlink()
    (folder / "10_b.csv").write_text(text)


def seconds_of(written: dict[str, np.ndarray], seconds: int) -> np.ndarray:
    """The vectors of a video: each second the maximum over its share of the rows, from floor to ceiling."""
    rows = []
    for second in range(seconds):
        cut = [
            stream[second * len(stream) // seconds : -(-(second + 1) * len(stream) // seconds)].max(axis=0)
            for stream in (written["2d"], written["3d"])
        ]
        rows.append(unit(*cut))
    return np.stack(rows)


def test_spans_in_place_of_a_grid(tmp_path):
    written = write_crosstask_by_hand(tmp_path)
    annotate(tmp_path, "1,0.5,2.0\n2,3.2,3.4\n\n1,4,5.01\n")
    report = read(tmp_path)
    assert report.quarantined == ()
    assert marked(report.dataset, "b") == [(0, 1), (1, 1), (3, 2), (4, 1), (5, 1)]
    assert marked(report.dataset, "a") == [(2, 1)]
    np.testing.assert_allclose(vectors(report.dataset, "b"), seconds_of(written["b"], 6), rtol=1e-5, atol=1e-8)


def test_a_video_annotated_by_spans_is_as_long_as_its_2d_features(tmp_path):
    written = write_crosstask_by_hand(tmp_path)
    annotate(tmp_path, "1,0,1\n2,3,4\n")
    written["b"]["2d"] = written["b"]["2d"][:4]
    np.save(tmp_path / "10_a.npy", np.eye(3, 2))
    np.save(tmp_path / "b_2d.npy", written["b"]["2d"])
    dataset = read(tmp_path).dataset
    for video, seconds in (("a", 3), ("b", 4), ("c", 6)):
        np.testing.assert_allclose(vectors(dataset, video), seconds_of(written[video], seconds), rtol=1e-5, atol=1e-8)


def test_the_grid_is_read_where_there_are_both(tmp_path):
    write_crosstask_by_hand(tmp_path)
    (tmp_path / "10_b.csv").write_text("nothing of the kind")
    report = read(tmp_path)
    assert report.quarantined == ()
    assert marked(report.dataset, "b") == [(2, 1)]


def test_steps_are_located_in_spans(tmp_path):
    write_crosstask_by_hand(tmp_path)
    annotate(tmp_path, "1,0,3\n2,3,6\n")
    dataset = read(tmp_path).dataset
    evaluation = EvaluationConfig(num_resamples=10, similarity="dot product")
    result = evaluate_steps(FirstNumbers(), dataset, StepEvaluationConfig(evaluation=evaluation))
    assert sorted(dataset.ids[row] for row in result.video_items) == sorted(PAIRS)


@pytest.mark.parametrize(
    ("text", "kept", "reason"),
    [
        (
            "1,0,2\n2,4,9.5\n1,7,8\n",
            [(0, 1), (1, 1), (4, 2), (5, 2)],
            "2 of its 3 spans end after the video, whose .* 6 sec",
        ),
        ("1,0,2\n2,4,1e300\n", [(0, 1), (1, 1), (4, 2), (5, 2)], "1 of its 2 spans end after the video"),
        ("1,0,2\n2,4,4\n", [(0, 1), (1, 1)], "1 of its 2 spans last no time and mark no second"),
        ("1,6,6\n", [], "1 of its 1 spans last no time"),
    ],
)
def test_spans_that_mark_nothing_are_noted(tmp_path, text, kept, reason):
    write_crosstask_by_hand(tmp_path)
    annotate(tmp_path, text)
    report = read(tmp_path)
    assert {left.id for left in report.quarantined} == {"b"}
    assert re.search("annotation: " + reason, report.quarantined[0].reason), report.quarantined
    assert [left.reason for left in report.quarantined[1:]] == (
        [] if kept else ["no step occurs in it; it counts in no average"]
    )
    assert marked(report.dataset, "b") == kept


BROKEN_SPANS = {
    "unknown step": ("1,0,2\n3,2,4\n", r"10_b\.csv, row 2: steps are numbered 1 to 2, found 3"),
    "step from 0": ("0,0,2\n", r"10_b\.csv, row 1: steps are numbered 1 to 2, found 0"),
    "end before start": (
        "1,0,2\n2,4,3.9\n",
        r"10_b\.csv, row 2: a span runs from 0 or later to its end, found 4\.0 to 3\.9",
    ),
    "before the video": ("1,-1,2\n", "a span runs from 0 or later to its end, found -1"),
    "start not a number": ("1,nan,2\n", "a span runs from 0 or later to its end, found nan"),
    "endless": ("1,0,inf\n", "a span runs from 0 or later to its end, found 0.0 to inf"),
    "two fields": ("1,0\n", r"row 1: a row is step,start,end in numbers, found \['1', '0'\]"),
    "four fields": ("1,0,2,5\n", r"row 1: a row is step,start,end in numbers, found"),
    "a step with a point": ("1.0,0,2\n", r"row 1: a row is step,start,end in numbers, found"),
    "a header": ("step,start,end\n1,0,2\n", r"row 1: a row is step,start,end in numbers, found"),
    "empty": ("\n", r"10_b\.csv holds no row `step,start,end`"),
    "a quotation that never ends": ('"1,0,2\n', r"10_b\.csv is not readable as csv"),
}


@pytest.mark.parametrize("broken", BROKEN_SPANS)
def test_broken_spans(tmp_path, broken):
    text, reason = BROKEN_SPANS[broken]
    write_crosstask_by_hand(tmp_path)
    annotate(tmp_path, text)
    report = read(tmp_path)
    (left,) = report.quarantined
    assert left.id == "b"
    assert re.search("annotation: .*" + reason, left.reason), left.reason
    assert report.dataset.ids == ["10/1", "10/2", "20/1", *(video for video in PAIRS if video != "b")]


def test_spans_that_are_no_text(tmp_path):
    write_crosstask_by_hand(tmp_path)
    annotate(tmp_path, "")
    (tmp_path / "10_b.csv").write_bytes(b"\xff\xfe1")
    (left,) = read(tmp_path).quarantined
    assert re.search(r"annotation: 10_b\.csv is not readable as csv", left.reason)


def test_fewer_seconds_than_steps_in_spans(tmp_path):
    write_crosstask_by_hand(tmp_path)
    annotate(tmp_path, "1,0,1\n")
    np.save(tmp_path / "b_2d.npy", np.ones((1, 2048), np.float32))
    (left,) = read(tmp_path).quarantined
    assert left.reason.startswith("annotation: a video annotated by spans has 1 seconds for 2 steps")


@given(
    spans=st.lists(
        st.tuples(st.integers(1, 3), st.floats(0, 12), st.floats(0, 12)).map(
            lambda t: Span(t[0], min(t[1:]), max(t[1:]))
        ),
        max_size=6,
    ),
    seconds=st.integers(1, 10),
)
def test_a_second_is_marked_where_a_span_touches_it(spans, seconds):
    truth = mark_seconds(spans, seconds, 3).truth
    for second in range(seconds):
        for step in (1, 2, 3):
            inside = [s for s in spans if s.step == step and second in range(math.floor(s.start), math.ceil(s.end))]
            assert truth[second, step - 1] == bool(inside)


def test_3d_features_in_an_archive(tmp_path):
    written = write_crosstask_by_hand(tmp_path)
    sound = tmp_path / "sound"
    sound.mkdir()
    for video in PAIRS:
        (tmp_path / f"{video}.npz").rename(sound / f"{video}.npz")
    (tmp_path / "b_3d.npy").unlink()
    np.savez(tmp_path / "b.npz", features=written["b"]["3d"].astype(np.float16))
    written["b"]["3d"] = written["b"]["3d"].astype(np.float16).astype(np.float32)
    np.savez(tmp_path / "a.npz", features=np.full((4, 2048), np.nan))
    report = import_crosstask(CrossTaskImport(**settings(tmp_path, audio=sound)))
    assert report.quarantined == (), "where there are both files, the .npy is read"
    assert report.dataset.has("audio")[report.dataset.split("test")].all()
    for video in ("a", "b"):
        np.testing.assert_allclose(vectors(report.dataset, video), seconds_of(written[video], 6), rtol=1e-5, atol=1e-8)


def test_one_archive_may_hold_3d_features_and_sound(tmp_path):
    written = write_crosstask_by_hand(tmp_path)
    (tmp_path / "b_3d.npy").unlink()
    np.savez(tmp_path / "b.npz", features=written["b"]["3d"], arr_0=written["b"]["mel"])
    report = read(tmp_path)
    assert report.quarantined == ()
    np.testing.assert_allclose(vectors(report.dataset, "b"), seconds_of(written["b"], 6), rtol=1e-5, atol=1e-8)


BROKEN_ARCHIVES = {
    "sound alone": ({"arr_0": np.ones((40, 9))}, r"there is no b_3d\.npy, and in b\.npz: there is no array 'features'"),
    "another width": ({"features": np.ones((9, 4096))}, r"b\.npz is time x 2048, found float64 of \(9, 4096\)"),
    "integers": ({"features": np.ones((9, 2048), np.int64)}, r"b\.npz is time x 2048, found int64"),
    "no rows": ({"features": np.ones((0, 2048))}, r"b\.npz is time x 2048, found float64 of \(0, 2048\)"),
    "infinity": ({"features": np.full((9, 2048), np.inf)}, r"b\.npz holds NaN or infinity"),
    "objects": ({"features": np.array([{}])}, r"in b\.npz: .*pickled Python objects"),
    "nothing": (None, "the file does not exist"),
}


@pytest.mark.parametrize("broken", BROKEN_ARCHIVES)
def test_broken_archives_of_3d_features(tmp_path, broken):
    arrays, reason = BROKEN_ARCHIVES[broken]
    write_crosstask_by_hand(tmp_path)
    (tmp_path / "b_3d.npy").unlink()
    (tmp_path / "b.npz").unlink()
    if arrays is not None:
        np.savez(tmp_path / "b.npz", **arrays)
    report = read(tmp_path)
    (left,) = report.quarantined
    assert left.id == "b"
    assert re.search("video: .*" + reason, left.reason), left.reason
    assert "b" not in report.dataset.ids
