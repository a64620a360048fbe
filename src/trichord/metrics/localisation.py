"""In which seconds of a video the steps of its task happen: decoders of a score matrix, and how well they hit.

Legend: T seconds, K steps in the order of the task; scores (T, K); truth (T, K), whether step k happens at second t.
A decoder gives every step a chance in [0, 1] of being hit: of having been put in a second where it happens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trichord.errors import ProtocolError
from trichord.shapes import Bool, Float, Int

DECODERS = ("ordered", "best step per second", "best second per step")


def best_ordered_seconds(scores: Float[np.ndarray, "seconds steps"]) -> Int[np.ndarray, " steps"]:
    """Put each step in exactly one second, in the order of the steps, so that the summed score is highest.

    Seconds ascend strictly. best[k, t] = scores[t, k] + max over s < t of best[k - 1, s], summed in float64; of equally
    good choices the last step takes its earliest, then the step before it, and so on. Zhukov et al. 2019 (the
    decoder of CrossTask with the background at no cost).

    Raises:
        ProtocolError: there are fewer seconds than steps, no step, or a score is not finite.
    """
    num_seconds, num_steps = scores.shape
    if not 0 < num_steps <= num_seconds:
        raise ProtocolError(
            f"each step takes a second of its own, so there are at least as many seconds as steps and at least one "
            f"step; got {num_seconds} seconds and {num_steps} steps"
        )
    _check_finite(scores)
    totals = scores[:, 0].astype(np.float64)
    previous = np.zeros((num_steps, num_seconds), dtype=np.int64)
    for step in range(1, num_steps):
        highest = np.maximum.accumulate(totals)
        rises = np.concatenate([[True], totals[1:] > highest[:-1]])
        place = np.maximum.accumulate(np.where(rises, np.arange(num_seconds), 0))
        previous[step, 1:] = place[:-1]
        totals = scores[:, step] + np.concatenate([[-np.inf], highest[:-1]])
    seconds = np.empty(num_steps, dtype=np.int64)
    seconds[-1] = int(np.argmax(totals))
    for step in range(num_steps - 1, 0, -1):
        seconds[step - 1] = previous[step, seconds[step]]
    return seconds


def ordered_hits(
    scores: Float[np.ndarray, "seconds steps"], truth: Bool[np.ndarray, "seconds steps"]
) -> Float[np.ndarray, " steps"]:
    """Return 1 for each step whose second by `best_ordered_seconds` is one where it happens, else 0."""
    hits: np.ndarray = truth[best_ordered_seconds(scores), np.arange(scores.shape[1])].astype(np.float64)
    return hits


def best_step_hits(
    scores: Float[np.ndarray, "seconds steps"], truth: Bool[np.ndarray, "seconds steps"]
) -> Float[np.ndarray, " steps"]:
    """Each second takes its best step; a step is hit if any second that took it is one where it happens.

    The arg-max decoder of the MCN evaluation: a step may have any number of seconds, none included, so that it is
    easier to hit the longer a step lasts. Exact under ties: each second chooses among equal steps at random.
    """
    _check_finite(scores)
    highest = scores == scores.max(axis=1, keepdims=True)
    taken = highest / highest.sum(axis=1, keepdims=True)
    missed: np.ndarray = np.prod(np.where(truth, 1.0 - taken, 1.0), axis=0)
    return 1.0 - missed


def best_second_hits(
    scores: Float[np.ndarray, "seconds steps"], truth: Bool[np.ndarray, "seconds steps"]
) -> Float[np.ndarray, " steps"]:
    """Each step takes its best second, whatever the others take; exact under ties, chosen at random."""
    _check_finite(scores)
    highest = scores == scores.max(axis=0)
    hits: np.ndarray = (highest & truth).sum(axis=0) / highest.sum(axis=0)
    return hits


def decode(
    scores: Float[np.ndarray, "seconds steps"], truth: Bool[np.ndarray, "seconds steps"]
) -> Float[np.ndarray, "decoders steps"]:
    """Return the hits of every decoder, in the order of `DECODERS`."""
    return np.stack([ordered_hits(scores, truth), best_step_hits(scores, truth), best_second_hits(scores, truth)])


def chance_hits(truth: Bool[np.ndarray, "seconds steps"]) -> Float[np.ndarray, "decoders steps"]:
    """Return what random choices would hit, in the order of `DECODERS`.

    Ordered: K distinct seconds at random, sorted; step k (from 0) is at second t in C(t, k) C(T - 1 - t, K - 1 - k) of
    C(T, K) cases. Best step per second: 1 - (1 - 1 / K)^n for a step of n seconds. Best second per step: n / T.
    """
    num_seconds, num_steps = truth.shape
    lasting = truth.sum(axis=0)
    seconds, steps = np.arange(num_seconds)[:, None], np.arange(num_steps)[None]
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, num_seconds + 1)))])

    def choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
        rest = n - k
        ways = factorials[n] - factorials[k] - factorials[np.maximum(rest, 0)]
        return np.where(rest < 0, -np.inf, ways)

    ways = choose(seconds, steps) + choose(num_seconds - 1 - seconds, num_steps - 1 - steps)
    total = choose(np.array(num_seconds), np.array(num_steps))
    ordered = (np.exp(ways - total) * truth).sum(axis=0)
    return np.stack([ordered, 1.0 - (1.0 - 1.0 / num_steps) ** lasting, lasting / num_seconds])


def step_recall(hits: Float[np.ndarray, " steps"], occurs: Bool[np.ndarray, " steps"]) -> float:
    """Return the share of the occurring steps that were hit.

    Raises:
        ProtocolError: no step occurs, so there is nothing to hit; leave the video out, and count it.
    """
    if not occurs.any():
        raise ProtocolError("no step occurs in the video, so its recall is 0 / 0; leave the video out, and count it")
    return float(hits[occurs].sum() / occurs.sum())


@dataclass(frozen=True)
class StepCounts:
    """How many of the occurring steps of each video were hit; videos in which none occurs are left out beforehand.

    Args:
        hits: (videos,) steps that occur and were hit.
        occurring: (videos,) steps that occur, at least one.
        tasks: (videos,) number of each video's task.
    """

    hits: Float[np.ndarray, " videos"]
    occurring: Int[np.ndarray, " videos"]
    tasks: Int[np.ndarray, " videos"]

    def __post_init__(self) -> None:
        if not len(self.hits) or (self.occurring < 1).any():
            raise ProtocolError(
                "a recall over tasks needs at least one video, and in each video at least one step that occurs; leave "
                "videos without steps out, and count them"
            )


def mean_of_videos(counts: StepCounts) -> dict[int, float]:
    """Return task -> mean over its videos of hits / occurring, the averaging of the MCN evaluation."""
    return {task: float((counts.hits / counts.occurring)[rows].mean()) for task, rows in _rows(counts.tasks)}


def pooled(counts: StepCounts) -> dict[int, float]:
    """Return task -> hits of all its videos / occurring steps of all its videos, as in Zhukov et al. 2019."""
    return {task: float(counts.hits[rows].sum() / counts.occurring[rows].sum()) for task, rows in _rows(counts.tasks)}


def average_precision(
    scores: Float[np.ndarray, " rows"], relevant: Bool[np.ndarray, " rows"], num_lost: int = 0
) -> float:
    """Average precision: the sum over the levels of the scores of (gain in recall) x precision.

    Rows of equal score enter together, so their order has no influence.

    Args:
        scores: one per row; rows of all videos of a task may stand in one list.
        relevant: which rows are right.
        num_lost: right rows that could not be scored at all: recall never reaches them.

    Raises:
        ProtocolError: nothing is relevant.
    """
    total = int(relevant.sum()) + num_lost
    if total == 0:
        raise ProtocolError("nothing is relevant, so there is no average precision; leave the step out")
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) if len(order) else order
    found = np.cumsum(relevant[order])[last]
    return float((np.diff(found, prepend=0) / total * (found / (last + 1))).sum())


def _rows(tasks: np.ndarray) -> list[tuple[int, np.ndarray]]:
    return [(task, np.flatnonzero(tasks == task)) for task in np.unique(tasks).tolist()]


def _check_finite(scores: np.ndarray) -> None:
    if not np.isfinite(scores).all():
        second, step = (int(place[0]) for place in np.nonzero(~np.isfinite(scores)))
        raise ProtocolError(
            f"the score of second {second} and step {step} is not finite; look for the fault where it was computed"
        )
