from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_maker import NOISE, planted_results

from trichord.metrics.retrieval import QueryScores
from trichord.reports import Table, plot_numbers
from trichord.reports.curves import StageCurve
from trichord.reports.plot_curves import mean_line
from trichord.reports.plot_ranks import chance_share, found_ranks, share_within
from trichord.reports.plot_style import BASELINE, SERIES, WIDTH, Margins, panels, spread_labels, styles, text_width


class Recorder:
    """Stands in for the axes of a figure and keeps what is drawn at every height."""

    def __init__(self) -> None:
        self.marks: dict[float, tuple[float, str]] = {}

    def plot(self, x: list[float], y: list[float], **style: object) -> None:
        if len(x) == 1:
            self.marks[y[0]] = (x[0], str(style.get("markerfacecolor", style.get("color"))))

    def __getattr__(self, name: str) -> object:
        return lambda *args, **kwargs: []


def test_differences_are_to_the_best_order(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = [Recorder() for _ in table.tasks]
    monkeypatch.setattr(plot_numbers, "panels", lambda *args, **kwargs: (None, grid))
    monkeypatch.setattr(plot_numbers, "to_svg", lambda *args: "")
    monkeypatch.setattr(plot_numbers, "_label_entries", lambda *args, **kwargs: None)
    plot_numbers.plot_differences(table)
    for task, axes in zip(table.tasks, grid, strict=True):
        means = {row.label: row.mean for row in table.column(task, "R@10")}
        best = max((label for label in means if table.kinds[label] == "trained"), key=lambda label: means[label])
        assert set(axes.marks) == set(range(len(table.labels))), "every entry has its row, the baseline too"
        for place, label in enumerate(table.labels):
            assert axes.marks[place][0] == pytest.approx(means[label] - means[best])


def test_panels_stand_apart_and_inside_the_figure() -> None:
    margins = Margins(left=1.1, top=0.7, bottom=0.5, columns=0.3, rows=0.6)
    figure, grid = panels(2, 3, 1.5, margins, used=5)
    assert len(grid) == len(figure.axes) == 5
    width, height = figure.get_size_inches()
    boxes = [axes.get_position() for axes in grid]
    assert boxes[0].x0 * width == pytest.approx(1.1)
    assert (1 - boxes[0].y1) * height == pytest.approx(0.7)
    assert boxes[3].y0 * height == pytest.approx(0.5)
    assert all(box.height * height == pytest.approx(1.5) for box in boxes)
    assert (boxes[1].x0 - boxes[0].x1) * width == pytest.approx(0.3)
    assert (boxes[0].y0 - boxes[3].y1) * height == pytest.approx(0.6)
    assert (1 - boxes[2].x1) * width == pytest.approx(margins.right)


def test_room_for_labels_grows_with_them_and_is_bounded() -> None:
    assert text_width([]) == 0
    assert text_width(["AV_T", "linear CCA"]) == pytest.approx(2.5 * text_width(["AV_T"]))
    assert text_width(["x" * 500]) == pytest.approx(WIDTH / 3)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=12), st.floats(0.01, 2))
def test_labels_are_moved_apart_in_order(positions: list[float], gap: float) -> None:
    moved = spread_labels(positions, gap, 0.0)
    ordered = sorted(moved)
    assert all(b - a >= gap - 1e-9 for a, b in pairwise(ordered))
    assert min(moved) >= 0.0
    for i, a in enumerate(positions):
        for j, b in enumerate(positions):
            if a < b:
                assert moved[i] < moved[j]


def test_labels_that_are_apart_stay_where_they_are() -> None:
    assert spread_labels([3.0, 1.0, 9.0], 1.0, 0.0) == [3.0, 1.0, 9.0]
    assert spread_labels([5.0, 5.0], 1.0, 0.0) == [4.5, 5.5]
    assert spread_labels([0.0, 0.0], 1.0, 0.0) == [0.0, 1.0]


def test_shares_are_counted() -> None:
    ranks = np.array([[1.0, 3.0, 10.0], [2.0, np.inf, 3.0]])
    share = share_within(ranks, np.array([1.0, 2.0, 3.0, 10.0]))
    assert share == pytest.approx([100 / 6, 200 / 6, 400 / 6, 500 / 6])


def test_the_share_within_ten_is_recall_at_ten() -> None:
    result = planted_results(0, NOISE["VT_A"])["T>V"]
    share = share_within(found_ranks(result)[None], np.array([1.0, 5.0, 10.0]))
    assert share == pytest.approx([result.metrics[f"R@{k}"].value for k in (1, 5, 10)])


def test_misses_are_never_found_and_chance_is_a_line() -> None:
    result = planted_results(0, NOISE["VT_A"])["T>V"]
    assert chance_share(result, np.array([1.0, 30.0, 60.0])) == pytest.approx([100 / 60, 50, 100])
    scores = result.scores
    reciprocal = scores.reciprocal_rank.copy()
    reciprocal[:6] = 0.0
    missed = replace(result, num_missing=6, scores=QueryScores(scores.rank, scores.recall, reciprocal))
    assert np.isinf(found_ranks(missed)[:6]).all()
    assert chance_share(missed, np.array([60.0])) == pytest.approx([90.0])
    several = replace(result, protocol=replace(result.protocol, gallery_captions="all"))
    assert chance_share(several, np.array([1.0])) is None


def curve(values: dict[int, float], best: int | None) -> StageCurve:
    return StageCurve("AV", 0, tuple(values), tuple(values.values()), (1, 2), (3.0, 1.0), best)


def test_curves_are_averaged_over_the_epochs_all_seeds_have() -> None:
    line = mean_line("AV_T", [curve({1: 0.1, 2: 0.3, 3: 0.9}, 3), curve({1: 0.3, 2: 0.1}, 1)], "values")
    assert line is not None
    assert line.x.tolist() == [1, 2]
    assert line.middle == pytest.approx([0.2, 0.2])
    assert line.low == pytest.approx([0.1, 0.1])
    assert line.high == pytest.approx([0.3, 0.3])
    assert line.mark == 2.0
    losses = mean_line("AV_T", [curve({}, None)], "losses")
    assert losses is not None
    assert losses.middle.tolist() == [3.0, 1.0]
    assert losses.mark is None
    assert mean_line("AV_T", [curve({}, None)], "values") is None
    assert mean_line("AV_T", [], "values") is None


def test_styles_tell_many_entries_apart() -> None:
    labels = [(f"order {i}", "trained") for i in range(len(SERIES) * 2)] + [("linear", "baseline")]
    look = styles(labels)
    told = {(style["color"], str(style["linestyle"])) for style in look.values()}
    assert len(told) == len(labels)
    assert look["linear"]["color"] == BASELINE
