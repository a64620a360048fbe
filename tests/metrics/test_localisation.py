from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trichord.errors import ProtocolError
from trichord.metrics.localisation import (
    StepCounts,
    average_precision,
    best_ordered_seconds,
    best_second_hits,
    best_step_hits,
    chance_hits,
    decode,
    mean_of_videos,
    ordered_hits,
    pooled,
    step_recall,
)
from trichord.metrics.stratified import mean_over_strata


@settings(max_examples=120, deadline=None)
@given(
    num_steps=st.integers(1, 5), extra=st.integers(0, 6), seed=st.integers(0, 10**6), levels=st.sampled_from([2, None])
)
def test_ordered_seconds_equal_every_placement_tried(num_steps: int, extra: int, seed: int, levels: int | None) -> None:
    random = np.random.default_rng(seed)
    shape = (num_steps + extra, num_steps)
    scores = random.normal(size=shape) if levels is None else random.integers(0, levels, shape).astype(float)
    steps = np.arange(num_steps)
    placements = [np.array(chosen) for chosen in combinations(range(shape[0]), num_steps)]
    totals = [scores[chosen, steps].sum() for chosen in placements]
    best = [chosen for chosen, total in zip(placements, totals, strict=True) if total > max(totals) - 1e-9]
    earliest = min(best, key=lambda chosen: chosen[::-1].tolist())
    assert best_ordered_seconds(scores).tolist() == earliest.tolist()


def test_as_many_seconds_as_steps_leave_one_placement_and_fewer_none() -> None:
    scores = np.random.default_rng(0).normal(size=(4, 4))
    assert best_ordered_seconds(scores).tolist() == [0, 1, 2, 3]
    with pytest.raises(ProtocolError, match="got 3 seconds and 4 steps"):
        best_ordered_seconds(scores[:3])
    with pytest.raises(ProtocolError, match="at least one step"):
        best_ordered_seconds(scores[:, :0])
    scores[2, 1] = np.nan
    for decoder in (best_ordered_seconds, lambda s: best_step_hits(s, s > 0), lambda s: best_second_hits(s, s > 0)):
        with pytest.raises(ProtocolError, match="second 2 and step 1 is not finite"):
            decoder(scores)


def test_order_is_kept_where_scores_speak_against_it() -> None:
    scores = np.array([[0.0, 9.0], [0.0, 0.0], [8.0, 0.0], [0.0, 1.0]])
    assert best_ordered_seconds(scores).tolist() == [2, 3]
    truth = np.array([[False, True], [False, False], [True, False], [False, False]])
    assert ordered_hits(scores, truth).tolist() == [1.0, 0.0]
    assert best_second_hits(scores, truth).tolist() == [1.0, 1.0]


def test_a_constant_per_step_changes_no_placement() -> None:
    random = np.random.default_rng(3)
    scores = random.normal(size=(40, 6))
    shifted = scores + random.normal(size=6)
    assert best_ordered_seconds(scores).tolist() == best_ordered_seconds(shifted).tolist()


def test_best_step_is_hit_by_any_of_its_seconds() -> None:
    scores = np.array([[2.0, 1.0], [1.0, 2.0], [1.0, 2.0]])
    truth = np.array([[False, False], [True, True], [False, False]])
    assert best_step_hits(scores, truth).tolist() == [0.0, 1.0]
    assert best_step_hits(scores, np.ones((3, 2), dtype=bool)).tolist() == [1.0, 1.0]


@settings(max_examples=40, deadline=None)
@given(num_seconds=st.integers(1, 4), num_steps=st.integers(1, 3), seed=st.integers(0, 10**6))
def test_arg_max_decoders_are_exact_under_ties(num_seconds: int, num_steps: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, 2, (num_seconds, num_steps)).astype(float)
    truth = random.random((num_seconds, num_steps)) < 0.5
    steps_of = [np.flatnonzero(row == row.max()).tolist() for row in scores]
    by_step = [
        [any(truth[t, k] for t, chosen in enumerate(taken) if chosen == k) for k in range(num_steps)]
        for taken in product(*steps_of)
    ]
    assert best_step_hits(scores, truth).tolist() == pytest.approx(np.mean(by_step, axis=0).tolist())
    seconds_of = [np.flatnonzero(column == column.max()).tolist() for column in scores.T]
    by_second = [[truth[t, k] for k, t in enumerate(taken)] for taken in product(*seconds_of)]
    assert best_second_hits(scores, truth).tolist() == pytest.approx(np.mean(by_second, axis=0).tolist())


@settings(max_examples=30, deadline=None)
@given(num_steps=st.integers(1, 4), extra=st.integers(0, 5), seed=st.integers(0, 10**6))
def test_chance_equals_all_placements_and_scores_that_are_alike(num_steps: int, extra: int, seed: int) -> None:
    truth = np.random.default_rng(seed).random((num_steps + extra, num_steps)) < 0.4
    ordered, best_step, best_second = chance_hits(truth)
    steps = np.arange(num_steps)
    placements = [truth[list(chosen), steps] for chosen in combinations(range(len(truth)), num_steps)]
    assert ordered.tolist() == pytest.approx(np.mean(placements, axis=0).tolist())
    alike = np.zeros(truth.shape)
    assert best_step.tolist() == pytest.approx(best_step_hits(alike, truth).tolist())
    assert best_second.tolist() == pytest.approx(best_second_hits(alike, truth).tolist())


def test_scores_that_know_the_truth_hit_every_step_and_their_opposite_none() -> None:
    truth = np.zeros((30, 3), dtype=bool)
    truth[2:6, 0] = truth[10:12, 1] = truth[20:29, 2] = True
    assert (decode(truth.astype(float), truth) == 1.0).all()
    assert (decode(-truth.astype(float), truth)[0] == 0.0).all()
    assert (chance_hits(truth) < 1.0).all()
    long = chance_hits(np.ones((3000, 12), dtype=bool))
    assert long[0].tolist() == pytest.approx([1.0] * 12)


def test_recall_counts_occurring_steps_only_and_both_averagings_differ() -> None:
    hits = np.array([1.0, 1.0, 0.0])
    assert step_recall(hits, np.array([True, False, True])) == 0.5
    with pytest.raises(ProtocolError, match="0 / 0"):
        step_recall(hits, np.array([False, False, False]))
    counts = StepCounts(np.array([1.0, 1.0, 3.0]), np.array([1, 4, 4]), np.array([7, 7, 2]))
    assert mean_of_videos(counts) == {2: 0.75, 7: 0.625}
    assert pooled(counts) == {2: 0.75, 7: pytest.approx(0.4)}
    for empty in (np.array([0, 4, 4]), np.array([], dtype=np.int64)):
        with pytest.raises(ProtocolError, match="at least one step that occurs"):
            StepCounts(counts.hits[: len(empty)], empty, counts.tasks[: len(empty)])


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 30), lost=st.integers(0, 3), seed=st.integers(0, 10**6), levels=st.sampled_from([3, 10**9]))
def test_average_precision_equals_a_loop_over_thresholds(size: int, lost: int, seed: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    scores, relevant = random.integers(0, levels, size).astype(float), random.random(size) < 0.4
    relevant[0] = True
    total, before, expected = relevant.sum() + lost, 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        listed = scores >= threshold
        recall = (listed & relevant).sum() / total
        expected += (recall - before) * (listed & relevant).sum() / listed.sum()
        before = recall
    assert average_precision(scores, relevant, lost) == pytest.approx(expected)
    order = random.permutation(size)
    assert average_precision(scores[order], relevant[order], lost) == pytest.approx(expected)


def test_average_precision_at_its_ends() -> None:
    relevant = np.array([True, False, False, True])
    assert average_precision(np.array([4.0, 1.0, 2.0, 3.0]), relevant) == 1.0
    assert average_precision(np.zeros(4), relevant) == 0.5
    assert average_precision(np.array([]), np.array([], dtype=bool), num_lost=2) == 0.0
    with pytest.raises(ProtocolError, match="nothing is relevant"):
        average_precision(np.zeros(4), np.zeros(4, dtype=bool))


def test_mean_over_strata_weighs_strata_alike_and_resamples_within_them() -> None:
    parts, wholes = np.array([[1.0, 0.0, 1.0, 0.0, 5.0]]), np.array([[1.0, 1.0, 1.0, 1.0, 10.0]])
    strata = np.array([4, 4, 4, 4, 9])
    [estimate] = mean_over_strata(parts, wholes, strata, num_resamples=4000, seed=1)
    assert estimate.value == pytest.approx((0.5 + 0.5) / 2)
    # The second stratum never varies, so the interval is half of that of a share of four: 0, 1/4, ..., 1.
    assert (estimate.low, estimate.high) == (pytest.approx(0.25), pytest.approx(0.75))
    assert mean_over_strata(parts, wholes, strata, num_resamples=4000, seed=1) == [estimate]
    alone = mean_over_strata(parts[:, 4:], wholes[:, 4:], strata[4:], num_resamples=50)[0]
    assert (alone.low, alone.value, alone.high) == (0.5, 0.5, 0.5)


def test_interval_of_one_stratum_agrees_with_the_normal_approximation(monkeypatch) -> None:
    values = np.random.default_rng(0).normal(size=(1, 400))
    one = np.zeros(400, dtype=np.int64)
    [estimate] = mean_over_strata(values, np.ones_like(values), one, num_resamples=4000)
    half = 1.96 * values.std() / 20
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.1 * half)
    twice, strata = np.concatenate([values, values], axis=1), np.repeat([0, 1], 400)
    [both] = mean_over_strata(twice, np.ones_like(twice), strata, num_resamples=4000)
    assert (both.high - both.low) / (estimate.high - estimate.low) == pytest.approx(0.5**0.5, rel=0.1), "own draws each"
    monkeypatch.setattr("trichord.metrics.stratified.CELLS_AT_ONCE", 4000)
    assert mean_over_strata(values, np.ones_like(values), one, num_resamples=200)[0].value == estimate.value


@pytest.mark.parametrize("whole", [0.0, np.nan])
def test_strata_without_items_or_with_empty_wholes_are_refused(whole: float) -> None:
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(ProtocolError, match="wholes above zero"):
        mean_over_strata(np.ones((1, 1)), np.full((1, 1), whole), one)
    with pytest.raises(ProtocolError, match="at least one resample"):
        mean_over_strata(np.ones((1, 1)), np.ones((1, 1)), one, num_resamples=0)
    with pytest.raises(ProtocolError, match="at least one item"):
        mean_over_strata(np.ones((1, 0)), np.ones((1, 0)), one[:0])
