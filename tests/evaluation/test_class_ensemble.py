"""Averages of classifiers: what they are by hand, how weights are chosen, and rows that lack a modality."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from class_cases import NAMES, scored

from trichord.errors import ProtocolError
from trichord.evaluation.class_ensemble import STEPS, Ensemble, _grid, fit_ensemble
from trichord.evaluation.class_scores import value

BOTH = pytest.mark.parametrize("several", [False, True])


def test_logits_and_probabilities_are_averaged_by_hand() -> None:
    a, b = scored(seed=1), scored(seed=2)
    logits = Ensemble({"a": 0.25, "b": 0.75}, "logits").scores({"a": a, "b": b}).logits
    np.testing.assert_allclose(logits, 0.25 * a.logits + 0.75 * b.logits, rtol=1e-5, atol=1e-6)
    shares = [np.exp(one.logits) / np.exp(one.logits).sum(axis=1, keepdims=True) for one in (a, b)]
    mixed = Ensemble({"a": 0.25, "b": 0.75}, "probabilities").scores({"a": a, "b": b}).logits
    np.testing.assert_allclose(np.exp(mixed), 0.25 * shares[0] + 0.75 * shares[1], rtol=1e-4)


def test_several_labels_are_answered_where_the_mean_probability_is_above_a_half() -> None:
    a, b = scored(seed=1, several=True), scored(seed=2, several=True)
    mean = sum(0.5 / (1 + np.exp(-one.logits.astype(np.float64))) for one in (a, b))
    found = Ensemble({"a": 0.5, "b": 0.5}, "probabilities").scores({"a": a, "b": b})
    np.testing.assert_array_equal(found.predictions(), mean > 0.5)


@BOTH
@pytest.mark.parametrize("combines", ["logits", "probabilities"])
def test_a_row_that_lacks_a_modality_is_answered_by_those_it_has(several: bool, combines: str) -> None:
    a, b = scored(seed=1, several=several, missing=30), scored(seed=2, several=several, missing=10)
    for weights in ({"a": 0.7, "b": 0.3}, {"a": 1.0, "b": 0.0}):
        found = Ensemble(weights, combines).scores({"a": a, "b": b})  # type: ignore[arg-type]
        np.testing.assert_array_equal(found.held, np.arange(120) >= 10)
        np.testing.assert_array_equal(found.predictions()[10:30], b.predictions()[10:30])
        np.testing.assert_array_equal(found.logits[:10], 0.0)
        chances = [np.exp(one.logits[10:30].astype(np.float64)) for one in (found, b)]
        if combines == "probabilities" and not several:  # logits of shares are known but for a constant
            chances = [raised / raised.sum(axis=1, keepdims=True) for raised in chances]
        np.testing.assert_allclose(*chances, rtol=1e-4, err_msg="its weight does not count: it answers as if alone")
    np.testing.assert_array_equal(found.predictions()[30:], a.predictions()[30:])


@BOTH
def test_the_better_member_gets_the_weight_and_the_choice_is_the_best_that_was_tried(several: bool) -> None:
    good, bad = scored(2.0, 1, several=several), scored(-1.0, 2, several=several)
    found = fit_ensemble({"bad": bad, "good": good})
    assert found.weights["good"] > found.weights["bad"]
    assert found.tried == 42
    metric = "micro F1" if several else "accuracy"
    assert found.validation == pytest.approx(value(found.scores({"bad": bad, "good": good}), metric))
    for share in (0.0, 0.25, 0.5, 1.0):
        for combines in ("logits", "probabilities"):
            other = Ensemble({"bad": share, "good": 1 - share}, combines)  # type: ignore[arg-type]
            assert value(other.scores({"bad": bad, "good": good}), metric) <= found.validation + 1e-6


def test_equals_are_weighed_evenly() -> None:
    one = scored(1.0, 1)
    for names in ("ab", "abc", "abcd"):
        found = fit_ensemble(dict.fromkeys(names, one))
        assert found.combines == "logits"
        assert list(found.weights.values()) == pytest.approx([1 / len(names)] * len(names))
        assert sum(found.weights.values()) == pytest.approx(1.0)


def test_the_order_of_items_and_a_constant_in_single_logits_do_not_matter() -> None:
    members = {"a": scored(0.7, 1), "b": scored(0.5, 2)}
    found = fit_ensemble(members)
    order = np.random.default_rng(4).permutation(120)
    moved = {
        name: replace(one, items=one.items[order], truth=one.truth[order], logits=one.logits[order] + np.float32(2.0))
        for name, one in members.items()
    }
    assert fit_ensemble(moved) == found


def test_seeds_share_what_is_chosen_by_their_mean() -> None:
    seeds = [{"a": scored(0.8, 10 + seed), "b": scored(0.4, 20 + seed)} for seed in range(3)]
    found = fit_ensemble(*seeds)
    mean = np.mean([value(found.scores(members), "accuracy") for members in seeds])
    assert found.validation == pytest.approx(mean)
    assert fit_ensemble(*seeds[::-1]) == found


@pytest.mark.parametrize("modalities", list(STEPS))
def test_the_grid_is_the_whole_simplex(modalities: int) -> None:
    steps = STEPS[modalities]
    grid = list(_grid(modalities, steps))
    assert len(set(grid)) == len(grid) == math.comb(steps + modalities - 1, modalities - 1)
    assert all(sum(parts) == steps and min(parts) >= 0 for parts in grid)
    assert (steps // modalities,) * modalities in grid, "even weights are tried"


def test_one_member_alone_and_items_that_all_lack_everything() -> None:
    one = scored(1.0, 1, missing=120)
    found = fit_ensemble({"a": one})
    assert (found.weights, found.tried, found.validation) == ({"a": 1.0}, 1, 0.0)
    assert not found.scores({"a": one}).held.any()


def test_certain_members_stay_finite() -> None:
    sure = replace(scored(), logits=np.where(scored().truth[:, None] == np.arange(3), 3e4, -3e4).astype(np.float32))
    several = replace(scored(several=True), logits=np.full((120, len(NAMES)), 3e4, dtype=np.float32))
    for one in (sure, several):
        mixed = Ensemble({"a": 1.0}, "probabilities").scores({"a": one})
        np.testing.assert_array_equal(mixed.predictions(), one.predictions())


def test_members_that_do_not_fit_are_refused() -> None:
    a, b = scored(seed=1), scored(seed=2)
    with pytest.raises(ProtocolError, match="different items"):
        fit_ensemble({"a": a, "b": scored(truth_seed=3)})
    with pytest.raises(ProtocolError, match="same members"):
        fit_ensemble({"a": a, "b": b}, {"a": a})
    with pytest.raises(ProtocolError, match="one seed or more"):
        fit_ensemble()
    with pytest.raises(ProtocolError, match="1 to 6 modalities"):
        fit_ensemble(dict.fromkeys("abcdefg", a))
    with pytest.raises(ProtocolError, match=r"weighs \['a'\], got scores of \['a', 'b'\]"):
        Ensemble({"a": 1.0}, "logits").scores({"a": a, "b": b})
