"""How step localisation lies in a data set: the steps of each task, and in which seconds of each video they happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trichord.data.dataset import Dataset
from trichord.errors import DataError
from trichord.modality import TEXT, VIDEO
from trichord.shapes import Bool, Int

TASK, STEP, STEP_NUMBERS, STEP_SECONDS = "task", "step", "step_numbers", "step_seconds"


@dataclass(frozen=True)
class AnnotatedVideo:
    """One video of a task.

    Args:
        item: its row in the data set.
        task: name of its task.
        truth: (seconds, steps) whether a step happens at a second; the steps are in the order of the task.
    """

    item: int
    task: str
    truth: Bool[np.ndarray, "seconds steps"]


@dataclass(frozen=True)
class StepLayout:
    """What is to be found, and where.

    Args:
        steps: task -> (steps,) rows of its step items, in the order of the task; tasks are sorted by name.
        videos: the videos, in the order of the data set.
    """

    steps: Mapping[str, Int[np.ndarray, " steps"]]
    videos: tuple[AnnotatedVideo, ...]


def read_step_layout(dataset: Dataset, steps_split: str, videos_split: str) -> StepLayout:
    """Read the annotation of a data set for step localisation.

    Items of `steps_split` are steps: a text, the label `task`, and the label `step`, from 1 in the order of the task.
    Items of `videos_split` are videos: as many video instances as seconds, in order; the label `task`; and the labels
    `step_numbers` and `step_seconds`, lists of equal length: step k (from 1) happens at second s (from 0). A video in
    which no step happens has empty lists.

    Raises:
        DataError: steps of a task are not numbered 1, 2, ...; a step has no text; a video's task has no steps; a
            video's lists are missing, differ in length or point outside the task or the video; it has fewer seconds
            than its task has steps.
        ConfigError: a split or a label is not there.
    """
    tasks, numbers = dataset.label(TASK), dataset.label(STEP)
    steps = _steps(dataset, dataset.split(steps_split), tasks, numbers)
    step_numbers, step_seconds = dataset.label(STEP_NUMBERS), dataset.label(STEP_SECONDS)
    videos = []
    for item in dataset.split(videos_split).tolist():
        task = tasks[item]
        if task not in steps:
            raise _fault(
                dataset, item, f"its task {task!r} has no step in the split {steps_split!r}", "add the task's steps"
            )
        shape = (int(dataset.instances(VIDEO.name).count[item]), len(steps[task]))
        videos.append(AnnotatedVideo(item, task, _truth(dataset, item, shape, step_numbers[item], step_seconds[item])))
    return StepLayout(steps, tuple(videos))


def _steps(dataset: Dataset, items: np.ndarray, tasks: list[Any], numbers: list[Any]) -> dict[str, np.ndarray]:
    found: dict[str, dict[int, int]] = {}
    has_text = dataset.has(TEXT.name)
    for item in items.tolist():
        task, number = tasks[item], numbers[item]
        if not isinstance(task, str) or type(number) is not int:
            raise _fault(
                dataset,
                item,
                f"a step has a task (text) and a number (an integer from 1), found {task!r} and {number!r}",
                "write both labels for every step",
            )
        if number in found.setdefault(task, {}):
            raise _fault(dataset, item, f"step {number} of task {task!r} occurs twice", "number the steps 1, 2, ...")
        if not has_text[item]:
            raise _fault(dataset, item, f"step {number} of task {task!r} has no text to ask with", "give it a text")
        found[task][number] = item
    for task, by_number in found.items():
        if sorted(by_number) != list(range(1, len(by_number) + 1)):
            raise DataError(
                f"the steps of task {task!r} are numbered 1, 2, ... without gaps, found {sorted(by_number)}",
                file=dataset.path,
                remedy="add the missing steps, or number them again",
            )
    return {task: np.array([found[task][number] for number in sorted(found[task])]) for task in sorted(found)}


def _truth(dataset: Dataset, item: int, shape: tuple[int, int], numbers: Any, seconds: Any) -> np.ndarray:
    """Return (seconds, steps) whether a step happens at a second."""
    num_seconds, num_steps = shape
    if num_seconds < num_steps:
        raise _fault(
            dataset,
            item,
            f"a video has a video instance per second, and at least as many seconds as its task has steps; found "
            f"{num_seconds} seconds and {num_steps} steps",
            "write one instance per second, or leave the video out",
        )
    if not isinstance(numbers, list) or not isinstance(seconds, list) or len(numbers) != len(seconds):
        raise _fault(
            dataset,
            item,
            f"{STEP_NUMBERS} and {STEP_SECONDS} are lists of equal length, found {_described(numbers)} and "
            f"{_described(seconds)}",
            "write both lists, empty where no step happens",
        )
    truth = np.zeros(shape, dtype=bool)
    for number, second in zip(numbers, seconds, strict=True):
        if (
            type(number) is not int
            or type(second) is not int
            or not (1 <= number <= num_steps and 0 <= second < num_seconds)
        ):
            raise _fault(
                dataset,
                item,
                f"step {number!r} at second {second!r} lies outside the task's steps 1 to {num_steps} or the video's "
                f"seconds 0 to {num_seconds - 1}",
                "correct the annotation",
            )
        truth[second, number - 1] = True
    return truth


def _described(value: Any) -> str:
    return f"a list of {len(value)}" if isinstance(value, list) else repr(value)


def _fault(dataset: Dataset, item: int, rule: str, remedy: str) -> DataError:
    return DataError(rule, file=dataset.path, row=dataset.ids[item], remedy=remedy)
