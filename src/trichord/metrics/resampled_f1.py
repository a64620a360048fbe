"""Intervals and paired tests of F1, which is no mean over items: every draw counts its items anew.

A resample gives items whole weights, so its counts per class are one product of matrices. For the counts see
`trichord.metrics.f_scores`, for what is resampled `trichord.metrics.bootstrap`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from trichord.errors import ProtocolError
from trichord.metrics.bootstrap import Comparison, Estimate, intervals
from trichord.metrics.f_scores import Average, ClassCounts, count_answers
from trichord.metrics.resampling import average_drawn_seeds, item_weights, random_signs
from trichord.shapes import Bool, Float

SLACK = 1e-12


def bootstrap_f1(
    answers: Bool[np.ndarray, "seeds items classes"],
    truth: Bool[np.ndarray, "items classes"],
    average: Average,
    *,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Return F1 in [0, 1], averaged over seeds, with its interval over items and seeds.

    F1 is no mean over items: every resample counts its items anew, by one product of matrices.

    Raises:
        ProtocolError: there is no seed or no item, or no resample.
    """
    _check(answers, truth, num_resamples)
    centre = count_answers(answers, truth).average(average).mean()
    [replicates] = _resampled([answers], truth, average, num_resamples, seed)
    return intervals(np.array([centre]), average_drawn_seeds(replicates[:, None], seed))[0]


def compare_f1(
    a: Bool[np.ndarray, "seeds_a items classes"],
    b: Bool[np.ndarray, "seeds_b items classes"],
    truth: Bool[np.ndarray, "items classes"],
    average: Average,
    *,
    matched: bool = False,
    num_resamples: int = 2000,
    num_draws: int = 10000,
    seed: int = 0,
) -> Comparison:
    """Compare the F1 of two methods' answers to the same items; all values in [0, 1].

    The interval resamples items, the same ones on both sides, and seeds. The p-value is that of `swap_p`.

    Args:
        a, b: which classes each item was given.
        truth: which it has.
        average: "macro" or "micro".
        matched: whether the seeds of the two sides belong together in their order, and are drawn together.
        num_resamples: bootstrap resamples.
        num_draws: draws of the test.
        seed: seed of both.

    Raises:
        ProtocolError: there is no seed, item, resample or draw, or matched sides differ in their number of seeds.
    """
    _check(a, truth, num_resamples)
    _check(b, truth, num_resamples)
    if matched and len(a) != len(b):
        raise ProtocolError(f"matched sides have as many seeds as each other, got {len(a)} and {len(b)}")
    difference = float(
        count_answers(a, truth).average(average).mean() - count_answers(b, truth).average(average).mean()
    )
    left, right = _resampled([a, b], truth, average, num_resamples, seed)
    if matched:
        replicates = average_drawn_seeds((left - right)[:, None], seed, "seeds of a")
    else:
        replicates = average_drawn_seeds(left[:, None], seed, "seeds of a") - average_drawn_seeds(
            right[:, None], seed, "seeds of b"
        )
    [estimate] = intervals(np.array([difference]), replicates)
    p_value = swap_p(a, b, truth, average, num_draws=num_draws, seed=seed)
    return Comparison(estimate.value, estimate.low, estimate.high, p_value, len(truth))


def swap_p(
    a: Bool[np.ndarray, "seeds_a items classes"],
    b: Bool[np.ndarray, "seeds_b items classes"],
    truth: Bool[np.ndarray, "items classes"],
    average: Average,
    *,
    num_draws: int = 10000,
    seed: int = 0,
) -> float:
    """Two-sided p-value of a difference in F1, by exchanging the two methods' answers item by item at random.

    Under the null hypothesis an item's answers could as well be those of the other method; all seeds of an item are
    exchanged together. Where the sides have unlike numbers of seeds, both are repeated to their least common multiple,
    which leaves their averages as they are. The p-value is (1 + draws at least as extreme) / (1 + draws), never zero.
    For a mean over items this is the sign flip of `trichord.metrics.bootstrap.sign_flip_p`; the idea is that of
    approximate randomisation (Noreen 1989; Yeh 2000, "More accurate tests for the statistical significance of result
    differences").

    Raises:
        ProtocolError: no draw.
    """
    if num_draws < 1:
        raise ProtocolError(f"a randomisation test needs at least one draw, got {num_draws}")
    seeds = math.lcm(len(a), len(b))
    a, b = (np.tile(side, (seeds // len(side), 1, 1)) for side in (a, b))
    there = truth.sum(axis=0).astype(np.float64)
    # Items that both sides answer alike count the same whichever way they are exchanged.
    unlike = (a != b).any(axis=(0, 2))
    halves = [_swap_parts(a[number], b[number], truth, unlike, average) for number in range(seeds)]
    total = there.sum(keepdims=True) if average == "micro" else there
    observed = abs(
        float(count_answers(a, truth).average(average).mean() - count_answers(b, truth).average(average).mean())
    )
    extreme = 0
    for signs in random_signs(int(unlike.sum()), num_draws, seed):
        differences = np.zeros(len(signs))
        for mean, half in halves:
            moved = signs @ half
            stayed, left = (_halved(mean + way * moved, total).average(average) for way in (1.0, -1.0))
            differences += (stayed - left) / seeds
        # Draws that equal the observed difference up to rounding count as extreme.
        extreme += int((np.abs(differences) >= observed - SLACK).sum())
    return (1 + extreme) / (1 + num_draws)


def _swap_parts(
    a: np.ndarray, b: np.ndarray, truth: np.ndarray, unlike: np.ndarray, average: Average
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean counts (2 classes,) and half differences (unlike, 2 classes), right beside answered.

    With sign +1 for an item that stays, a's counts are mean + signs @ half, and b's mean - signs @ half.
    """
    collapse: Callable[[np.ndarray], np.ndarray] = (
        (lambda sets: sets.sum(axis=1, keepdims=True).astype(np.float64))
        if average == "micro"
        else (lambda sets: sets.astype(np.float64))
    )
    left, right = (np.concatenate([collapse(side & truth), collapse(side)], axis=1) for side in (a, b))
    return (left + right).sum(axis=0) / 2.0, (left - right)[unlike] / 2.0


def _halved(counts: np.ndarray, there: np.ndarray) -> ClassCounts:
    right, answered = np.split(counts, 2, axis=1)
    return ClassCounts(right, answered, np.broadcast_to(there, right.shape))


def _resampled(
    sides: list[np.ndarray], truth: np.ndarray, average: Average, num_resamples: int, seed: int
) -> list[Float[np.ndarray, "resamples seeds"]]:
    """Return the F1 of every resample and seed of each side; the resamples of items are the same for all."""
    found: list[list[np.ndarray]] = [[] for _ in sides]
    for weights in item_weights(len(truth), num_resamples, seed):
        there = weights @ truth.astype(np.float64)
        for kept, answers in zip(found, sides, strict=True):
            scores = []
            for one in answers:  # a seed at a time: the counts of all seeds at once need not fit in memory
                right, answered = (weights @ part.astype(np.float64) for part in (one & truth, one))
                scores.append(ClassCounts(right, answered, there).average(average))
            kept.append(np.stack(scores, axis=1))
    return [np.concatenate(kept) for kept in found]


def _check(answers: np.ndarray, truth: np.ndarray, num_resamples: int) -> None:
    if not answers.size or num_resamples < 1:
        raise ProtocolError(
            f"an interval needs a seed, an item, a class and a resample, got answers of shape {answers.shape} and "
            f"{num_resamples} resamples"
        )
