"""Leakage: videos that are learnt from and evaluated on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from trichord.data.dataset import Dataset

SHOWN = 5
_YOUTUBE = re.compile(r"[\w-]{11}")


@dataclass(frozen=True)
class Leak:
    """Videos that two lists share.

    Args:
        training, evaluated: names of the lists.
        shared: ids of the videos in both, in order.
        num_training, num_evaluated: number of videos of either list.
        unlike: ids of one list look like YouTube's and those of the other do not, for instance these two; then a video
            may be in both under two ids. None where they look alike.
    """

    training: str
    evaluated: str
    shared: tuple[str, ...]
    num_training: int
    num_evaluated: int
    unlike: tuple[str, str] | None = None

    @property
    def sentence(self) -> str:
        """The finding in words."""
        if not self.shared and self.unlike is not None:
            return (
                f"Whether videos of {self.evaluated} are among those of {self.training} cannot be told: their ids are "
                f"of two kinds, such as {self.unlike[0]} and {self.unlike[1]}"
            )
        if not self.shared:
            return (
                f"No leakage: none of the {self.num_evaluated:,} videos of {self.evaluated} is among the "
                f"{self.num_training:,} of {self.training}"
            )
        more = f", and {len(self.shared) - SHOWN:,} more" if len(self.shared) > SHOWN else ""
        return (
            f"LEAKAGE: {len(self.shared):,} of the {self.num_evaluated:,} videos of {self.evaluated} are also in "
            f"{self.training}: {', '.join(self.shared[:SHOWN])}{more}; leave them out of training"
        )


def find_leak(training: Iterable[str], evaluated: Iterable[str], names: tuple[str, str]) -> Leak:
    """Compare two lists of video ids; `names` says what they are."""
    learnt, measured = set(training), set(evaluated)
    unlike = None
    if learnt and measured and abs(_share_of_youtube(learnt) - _share_of_youtube(measured)) > 0.5:
        unlike = (min(learnt), min(measured))
    return Leak(*names, tuple(sorted(learnt & measured)), len(learnt), len(measured), unlike)


def _share_of_youtube(ids: set[str]) -> float:
    return sum(_YOUTUBE.fullmatch(name) is not None for name in ids) / len(ids)


def split_videos(dataset: Dataset, *splits: str) -> list[str]:
    """Return the video of every item of the splits: its source, or its own id where it has none."""
    sources = dataset.source
    items = dataset.split(*splits).tolist()
    found = [None if sources is None else sources[item] for item in items]
    return [dataset.ids[item] if source is None else source for item, source in zip(items, found, strict=True)]
