"""F1 against scikit-learn, by hand, and resampled: against items written out as often as they were drawn."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from trichord.errors import ProtocolError
from trichord.metrics.bootstrap import bootstrap_mean, sign_flip_p
from trichord.metrics.f_scores import Average, ClassCounts, as_sets, count_answers
from trichord.metrics.resampled_f1 import _resampled, bootstrap_f1, compare_f1, swap_p
from trichord.metrics.resampling import item_weights

BOTH: tuple[Average, ...] = ("macro", "micro")


def drawn(seeds: int, items: int, classes: int, share: float = 0.4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((seeds, items, classes)) < share


def test_sets_of_classes_equal_scikit_learn() -> None:
    reference = pytest.importorskip("sklearn.metrics")
    truth, answers = drawn(2, 60, 5)
    truth[:, 3] = answers[:, 3] = False
    counts = count_answers(answers, truth)
    named = {"zero_division": np.nan}
    assert counts.macro_f1() == pytest.approx(reference.f1_score(truth, answers, average="macro", **named))
    assert counts.micro_f1() == pytest.approx(reference.f1_score(truth, answers, average="micro"))
    zero = {"average": None, "zero_division": 0.0}
    np.testing.assert_allclose(counts.precision(), reference.precision_score(truth, answers, **zero))
    np.testing.assert_allclose(counts.recall(), reference.recall_score(truth, answers, **zero))
    np.testing.assert_allclose(counts.f1(), reference.f1_score(truth, answers, **zero))


def test_one_class_per_item_equals_scikit_learn() -> None:
    reference = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(1)
    truth, answers = generator.integers(0, 4, (2, 80))
    answers[answers == 2] = 1  # one class is never answered, class 4 is neither there nor answered
    counts = count_answers(as_sets(answers, 5), as_sets(truth, 5))
    assert counts.macro_f1() == pytest.approx(reference.f1_score(truth, answers, average="macro"))
    assert counts.micro_f1() == pytest.approx(reference.accuracy_score(truth, answers)), "of complete single answers"
    assert counts.f1()[2] == counts.precision()[2] == 0.0


def test_counts_by_hand_with_an_item_that_got_no_answer() -> None:
    counts = count_answers(as_sets(np.array([0, 0, 1, -1]), 2), as_sets(np.array([0, 1, 1, 1]), 2))
    assert counts.right.tolist() == [1.0, 1.0]
    assert counts.answered.tolist() == [2.0, 1.0]
    assert counts.there.tolist() == [1.0, 3.0]
    assert counts.f1() == pytest.approx([2 / 3, 1 / 2])
    assert counts.macro_f1() == pytest.approx(7 / 12)
    assert counts.micro_f1() == pytest.approx(4 / 7)


def test_nothing_there_and_nothing_answered_is_zero() -> None:
    nothing = np.zeros((6, 3), dtype=bool)
    counts = count_answers(nothing, nothing)
    assert (float(counts.macro_f1()), float(counts.micro_f1())) == (0.0, 0.0)
    assert bootstrap_f1(nothing[None], nothing, "macro", num_resamples=20).high == 0.0


@pytest.mark.parametrize("average", BOTH)
def test_a_resample_equals_its_items_written_out(average: Average) -> None:
    truth, *answers = drawn(4, 30, 4)
    [found] = _resampled([np.stack(answers)], truth, average, 25, seed=3)
    [weights] = item_weights(30, 25, 3)
    for row, drawn_items in zip(found, weights.astype(int), strict=True):
        written = np.repeat(np.arange(30), drawn_items)
        expected = [float(count_answers(one[written], truth[written]).average(average)) for one in answers]
        assert row == pytest.approx(expected)


@pytest.mark.parametrize("average", BOTH)
def test_order_of_items_and_names_of_classes_do_not_matter_to_the_value(average: Average) -> None:
    truth, *answers = drawn(3, 40, 5)
    stacked = np.stack(answers)
    value = bootstrap_f1(stacked, truth, average, num_resamples=50)
    renamed = bootstrap_f1(stacked[:, :, ::-1], truth[:, ::-1], average, num_resamples=50)
    assert (renamed.value, renamed.low, renamed.high) == pytest.approx((value.value, value.low, value.high))
    assert bootstrap_f1(stacked[:, ::-1], truth[::-1], average, num_resamples=50).value == pytest.approx(value.value)
    assert value.low < value.value < value.high


def test_one_class_answered_everywhere_has_the_interval_of_its_share() -> None:
    """F1 of "always yes" is 2 s / (1 + s) of the share s, and grows with it: the bounds of s are carried over."""
    truth = drawn(1, 200, 1)[0]
    found = bootstrap_f1(np.ones((1, 200, 1), dtype=bool), truth, "micro", num_resamples=500, seed=4)
    share = bootstrap_mean(truth[:, 0].astype(float)[None], np.arange(200), num_resamples=500, seed=4)
    expected = [2 * s / (1 + s) for s in (share.value, share.low, share.high)]
    assert [found.value, found.low, found.high] == pytest.approx(expected, abs=1e-3)


def test_seeds_that_disagree_widen_the_interval_and_one_seed_is_enough() -> None:
    truth, answers = drawn(2, 300, 3)
    worse = answers & (np.random.default_rng(9).random(answers.shape) < 0.4)
    alike = bootstrap_f1(np.stack([answers, answers]), truth, "macro", num_resamples=300)
    apart = bootstrap_f1(np.stack([answers, worse]), truth, "macro", num_resamples=300)
    alone = bootstrap_f1(answers[None], truth, "macro", num_resamples=300)
    assert (alone.low, alone.high) == pytest.approx((alike.low, alike.high))
    assert apart.high - apart.low > 1.5 * (alike.high - alike.low)


@pytest.mark.parametrize("average", BOTH)
def test_swapping_equals_the_enumeration_of_all_exchanges(average: Average) -> None:
    truth, a, b = drawn(3, 8, 3, seed=5)
    b = truth ^ (drawn(1, 8, 3, share=0.1, seed=6)[0])
    gap = [float(count_answers(one, truth).average(average)) for one in (a, b)]
    observed, extreme = abs(gap[0] - gap[1]), 0
    for stays in itertools.product([True, False], repeat=8):
        kept = np.array(stays)[:, None]
        one, other = (float(count_answers(np.where(kept, *pair), truth).average(average)) for pair in ((a, b), (b, a)))
        extreme += abs(one - other) >= observed - 1e-12
    found = swap_p(a[None], b[None], truth, average, num_draws=20000)
    assert found == pytest.approx(extreme / 2**8, abs=0.012)


def test_of_complete_single_answers_swapping_is_the_sign_flip() -> None:
    generator = np.random.default_rng(2)
    truth, a, b = generator.integers(0, 3, (3, 90))
    b = np.where(generator.random(90) < 0.25, truth, b)
    sets = [as_sets(numbers, 3) for numbers in (a, b, truth)]
    flipped = sign_flip_p((a == truth).astype(float) - (b == truth), num_draws=20000)
    assert swap_p(sets[0][None], sets[1][None], sets[2], "micro", num_draws=20000) == pytest.approx(flipped, abs=0.012)


def test_the_same_answers_have_no_difference_and_p_one() -> None:
    truth, a = drawn(2, 40, 3)
    same = compare_f1(a[None], a[None].copy(), truth, "macro", num_resamples=50, num_draws=50)
    assert (same.difference, same.low, same.high, same.p_value, same.num_queries) == (0.0, 0.0, 0.0, 1.0, 40)


def test_a_clear_difference_is_found_and_turns_with_the_sides() -> None:
    truth, guess = drawn(2, 300, 4)
    good = truth ^ drawn(3, 300, 4, share=0.1)
    clear = compare_f1(good, guess[None], truth, "macro", num_resamples=200, num_draws=500)
    assert clear.low > 0
    assert clear.p_value == pytest.approx(1 / 501)
    turned = compare_f1(guess[None], good, truth, "macro", num_resamples=200, num_draws=500)
    assert turned.difference == pytest.approx(-clear.difference)
    assert turned.p_value == clear.p_value


def test_repeating_the_seeds_of_a_side_changes_no_p_value() -> None:
    truth, a, b, c = drawn(4, 60, 3)
    alone = swap_p(a[None], np.stack([b, c]), truth, "macro", num_draws=300)
    assert swap_p(np.stack([a, a]), np.stack([b, c]), truth, "macro", num_draws=300) == alone


def test_p_is_about_uniform_under_the_null() -> None:
    found = []
    for trial in range(120):
        truth, a, b = drawn(3, 50, 3, seed=100 + trial)
        found.append(swap_p(a[None], b[None], truth, "macro", num_draws=150, seed=trial))
    shares = [float(np.mean(np.array(found) <= level)) for level in (0.1, 0.5, 0.9)]
    assert shares == pytest.approx([0.1, 0.5, 0.9], abs=0.12)


def test_matched_seeds_leave_out_what_they_share() -> None:
    truth = drawn(1, 200, 3)[0]
    noise = np.stack([drawn(1, 200, 3, share=share, seed=number)[0] for number, share in enumerate((0.05, 0.2, 0.35))])
    a = truth ^ noise
    b = a.copy()
    b[:, :10] = ~b[:, :10]
    apart, matched = (
        compare_f1(a, b, truth, "micro", matched=way, num_resamples=300, num_draws=50) for way in (False, True)
    )
    assert matched.difference == apart.difference
    assert matched.high - matched.low < 0.5 * (apart.high - apart.low)
    with pytest.raises(ProtocolError, match="as many seeds"):
        compare_f1(a, b[:1], truth, "micro", matched=True)


def test_nothing_to_resample_is_refused() -> None:
    sets = drawn(1, 4, 2)
    with pytest.raises(ProtocolError, match="a resample"):
        bootstrap_f1(sets, sets[0], "macro", num_resamples=0)
    with pytest.raises(ProtocolError, match="a seed, an item"):
        bootstrap_f1(sets[:0], sets[0], "macro")
    with pytest.raises(ProtocolError, match="at least one draw"):
        swap_p(sets, sets, sets[0], "macro", num_draws=0)


def test_counts_of_many_seeds_keep_their_axes() -> None:
    truth, *answers = drawn(3, 10, 4)
    counts = count_answers(np.stack(answers), truth)
    assert isinstance(counts, ClassCounts)
    assert counts.f1().shape == (2, 4)
    assert counts.micro_f1().shape == (2,)
    assert math.isclose(float(counts.macro_f1()[1]), float(count_answers(answers[1], truth).macro_f1()))
