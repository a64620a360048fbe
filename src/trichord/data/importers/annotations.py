"""Which step is done in which second of a video: read as a grid, or as spans of time that mark one.

A grid, NAME.npy, is an array of seconds x steps, of 0 and 1 (MCN). Spans, NAME.csv, are the rows `step,start,end`
without a header that CrossTask was published with (Zhukov et al. 2019): the number of the step from 1, and seconds. A
span marks the seconds from floor(start) to ceil(end) - 1 of its step. Where both files exist, the grid is read: it is
what MCN is evaluated on.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trichord.data.npy import open_npy
from trichord.errors import DataError
from trichord.files import is_file
from trichord.shapes import Bool

REMEDY = "mend it"
# A grid may be longer than the features, which are brought to its length, but not without bound: every second of it
# takes a vector.
_TIMES_LONGER, _SECONDS_LONGER = 2, 60


@dataclass(frozen=True)
class Span:
    """A step is done from `start` to `end`, in seconds; `step` is its number, from 1."""

    step: int
    start: float
    end: float


@dataclass(frozen=True)
class Annotation:
    """What is known of a video.

    Args:
        truth: whether a step happens at a second; the steps are in the order of the task.
        notes: what its spans say that no second of the video can be marked with, in words.
    """

    truth: Bool[np.ndarray, "seconds steps"]
    notes: tuple[str, ...] = ()


def read_annotation(folder: Path, name: str, num_steps: int, num_seconds: int) -> Annotation:
    """Read NAME.npy of a folder, or where there is none NAME.csv.

    Args:
        folder: where it lies.
        name: name of the file, without its ending.
        num_steps: steps of the task.
        num_seconds: seconds of the video's features; how long a video is that is annotated in spans. A grid is at most
            twice as long and a minute.

    Raises:
        DataError: neither file exists, the file breaks its rule, there are fewer seconds than steps, or many more
            than the features have.
    """
    grid, spans = folder / f"{name}.npy", folder / f"{name}.csv"
    from_spans = is_file(spans) and not is_file(grid)
    annotation = (
        mark_seconds(read_spans(spans, num_steps), num_seconds, num_steps)
        if from_spans
        else Annotation(_read_grid(grid, num_steps, num_seconds))
    )
    seconds = len(annotation.truth)
    if seconds < num_steps:
        what = "a video annotated by spans" if from_spans else grid.name
        raise DataError(f"{what} has {seconds} seconds for {num_steps} steps, each of which takes one", remedy=REMEDY)
    return annotation


def read_spans(file: Path, num_steps: int) -> list[Span]:
    """Read rows `step,start,end`.

    Raises:
        DataError: the file holds no such row, names a step that the task has not, or a span ends before it starts.
    """
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            rows = [(number, row) for number, row in enumerate(csv.reader(stream, strict=True), start=1) if row]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{file.name} is not readable as csv ({error})", file=file, remedy="write it again") from error
    if not rows:
        raise DataError(f"{file.name} holds no row `step,start,end`", file=file, remedy=REMEDY)
    return [_span(row, f"{file.name}, row {number}", num_steps) for number, row in rows]


def mark_seconds(spans: Sequence[Span], num_seconds: int, num_steps: int) -> Annotation:
    """Mark the seconds that spans cover, the last one a span touches included.

    Seconds after the video are left out, as the reference does, and noted, as are spans that cover no time.
    """
    truth = np.zeros((num_seconds, num_steps), dtype=np.bool_)
    after, timeless = 0, 0
    for span in spans:
        first, end = math.floor(span.start), math.ceil(span.end)
        truth[min(first, num_seconds) : end, span.step - 1] = True
        after += end > num_seconds
        timeless += first == end
    notes = []
    if after:
        notes.append(
            f"{after} of its {len(spans)} spans end after the video, whose features have {num_seconds} seconds; what "
            "lies after it was left out"
        )
    if timeless:
        notes.append(f"{timeless} of its {len(spans)} spans last no time and mark no second")
    return Annotation(truth, tuple(notes))


def _span(row: list[str], place: str, num_steps: int) -> Span:
    try:
        step, start, end = (kind(text) for kind, text in zip((int, float, float), row, strict=True))
    except ValueError as error:
        raise DataError(f"{place}: a row is step,start,end in numbers, found {row}", remedy=REMEDY) from error
    if not 1 <= step <= num_steps:
        raise DataError(f"{place}: steps are numbered 1 to {num_steps}, found {step:g}", remedy=REMEDY)
    if not 0 <= start <= end < math.inf:
        raise DataError(f"{place}: a span runs from 0 or later to its end, found {start} to {end}", remedy=REMEDY)
    return Span(int(step), start, end)


def _read_grid(file: Path, num_steps: int, num_seconds: int) -> Bool[np.ndarray, "seconds steps"]:
    values = open_npy(file)
    longest = _TIMES_LONGER * num_seconds + _SECONDS_LONGER
    if values.ndim == 2 and len(values) > longest:
        raise DataError(
            f"{file.name} has {len(values):,} seconds for a video of {num_seconds:,}; at most {longest:,} are read",
            remedy=REMEDY,
        )
    if values.ndim != 2 or values.shape[1] != num_steps or not len(values) or not np.isin(values, (0, 1)).all():
        raise DataError(
            f"{file.name} is seconds x {num_steps} steps of 0 and 1, found {values.dtype} of shape {values.shape}",
            remedy=REMEDY,
        )
    happens: np.ndarray = np.asarray(values) == 1
    return happens
