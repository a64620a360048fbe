"""Scores of classes: kept and read again, and every number that is made from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from class_cases import NAMES, scored

from trichord.errors import DataError, ProtocolError
from trichord.evaluation.class_results import (
    class_lines,
    compare_classes,
    confusion,
    estimate_classes,
    majority,
)
from trichord.evaluation.class_scores import ClassScores, class_metrics, load_class_scores, value
from trichord.metrics.bootstrap import paired_comparison

BOTH = pytest.mark.parametrize("several", [False, True])


def tiny(logits: list[list[float]], truth: list[int] | list[list[bool]], held: list[bool]) -> ClassScores:
    several = isinstance(truth[0], list)
    values = np.array(truth, dtype=bool if several else np.int64)
    rows = np.array(logits, dtype=np.float32)
    return ClassScores("mood", NAMES, several, "test", np.arange(len(rows)), values, rows, np.array(held))


@BOTH
def test_what_is_saved_is_read_again(tmp_path: Path, several: bool) -> None:
    scores = scored(several=several, missing=3)
    path = scores.save(tmp_path / "scores", "without video")
    assert path.name == "without_video.json"
    again = load_class_scores(tmp_path / "scores", "without video")
    for field in ("label", "names", "several", "split"):
        assert getattr(again, field) == getattr(scores, field)
    for field in ("items", "truth", "logits", "held"):
        assert getattr(again, field).dtype == getattr(scores, field).dtype
        np.testing.assert_array_equal(getattr(again, field), getattr(scores, field))


def test_damaged_or_mixed_files_are_refused(tmp_path: Path) -> None:
    scored().save(tmp_path, "all")
    scored(seed=1).save(tmp_path, "other")
    (tmp_path / "other.npz").rename(tmp_path / "all.npz")
    with pytest.raises(DataError, match=r"all\.npz: the arrays are not those.*Evaluate|different evaluations"):
        load_class_scores(tmp_path, "all")
    (tmp_path / "all.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="not the arrays of scores of classes"):
        load_class_scores(tmp_path, "all")
    with pytest.raises(DataError, match="does not exist"):
        load_class_scores(tmp_path, "none")
    (tmp_path / "all.json").write_text(json.dumps({"version": 9}))
    with pytest.raises(ProtocolError, match="version 1, found 9"):
        load_class_scores(tmp_path, "all")
    with pytest.raises(ProtocolError, match="names no file"):
        scored().save(tmp_path, "../all")


def test_an_answer_is_the_highest_logit_and_an_item_without_input_is_wrong() -> None:
    scores = tiny([[1, 2, 0], [1, 1, 0], [0, 0, 0]], [1, 0, 0], [True, True, False])
    assert scores.predictions().tolist() == [1, 0, -1]
    assert scores.answer_sets().sum(axis=1).tolist() == [1, 1, 0]
    assert value(scores, "accuracy") == pytest.approx(200 / 3)
    several = tiny([[1, -1, 2], [9, 9, 9]], [[True, False, False], [True, False, False]], [True, False])
    assert several.predictions().tolist() == [[True, False, True], [False, False, False]]
    assert value(several, "micro F1") == pytest.approx(100 * 2 / 4)
    assert value(several, "macro F1") == pytest.approx(100 * (2 / 3 + 0) / 2)


@BOTH
def test_values_equal_scikit_learn(several: bool) -> None:
    reference = pytest.importorskip("sklearn.metrics")
    scores = scored(0.5, several=several, missing=5)
    truth, answers = scores.truth, scores.predictions()
    for metric in class_metrics(several):
        if metric == "accuracy":
            expected = reference.accuracy_score(truth, answers)
        else:
            expected = reference.f1_score(truth, answers, average=metric.split()[0], labels=[0, 1, 2])
        assert value(scores, metric) == pytest.approx(100 * expected)


@BOTH
def test_estimates_are_means_over_seeds_with_intervals_around(several: bool) -> None:
    scores = [scored(0.6, seed, several=several) for seed in range(3)]
    found = estimate_classes(scores, num_resamples=200)
    assert tuple(found) == class_metrics(several)
    for metric, estimate in found.items():
        assert estimate.value == pytest.approx(np.mean([value(one, metric) for one in scores]))
        assert estimate.low < estimate.value < estimate.high
    alone = estimate_classes(scores[:1], num_resamples=200)
    assert alone[class_metrics(several)[0]].value == pytest.approx(value(scores[0], class_metrics(several)[0]))


@BOTH
def test_items_that_all_lack_the_input_score_zero_without_certainty(several: bool) -> None:
    nothing = scored(several=several, items=40, missing=40)
    for estimate in estimate_classes([nothing], num_resamples=50).values():
        assert (estimate.value, estimate.low) == (0.0, 0.0)
        assert estimate.high == pytest.approx(100 * (1 - 0.025 ** (1 / 40)))


def test_accuracy_is_compared_as_means_over_items() -> None:
    a, b = [[scored(strength, seed) for seed in range(2)] for strength in (1.0, 0.3)]
    right = [np.stack([100.0 * (one.predictions() == one.truth) for one in side]) for side in (a, b)]
    expected = paired_comparison(*right, np.arange(120), num_resamples=100, num_draws=200)
    assert compare_classes(a, b, "accuracy", num_resamples=100, num_draws=200) == expected


@BOTH
def test_a_comparison_is_the_difference_of_the_values(several: bool) -> None:
    a, b = [[scored(strength, seed, several=several) for seed in range(2)] for strength in (1.5, 0.2)]
    for metric in class_metrics(several):
        found = compare_classes(a, b, metric, num_resamples=100, num_draws=200)
        expected = np.mean([value(one, metric) for one in a]) - np.mean([value(one, metric) for one in b])
        assert found.difference == pytest.approx(expected)
        assert found.low > 0
        assert found.p_value == pytest.approx(1 / 201)
        one_seed = compare_classes(a, b[:1], metric, num_resamples=100, num_draws=200)
        assert one_seed.num_queries == 120
        same = compare_classes(a, a, metric, matched=True, num_resamples=100, num_draws=200)
        assert (same.difference, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)


@BOTH
def test_order_of_items_and_names_of_classes_do_not_matter(several: bool) -> None:
    scores = scored(0.6, several=several)
    order, renaming = np.random.default_rng(3).permutation(120), np.array([2, 0, 1])
    truth = scores.truth[:, renaming] if several else np.argsort(renaming)[scores.truth]
    moved = replace(
        scores,
        names=tuple(NAMES[number] for number in renaming),
        items=scores.items[order],
        truth=truth[order],
        logits=scores.logits[order][:, renaming],
    )
    for metric in class_metrics(several):
        assert value(moved, metric) == pytest.approx(value(scores, metric))
    lines = {line.name: line for line in class_lines([scores])}
    assert {line.name: line for line in class_lines([moved])} == lines


def test_a_constant_added_to_single_logits_does_not_matter() -> None:
    scores = scored(0.6)
    moved = replace(scores, logits=scores.logits + np.arange(120, dtype=np.float32)[:, None])
    np.testing.assert_array_equal(moved.predictions(), scores.predictions())
    assert value(moved, "macro F1") == value(scores, "macro F1")


def test_lines_and_confusion_by_hand() -> None:
    logits = [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]]
    scores = tiny(logits, [0, 1, 1, 1], [True, True, True, False])
    calm, glad, sad = class_lines([scores, scores])
    assert (calm.name, calm.items, calm.precision, calm.recall) == ("calm", 1, 50.0, 100.0)
    assert (glad.items, glad.precision) == (3, 100.0)
    assert glad.recall == pytest.approx(100 / 3)
    assert (sad.items, sad.precision, sad.recall, sad.f1) == (0, 0.0, 0.0, 0.0)
    found = confusion([scores])
    np.testing.assert_allclose(found, [[100, 0, 0], [100 / 3, 100 / 3, 0], [0, 0, 0]])
    assert value(scores, "accuracy") == pytest.approx((found.diagonal() * [1, 3, 0]).sum() / 4)
    with pytest.raises(ProtocolError, match="no confusion"):
        confusion([scored(several=True)])


def test_the_most_frequent_class_of_fitting_is_named_everywhere() -> None:
    found = majority(np.array([2, 2, 0]), np.array([0, 2, 2, 1]), several=False)
    assert found == pytest.approx({"accuracy": 50.0, "macro F1": 100 * (2 / 3) / 3})
    fit = np.array([[True, False], [True, True]])
    truth = np.array([[False, True], [True, True]])
    assert majority(fit, truth, several=True) == pytest.approx({"micro F1": 40.0, "macro F1": 100 * (2 / 3) / 2})


def test_scores_that_do_not_belong_together_are_refused() -> None:
    scores = scored()
    for other, told in (
        (replace(scores, split="val"), "agree on split"),
        (replace(scores, label="x"), "agree on label"),
        (scored(truth_seed=5), "different items"),
        (scored(items=60), r"\(120 and 60\)"),
    ):
        with pytest.raises(ProtocolError, match=told):
            estimate_classes([scores, other])
    with pytest.raises(ProtocolError, match="no scores"):
        estimate_classes([])
    with pytest.raises(ProtocolError, match="either side"):
        compare_classes([scores], [], "accuracy")
    with pytest.raises(ProtocolError, match="'micro F1' does not measure one class per item; did you mean"):
        compare_classes([scores], [scores], "micro F1")


def test_scores_that_cannot_be_are_refused() -> None:
    scores = scored(items=4)
    bad = scores.logits.copy()
    bad[2] = np.nan
    for change, told in (
        ({"logits": bad}, "the item in row 9 are not finite"),
        ({"truth": np.array([0, 1, 2, 3])}, "numbered 0 to 2"),
        ({"names": ("a", "b")}, "4 items and 2 classes"),
    ):
        with pytest.raises(ProtocolError, match=told):
            replace(scores, **change)
