from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from trichord.errors import ProtocolError
from trichord.metrics.bootstrap import (
    _check,
    _weighted_medians,
    bootstrap_mean,
    bootstrap_means,
    bootstrap_median,
    holm,
    never_certain,
    paired_comparison,
    sign_flip_p,
)


def test_interval_of_a_share_is_the_binomial_one() -> None:
    values = np.zeros((1, 400))
    values[0, :120] = 1.0
    estimate = bootstrap_mean(values, np.arange(400), num_resamples=4000, seed=1)
    half = 1.96 * math.sqrt(0.3 * 0.7 / 400)
    assert estimate.value == pytest.approx(0.3)
    assert estimate.low == pytest.approx(0.3 - half, abs=0.006)
    assert estimate.high == pytest.approx(0.3 + half, abs=0.006)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        values = (generator.random((1, 100)) < 0.4).astype(float)
        estimate = bootstrap_mean(values, np.arange(100), num_resamples=300, seed=trial)
        covered += estimate.low <= 0.4 <= estimate.high
    assert 0.87 <= covered / 200 <= 0.99


def test_captions_of_an_item_move_together() -> None:
    values = np.random.default_rng(0).random((1, 100))
    repeated = np.repeat(values, 5, axis=1)
    grouped = bootstrap_mean(repeated, np.repeat(np.arange(100), 5), seed=3)
    single = bootstrap_mean(values, np.arange(100), seed=3)
    assert (grouped.value, grouped.low, grouped.high) == pytest.approx((single.value, single.low, single.high))
    separate = bootstrap_mean(repeated, np.arange(500), seed=3)
    assert separate.high - separate.low < 0.6 * (grouped.high - grouped.low)


def test_seeds_that_disagree_widen_the_interval() -> None:
    noise = np.random.default_rng(0).random((1, 300))
    agreeing = np.repeat(noise, 3, axis=0)
    disagreeing = agreeing + np.array([[-0.2], [0.0], [0.2]])
    narrow, wide = (bootstrap_mean(values, np.arange(300)) for values in (agreeing, disagreeing))
    assert wide.value == pytest.approx(narrow.value)
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_measures_share_resamples_with_the_single_call() -> None:
    values = np.random.default_rng(0).random((2, 3, 50))
    together = bootstrap_means(values, np.arange(50), num_resamples=100, seed=5)
    assert together == [bootstrap_mean(row, np.arange(50), num_resamples=100, seed=5) for row in values]


def test_chunks_of_resamples_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((2, 40))
    whole = bootstrap_mean(values, np.arange(40), num_resamples=90)
    monkeypatch.setattr("trichord.metrics.resampling.CHUNK_CELLS", 400)
    assert bootstrap_mean(values, np.arange(40), num_resamples=90) == whole


def test_median_equals_numpy_on_expanded_resamples() -> None:
    generator = np.random.default_rng(0)
    values = np.sort(generator.integers(1, 30, 21).astype(float))
    weights = generator.integers(0, 4, (50, 21))
    expected = [np.median(np.repeat(values, row)) for row in weights]
    assert _weighted_medians(values, weights.astype(float)).tolist() == expected


def test_median_interval_contains_the_median_and_narrows() -> None:
    generator = np.random.default_rng(0)
    few, many = generator.exponential(size=(2, 60)), generator.exponential(size=(2, 3000))
    a, b = bootstrap_median(few, np.arange(60)), bootstrap_median(many, np.arange(3000), num_resamples=500)
    assert a.low <= a.value <= a.high
    assert b.high - b.low < (a.high - a.low) / 3
    assert b.low <= math.log(2) <= b.high


def test_sign_flip_equals_enumeration_of_all_signs() -> None:
    differences = np.array([0.5, 1.0, -0.25, 2.0, 0.75, 0.0, 1.0])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 7)).reshape(7, -1).T
    exact = float((np.abs(signs @ differences) >= differences.sum() - 1e-12).mean())
    assert sign_flip_p(differences, num_draws=40000, seed=0) == pytest.approx(exact, abs=0.01)


def test_p_is_about_uniform_under_the_null_and_tiny_under_a_clear_difference() -> None:
    generator = np.random.default_rng(0)
    p_values = [sign_flip_p(generator.normal(size=80), num_draws=400, seed=i) for i in range(300)]
    assert [np.mean(np.array(p_values) <= level) for level in (0.05, 0.5, 0.9)] == pytest.approx(
        [0.05, 0.5, 0.9], abs=0.07
    )
    a = generator.normal(size=(3, 200))
    clear = paired_comparison(a + 1.0, a, np.arange(200))
    assert clear.p_value == pytest.approx(1 / 10001)
    assert clear.difference == pytest.approx(1.0)


def test_no_difference_has_p_one() -> None:
    values = np.random.default_rng(0).random((1, 20))
    same = paired_comparison(values, values.copy(), np.arange(20))
    assert (same.difference, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_pairing_takes_the_shared_difficulty_of_queries_out() -> None:
    generator = np.random.default_rng(0)
    difficulty = generator.normal(size=(1, 300))
    a, b = difficulty + 0.05 * generator.normal(size=(1, 300)) + 0.03, difficulty
    compared = paired_comparison(a, b, np.arange(300))
    alone = bootstrap_mean(a, np.arange(300))
    assert compared.high - compared.low < (alone.high - alone.low) / 5
    assert compared.low > 0
    assert compared.p_value < 0.01
    mirrored = paired_comparison(b, a, np.arange(300))
    assert mirrored.difference == -compared.difference
    assert mirrored.p_value == compared.p_value


def test_sides_may_have_different_numbers_of_seeds() -> None:
    generator = np.random.default_rng(0)
    compared = paired_comparison(generator.random((3, 50)), generator.random((1, 50)), np.arange(50))
    assert compared.low < compared.difference < compared.high
    assert compared.num_queries == 50


def test_results_repeat_and_depend_on_the_seed() -> None:
    values = np.random.default_rng(0).random((2, 40))
    first, again, other = (bootstrap_mean(values, np.arange(40), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_holm_equals_the_textbook_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
    with pytest.raises(ProtocolError, match="lie in"):
        holm([1.2])


def test_bad_values_are_refused() -> None:
    with pytest.raises(ProtocolError, match="3 queries, 2 items"):
        _check(np.zeros((1, 1, 3)), np.arange(2), 10)
    with pytest.raises(ProtocolError, match="not finite"):
        bootstrap_mean(np.array([[np.nan]]), np.arange(1))
    with pytest.raises(ProtocolError, match="at least one seed"):
        bootstrap_mean(np.zeros((1, 0)), np.arange(0))
    with pytest.raises(ProtocolError, match="at least one resample"):
        bootstrap_mean(np.zeros((1, 1)), np.arange(1), num_resamples=0)
    with pytest.raises(ProtocolError, match="at least one draw"):
        sign_flip_p(np.ones(3), num_draws=0)


@pytest.mark.parametrize("hits", [0, 12])
def test_a_share_of_nothing_or_everything_has_the_exact_binomial_interval(hits: int) -> None:
    expected = scipy.stats.binomtest(hits, 12).proportion_ci(0.95, method="exact")
    values = np.full((1, 12), float(hits == 12))
    found = never_certain(bootstrap_mean(values, np.arange(12), num_resamples=50), 12)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_any_other_share_keeps_its_interval() -> None:
    values = np.array([[0.0, 1.0, 1.0]])
    estimate = bootstrap_mean(values, np.arange(3), num_resamples=50)
    assert never_certain(estimate, 3) == estimate
    tied = bootstrap_mean(np.full((1, 3), 0.25), np.arange(3), num_resamples=50)
    assert never_certain(tied, 3) == tied, "exact expectations under ties are no draws"
