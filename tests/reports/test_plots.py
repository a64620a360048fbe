from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_maker import NOISE, planted_results

from trichord.metrics.retrieval import QueryScores
from trichord.reports.curves import StageCurve
from trichord.reports.plot_curves import mean_line
from trichord.reports.plot_ranks import chance_share, found_ranks, share_within
from trichord.reports.plot_style import BASELINE, SERIES, spread_labels, styles


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
