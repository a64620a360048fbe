"""The record of step localisation: three decoders, both averagings, intervals, chance, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from trichord.errors import ProtocolError
from trichord.evaluation.step_layout import AnnotatedVideo
from trichord.files import hash_json
from trichord.metrics.bootstrap import Estimate, never_certain
from trichord.metrics.localisation import (
    DECODERS,
    StepCounts,
    average_precision,
    chance_hits,
    decode,
    mean_of_videos,
    pooled,
)
from trichord.metrics.stratified import mean_over_strata
from trichord.shapes import Float, Int


@dataclass(frozen=True, kw_only=True)
class StepProtocol:
    """Everything that decides a number of step localisation besides the model; see also `Protocol`.

    Args:
        task: spelling: text against what is known of each second, "T>VA".
        steps_split, split: where the steps and the videos lie.
        steps_hash, items_hash: hashes of the ids of the step items and of the videos, in order.
        window_seconds, frames_per_second, max_frames: how audio is cut; None where no audio is used.
        denominator: what a recall divides by.
        missing_policy: "miss": in a video that lacks all of the gallery's modalities no step is hit.
        tie_policy: the ordered decoder prefers early seconds; the others are exact expectations.
        benchmark: name of the benchmark, with what deviates from it; "none" where it was measured under no name.
    """

    task: str
    dataset: str
    dataset_fingerprint: str
    steps_split: str
    split: str
    steps_hash: str
    items_hash: str
    num_videos: int
    num_tasks: int
    similarity: str
    fusion: str
    window_seconds: int | None
    frames_per_second: int | None
    max_frames: int | None
    benchmark: str = "none"
    denominator: str = "steps that occur; a video without any is left out of recalls and counted"
    missing_policy: str = "miss"
    tie_policy: str = "ordered: earliest seconds; others: expected"
    precision: str = "float32"

    def fingerprint(self) -> str:
        """Return a hash of all fields."""
        return hash_json(asdict(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the fingerprint as plain data."""
        return {**asdict(self), "fingerprint": self.fingerprint()}


@dataclass(frozen=True)
class StepRecall:
    """One averaging of one decoder's recalls, in percent.

    Args:
        value: mean over tasks, with a 95 % interval from resampling videos within tasks.
        chance: what random choices score.
        tasks: task -> its recall.
    """

    value: Estimate
    chance: float
    tasks: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"value": asdict(self.value), "chance": self.chance, "tasks": dict(self.tasks)}


@dataclass(frozen=True)
class DecoderScores:
    """Both averagings of one decoder.

    Args:
        mean_of_videos: hits / occurring steps of each video, mean over the videos of a task, then over tasks (MCN).
        pooled: hits of a task's videos / occurring steps of a task's videos, mean over tasks (Zhukov et al. 2019).
        per_video: (counted videos,) hits / occurring steps, in [0, 1].
    """

    mean_of_videos: StepRecall
    pooled: StepRecall
    per_video: Float[np.ndarray, " videos"]


@dataclass(frozen=True)
class StepScores:
    """What a gallery of seconds scores.

    Args:
        protocol: how it was measured.
        decoders: name in `metrics.localisation.DECODERS` -> its scores; "ordered" is the published one.
        mean_average_precision: in percent: average precision of each occurring step over the seconds of all videos of
            its task, mean over steps, then over tasks. No interval.
        average_precision: task -> its mean, in percent.
        num_missing: counted videos in which every step is missed because they lack the gallery's modalities.
        flags: sentences about scores at chance level and intervals that are too narrow.
    """

    protocol: StepProtocol
    decoders: Mapping[str, DecoderScores]
    mean_average_precision: float
    average_precision: Mapping[str, float]
    num_missing: int
    flags: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the values per video as plain data."""
        return {
            "protocol": self.protocol.to_dict(),
            "decoders": {
                name: {"mean of videos": scores.mean_of_videos.to_dict(), "pooled": scores.pooled.to_dict()}
                for name, scores in self.decoders.items()
            },
            "mAP": {"value": self.mean_average_precision, "tasks": dict(self.average_precision)},
            "num_missing": self.num_missing,
            "flags": list(self.flags),
        }


@dataclass(frozen=True)
class StepResult:
    """Step localisation on one data set.

    Args:
        galleries: spelling, "T>V", "T>A" or "T>VA" -> scores.
        video_items: (counted videos,) rows in the data set of the videos that recalls are made of.
        num_without_steps: task -> its videos in which no step occurs, left out of recalls; tasks with none are absent.
        tasks_without_steps: tasks that have videos, yet in none of them a step; left out of every mean.
        tasks_without_videos: tasks of the steps that no video has; left out of every mean.
        num_late_seconds: seconds that begin after the end of their video's audio, and have its last window.
        flags: warnings about the embeddings.
    """

    galleries: Mapping[str, StepScores]
    video_items: Int[np.ndarray, " videos"]
    num_without_steps: Mapping[str, int]
    tasks_without_steps: tuple[str, ...]
    tasks_without_videos: tuple[str, ...]
    num_late_seconds: int
    flags: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the values per video as plain data."""
        return {
            "galleries": {name: scores.to_dict() for name, scores in self.galleries.items()},
            "num_videos": len(self.video_items),
            "num_without_steps": dict(self.num_without_steps),
            "tasks_without_steps": list(self.tasks_without_steps),
            "tasks_without_videos": list(self.tasks_without_videos),
            "num_late_seconds": self.num_late_seconds,
            "flags": list(self.flags),
        }


def summarise_steps(
    videos: Sequence[AnnotatedVideo],
    scores: Sequence[np.ndarray | None],
    protocol: StepProtocol,
    *,
    num_resamples: int,
    seed: int,
) -> StepScores:
    """Make the record of one gallery from a (seconds, steps) score matrix per video; None where it cannot be scored.

    Raises:
        ProtocolError: no step occurs in any video, or a score is not finite.
    """
    counted = [place for place, video in enumerate(videos) if video.truth.any()]
    if not counted:
        raise ProtocolError("no step occurs in any video, so there is nothing to locate")
    names = sorted({videos[place].task for place in counted})
    tasks = np.array([names.index(videos[place].task) for place in counted])
    occurring = np.array([int(videos[place].truth.any(axis=0).sum()) for place in counted])
    hits, chance = np.zeros((2, len(DECODERS), len(counted)))
    for column, place in enumerate(counted):
        found, truth = scores[place], videos[place].truth
        if found is not None:
            # A step that does not occur is never hit, so these sums are over the occurring ones.
            hits[:, column] = decode(found, truth).sum(axis=1)
            chance[:, column] = chance_hits(truth).sum(axis=1)
    parts = np.concatenate([100.0 * hits / occurring, 100.0 * hits])
    wholes = np.concatenate([np.ones_like(hits), np.broadcast_to(occurring.astype(np.float64), hits.shape)])
    means = mean_over_strata(parts, wholes, tasks, num_resamples=num_resamples, seed=seed)
    estimates = [never_certain(mean, len(counted), top=100.0) for mean in means]
    decoders: dict[str, DecoderScores] = {}
    for row, name in enumerate(DECODERS):
        model, random = (StepCounts(values[row], occurring, tasks) for values in (hits, chance))
        decoders[name] = DecoderScores(
            _recall(estimates[row], mean_of_videos(model), mean_of_videos(random), names),
            _recall(estimates[row + len(DECODERS)], pooled(model), pooled(random), names),
            hits[row] / occurring,
        )
    precision = {name: _task_precision(name, videos, scores) for name in names}
    return StepScores(
        protocol=protocol,
        decoders=decoders,
        mean_average_precision=float(np.mean(list(precision.values()))),
        average_precision=precision,
        num_missing=sum(scores[place] is None for place in counted),
        flags=(*_chance_flags(decoders), *_narrow_flags(names, tasks)),
    )


def _recall(value: Estimate, tasks: dict[int, float], chance: dict[int, float], names: list[str]) -> StepRecall:
    mean = 100.0 * float(np.mean(list(chance.values())))
    return StepRecall(value, mean, {names[task]: 100.0 * recall for task, recall in tasks.items()})


def _task_precision(task: str, videos: Sequence[AnnotatedVideo], scores: Sequence[np.ndarray | None]) -> float:
    """Return the mean average precision of a task's occurring steps, in percent."""
    pairs = [(found, video.truth) for found, video in zip(scores, videos, strict=True) if video.task == task]
    num_steps = pairs[0][1].shape[1]
    scored = [(found, truth) for found, truth in pairs if found is not None]
    values = np.concatenate([np.zeros((0, num_steps)), *(found for found, _ in scored)])
    relevant = np.concatenate([np.zeros((0, num_steps), dtype=bool), *(truth for _, truth in scored)])
    lost = np.sum([truth.sum(axis=0) for found, truth in pairs if found is None] or [np.zeros(num_steps)], axis=0)
    steps = np.flatnonzero(relevant.any(axis=0) | (lost > 0)).tolist()
    return 100.0 * float(np.mean([average_precision(values[:, k], relevant[:, k], int(lost[k])) for k in steps]))


def _chance_flags(decoders: Mapping[str, DecoderScores]) -> list[str]:
    flags = []
    for name, scores in decoders.items():
        found = scores.mean_of_videos
        if found.value.low <= found.chance:
            flags.append(
                f"not above chance: recall by the decoder {name!r} is {found.value.value:.1f} "
                f"[{found.value.low:.1f}, {found.value.high:.1f}] against {found.chance:.1f} by chance"
            )
    return flags


def _narrow_flags(names: list[str], tasks: np.ndarray) -> list[str]:
    single = [name for name, size in zip(names, np.bincount(tasks).tolist(), strict=True) if size == 1]
    if not single:
        return []
    return [f"intervals are too narrow: one video is all there is of {', '.join(single)}"]
