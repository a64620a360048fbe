"""Clips of narrated video: a caption, grown by its neighbours until it is long enough to show something.

Growing is that of MCN and AVLnet: while the clip is shorter than wanted, take the neighbour that makes it the shorter
of the two (the one before on a tie), or the only one there is. Every caption seeds one clip, which is a function of the
captions alone; which clips are learnt from in an epoch is drawn later. Differs from the reference: seconds before 0
are clamped, and a clip's captions are listed once, the seed's first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trichord.data.importers.entries import is_text, keys_of
from trichord.errors import DataError
from trichord.shapes import Float


@dataclass(frozen=True)
class Narration:
    """The captions of a video.

    Args:
        start, end: (captions,) seconds, in the order of the captions.
        text: the captions, empty where an entry is no text.
        not_text: numbers of these entries.
    """

    start: Float[np.ndarray, " captions"]
    end: Float[np.ndarray, " captions"]
    text: Sequence[str]
    not_text: tuple[int, ...] = ()


@dataclass(frozen=True)
class GrownClip:
    """A clip: the range of captions it covers, both ends included, and these in the order they were taken."""

    first: int
    last: int
    order: tuple[int, ...]


def grow(narration: Narration, seed: int, min_seconds: float) -> GrownClip:
    """Grow the clip of one caption; it stays shorter than `min_seconds` where the whole video is."""
    start, end = narration.start, narration.end
    first = last = seed
    order = [seed]
    while end[last] - start[first] < min_seconds:
        has_before, has_after = first > 0, last < len(start) - 1
        if not (has_before or has_after):
            break
        before = has_before and (not has_after or end[last] - start[first - 1] <= end[last + 1] - start[first])
        if before:
            first -= 1
        else:
            last += 1
        order.append(first if before else last)
    return GrownClip(first, last, tuple(order))


def read_narration(captions: Any) -> Narration:
    """Read the entry of a video in caption.pickle: {"start": [...], "end": [...], "text": [...]}.

    Raises:
        DataError: keys are missing, the lists differ in length or are empty, or times are no finite numbers.
    """
    remedy = "mend the entry, or leave the video out"
    if not isinstance(captions, dict) or not {"start", "end", "text"} <= set(captions):
        held = keys_of(captions) if isinstance(captions, dict) else type(captions).__name__
        raise DataError(f"captions are a dictionary of start, end and text; found {held}", remedy=remedy)
    lists = [_listed(captions[key]) for key in ("start", "end", "text")]
    lengths = [len(values) for values in lists]
    if len(set(lengths)) != 1 or not lengths[0]:
        raise DataError(f"start, end and text have one entry per caption, found {lengths}", remedy=remedy)
    # Looked at before NumPy does: lists in lists, each used twice, have no end there.
    strange = [value for values in lists[:2] for value in values if not isinstance(value, (int, float, np.number))]
    if strange:
        raise DataError(f"start and end are seconds, found {type(strange[0]).__name__}", remedy=remedy)
    try:
        start, end = (np.array(values, dtype=np.float64) for values in lists[:2])
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"start and end are seconds ({error})", remedy=remedy) from error
    if not (np.isfinite(start).all() and np.isfinite(end).all()):
        raise DataError("start and end are finite numbers", remedy=remedy)
    not_text = tuple(number for number, text in enumerate(lists[2]) if not is_text(text))
    return Narration(start, end, [text if is_text(text) else "" for text in lists[2]], not_text)


def _listed(values: Any) -> list[Any]:
    if isinstance(values, np.ndarray):
        return list(values.tolist()) if values.ndim else []
    return list(values) if isinstance(values, (list, tuple)) else []
