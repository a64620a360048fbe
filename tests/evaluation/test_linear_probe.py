"""The linear probe against scikit-learn and its own conditions of a minimum, and where it must not be fooled."""

from __future__ import annotations

import numpy as np
import pytest

from trichord.errors import ConfigError, DataError
from trichord.evaluation.linear_probe import PENALTIES, LinearProbe, fit_probe


def made(items: int, width: int, classes: int, several: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return correlated vectors of unlike sizes, and classes that they tell in part."""
    generator = np.random.default_rng(seed)
    fixed = np.random.default_rng(77)
    mix, size = fixed.normal(size=(width, width)), np.geomspace(0.01, 100.0, width)
    vectors = ((generator.normal(size=(items, width)) @ mix + 1.0) * size).astype(np.float32)
    logits = (vectors / size) @ fixed.normal(size=(width, classes)) / width + generator.normal(size=(items, classes))
    return vectors, logits > 0.5 if several else logits.argmax(axis=1)


def fitted(several: bool, penalty: float, *, items: int = 150, width: int = 12) -> tuple[LinearProbe, np.ndarray]:
    vectors, truth = made(items, width, 4, several)
    return fit_probe(vectors, truth, 4, several, (penalty,), vectors, truth), vectors


@pytest.mark.parametrize("shape", [(150, 12), (40, 60)], ids=["tall", "wide"])
@pytest.mark.parametrize("penalty", [1e-3, 0.1])
def test_single_labels_equal_scikit_learn(shape: tuple[int, int], penalty: float) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    vectors, truth = made(*shape, 4, several=False)
    probe = fit_probe(vectors, truth, 4, False, (penalty,), vectors, truth)
    rows = (vectors - vectors.mean(axis=0, dtype=np.float64)) / vectors.std(axis=0, dtype=np.float64)
    model = linear.LogisticRegression(C=1 / (len(rows) * penalty), solver="newton-cg", tol=1e-8, max_iter=2000).fit(
        rows, truth
    )
    np.testing.assert_allclose(probe.weights, model.coef_.T - model.coef_.T.mean(axis=1, keepdims=True), atol=1e-4)
    np.testing.assert_allclose(probe.bias, model.intercept_ - model.intercept_.mean(), atol=1e-4)


def test_several_labels_equal_scikit_learn_class_by_class() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    vectors, truth = made(150, 12, 4, several=True)
    probe = fit_probe(vectors, truth, 4, True, (0.01,), vectors, truth)
    rows = (vectors - vectors.mean(axis=0, dtype=np.float64)) / vectors.std(axis=0, dtype=np.float64)
    for number in range(4):
        model = linear.LogisticRegression(C=1 / 1.5, solver="newton-cg", tol=1e-8, max_iter=2000).fit(
            rows, truth[:, number]
        )
        np.testing.assert_allclose(probe.weights[:, number], model.coef_[0], atol=1e-4)
        np.testing.assert_allclose(probe.bias[number], model.intercept_[0], atol=1e-4)


def test_a_penalty_without_end_leaves_the_shares_of_the_classes() -> None:
    """Closed form: with W = 0 the best b are the logarithms of the classes' shares (log odds with several)."""
    for several in (False, True):
        vectors, truth = made(150, 12, 4, several)
        probe = fit_probe(vectors, truth, 4, several, (1e9,), vectors, truth)
        assert np.abs(probe.weights).max() < 1e-6
        share = truth.mean(axis=0) if several else np.bincount(truth) / len(truth)
        expected = np.log(share / (1 - share)) if several else np.log(share) - np.log(share).mean()
        np.testing.assert_allclose(probe.bias, expected, atol=1e-5)


@pytest.mark.parametrize("several", [False, True])
def test_scale_shift_and_order_of_vectors_do_not_matter(several: bool) -> None:
    probe, vectors = fitted(several, 0.01)
    _, truth = made(150, 12, 4, several)
    order = np.random.default_rng(5).permutation(150)
    moved = (vectors.astype(np.float64) * np.geomspace(0.1, 10, 12) - 3.0)[order]
    again = fit_probe(moved, truth[order], 4, several, (0.01,), moved, truth[order])
    np.testing.assert_allclose(again.logits(moved), probe.logits(vectors)[order], atol=2e-3)


def test_renamed_classes_get_the_same_logits() -> None:
    probe, vectors = fitted(False, 0.01)
    _, truth = made(150, 12, 4, several=False)
    renaming = np.array([3, 0, 2, 1])
    again = fit_probe(vectors, renaming[truth], 4, False, (0.01,), vectors, renaming[truth])
    np.testing.assert_allclose(again.logits(vectors)[:, renaming], probe.logits(vectors), atol=1e-3)


@pytest.mark.parametrize("several", [False, True])
def test_validation_chooses_and_a_warm_start_changes_nothing(several: bool) -> None:
    vectors, truth = made(60, 20, 4, several)
    val_vectors, val_truth = made(80, 20, 4, several, seed=1)
    penalties = PENALTIES[2:]
    probe = fit_probe(vectors, truth, 4, several, penalties, val_vectors, val_truth)
    assert set(probe.validation) == set(penalties)
    assert probe.validation[probe.penalty] == max(probe.validation.values())
    alone = fit_probe(vectors, truth, 4, several, (probe.penalty,), val_vectors, val_truth)
    np.testing.assert_allclose(probe.logits(val_vectors), alone.logits(val_vectors), atol=5e-3)
    again = fit_probe(vectors, truth, 4, several, penalties, val_vectors, val_truth)
    np.testing.assert_array_equal(probe.weights, again.weights)


def test_of_equal_penalties_the_strongest_is_kept() -> None:
    vectors = np.array([[-1.0], [1.0]] * 10)
    truth = np.array([0, 1] * 10)
    probe = fit_probe(vectors, truth, 2, False, (0.01, 1.0, 0.1), vectors, truth)
    assert probe.validation == {1.0: 100.0, 0.1: 100.0, 0.01: 100.0}
    assert probe.penalty == 1.0


def test_columns_that_do_not_vary_or_repeat_each_other_do_no_harm() -> None:
    probe, vectors = fitted(False, 0.01)
    _, truth = made(150, 12, 4, several=False)
    padded = np.concatenate([vectors, np.full((150, 1), 1e6, dtype=np.float32), np.zeros((150, 2), np.float32)], axis=1)
    found = fit_probe(padded, truth, 4, False, (0.01,), padded, truth)
    np.testing.assert_allclose(found.logits(padded), probe.logits(vectors), atol=1e-3)
    np.testing.assert_array_equal(found.weights[12:], 0.0)
    strange = padded.copy()
    strange[:, 12:] = -5e8
    np.testing.assert_allclose(found.logits(strange), found.logits(padded), atol=1e-3)
    doubled = np.concatenate([vectors, vectors], axis=1)
    twice = fit_probe(doubled, truth, 4, False, (0.02,), doubled, truth)
    np.testing.assert_allclose(twice.logits(doubled), probe.logits(vectors), atol=1e-3)


def test_bad_input_is_one_clear_error() -> None:
    vectors, truth = made(20, 3, 4, several=False)
    truth[:4] = np.arange(4)
    spoiled = vectors.copy()
    spoiled[7, 1] = np.inf
    cases = [
        ((spoiled, truth), "row 7: a vector to learn from holds NaN or infinity"),
        ((vectors, np.where(truth == 2, 1, truth)), "class 2 has no item"),
        ((np.ones_like(vectors), truth), "all equal"),
        ((vectors, truth + 1), "numbered 0 to 3, the truth to learn from"),
        ((vectors, truth[:-1]), "20 rows to learn from"),
    ]
    for (rows, numbers), told in cases:
        with pytest.raises(DataError, match=told):
            fit_probe(rows, numbers, 4, False, (0.1,), vectors, truth)
    with pytest.raises(DataError, match="to choose on holds NaN"):
        fit_probe(vectors, truth, 4, False, (0.1,), spoiled, truth)
    for penalties in ((), (0.1, 0.0)):
        with pytest.raises(ConfigError, match="penalties above 0"):
            fit_probe(vectors, truth, 4, False, penalties, vectors, truth)
    probe = fit_probe(vectors, truth, 4, False, (0.1,), vectors, truth)
    with pytest.raises(DataError, match="3 wide, got 2"):
        probe.logits(vectors[:, :2])
