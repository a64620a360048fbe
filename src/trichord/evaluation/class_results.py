"""From scores of classes to numbers: intervals over items and seeds, paired differences, and the view of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trichord.errors import ProtocolError
from trichord.evaluation.class_scores import ClassScores, Truth, check_alike, check_metric, class_metrics, measure
from trichord.metrics.bootstrap import Comparison, Estimate, bootstrap_mean, never_certain, paired_comparison
from trichord.metrics.f_scores import Average, count_answers
from trichord.metrics.resampled_f1 import bootstrap_f1, compare_f1
from trichord.shapes import Float


@dataclass(frozen=True)
class ClassLine:
    """One class, averaged over seeds.

    Args:
        name: of the class.
        items: items of the split that have it.
        precision, recall, f1: in percent; 0 where nothing is divided by nothing.
    """

    name: str
    items: int
    precision: float
    recall: float
    f1: float


def estimate_classes(scores: Sequence[ClassScores], *, num_resamples: int = 2000, seed: int = 0) -> dict[str, Estimate]:
    """Return every measure in percent, averaged over seeds, with 95 % intervals over items and seeds.

    Where all resamples are 0 or all are 100, the exact interval of an accuracy stands in (`never_certain`).

    Args:
        scores: of one method, one per seed, on the same items.
        num_resamples: bootstrap resamples.
        seed: seed of the resamples.

    Raises:
        ProtocolError: there are none, or they are of different items or classes.
    """
    first = check_alike(scores)
    options = {"num_resamples": num_resamples, "seed": seed}
    found = {}
    for metric in class_metrics(first.several):
        if metric == "accuracy":
            estimate = bootstrap_mean(_right(scores), np.arange(len(first)), **options)
        else:
            estimate = _percent(bootstrap_f1(_answers(scores), first.truth_sets(), _average(metric), **options))
        found[metric] = never_certain(estimate, len(first), top=100.0)
    return found


def compare_classes(
    a: Sequence[ClassScores],
    b: Sequence[ClassScores],
    metric: str,
    *,
    matched: bool = False,
    num_resamples: int = 2000,
    num_draws: int = 10000,
    seed: int = 0,
) -> Comparison:
    """Compare two methods on the same items, each one score per seed; the difference a - b is in points.

    The interval resamples items and seeds. The p-value exchanges the two methods' answers item by item (for accuracy
    that is the sign flip of each item's difference).

    Args:
        a, b: scores, one per seed; the numbers of seeds may differ.
        metric: one of `class_metrics`.
        matched: whether the seeds of both sides belong together in their order (both start from the same experts);
            then a resample draws them together, and what they share takes no part in the difference.
        num_resamples: bootstrap resamples.
        num_draws: draws of the test.
        seed: seed of both.

    Raises:
        ProtocolError: a side is empty, items or classes differ, or there is no such measure.
    """
    first = check_alike([*a, *b])
    if not a or not b:
        raise ProtocolError("a comparison needs at least one result on either side")
    check_metric(metric, first.several)
    options = {"num_resamples": num_resamples, "num_draws": num_draws, "seed": seed}
    if metric != "accuracy":
        found = compare_f1(_answers(a), _answers(b), first.truth_sets(), _average(metric), matched=matched, **options)
        difference, low, high = (100.0 * number for number in (found.difference, found.low, found.high))
        return Comparison(difference, low, high, found.p_value, found.num_queries)
    left, right = _right(a), _right(b)
    if matched:
        if len(a) != len(b):
            raise ProtocolError(f"matched sides have as many seeds as each other, got {len(a)} and {len(b)}")
        left, right = left - right, np.zeros((1, len(first)))
    return paired_comparison(left, right, np.arange(len(first)), **options)


def class_lines(scores: Sequence[ClassScores]) -> tuple[ClassLine, ...]:
    """Return a line per class, in the order of the classes, averaged over seeds."""
    first = check_alike(scores)
    counts = count_answers(_answers(scores), first.truth_sets())
    parts = [100.0 * part.mean(axis=0) for part in (counts.precision(), counts.recall(), counts.f1())]
    items = first.truth_sets().sum(axis=0)
    return tuple(
        ClassLine(name, int(items[number]), *(float(part[number]) for part in parts))
        for number, name in enumerate(first.names)
    )


def confusion(scores: Sequence[ClassScores]) -> Float[np.ndarray, "classes classes"]:
    """Return how the items of each true class (row) were answered (column), in percent, averaged over seeds.

    A row sums to 100 less the share of its items that were given no class; of a class without items it is 0.

    Raises:
        ProtocolError: items have several classes, so that an answer cannot be held against one of them.
    """
    first = check_alike(scores)
    if first.several:
        raise ProtocolError("items of several classes have no confusion of one with another; see `class_lines`")
    truth = first.truth_sets().astype(np.float64)
    answered = np.stack([one.answer_sets() for one in scores]).mean(axis=0)
    shares: np.ndarray = 100.0 * (truth.T @ answered) / np.maximum(truth.sum(axis=0), 1.0)[:, None]
    return shares


def majority(truth_fit: Truth, truth: Truth, several: bool) -> dict[str, float]:
    """Return what every measure comes to, in percent, where each item is given the class most frequent in fitting.

    Args:
        truth_fit: classes of the items that are learnt from.
        truth: classes of the items that are reported, in the same form.
        several: whether items may have several classes.
    """
    if several:
        num_classes = truth.shape[1]
        answers: Truth = np.zeros_like(truth)
        answers[:, truth_fit.sum(axis=0).argmax()] = True
    else:
        num_classes = int(max(truth_fit.max(), truth.max())) + 1
        answers = np.full_like(truth, np.bincount(truth_fit).argmax())
    return {metric: measure(answers, truth, metric, num_classes) for metric in class_metrics(several)}


def _right(scores: Sequence[ClassScores]) -> Float[np.ndarray, "seeds items"]:
    return np.stack([100.0 * (one.predictions() == one.truth) for one in scores])


def _answers(scores: Sequence[ClassScores]) -> np.ndarray:
    return np.stack([one.answer_sets() for one in scores])


def _average(metric: str) -> Average:
    return "micro" if metric == "micro F1" else "macro"


def _percent(estimate: Estimate) -> Estimate:
    return Estimate(100.0 * estimate.value, 100.0 * estimate.low, 100.0 * estimate.high)
