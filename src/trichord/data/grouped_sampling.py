"""Batches made of sources: every epoch visits each source video once and draws a few of its clips.

The published batch of MCN is 128 videos with 32 clips of each (Chen et al., ICCV 2021; 4,096 clips). The reference
draws a video's clips with replacement, so that one clip may stand in a batch twice, as a negative of itself; here they
are drawn without replacement, and items that are the same stretch of the same source count as one clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trichord.data.indexed_random import random_words
from trichord.data.segments import SegmentColumns
from trichord.randomness import numpy_generator
from trichord.shapes import Int


@dataclass(frozen=True)
class SourceGroups:
    """Items by source; computed once for a data set, for its segments do not change from epoch to epoch.

    Args:
        items: (items,) rows of the items, those of one source together and in the order of the table.
        first: (sources + 1,) where the items of each source begin, and where the last one's end.
        columns: source, start and end of every item of the data set.
    """

    items: Int[np.ndarray, " items"]
    first: Int[np.ndarray, " bounds"]
    columns: SegmentColumns

    def __len__(self) -> int:
        return len(self.first) - 1

    def most_drawn(self, items_per_source: int) -> int:
        """Return how many items an epoch draws, where no two items are the same clip."""
        return int(np.minimum(np.diff(self.first), items_per_source).sum())


def group_by_source(columns: SegmentColumns, items: Int[np.ndarray, " items"]) -> SourceGroups:
    """Group items by their source; an item without one is a source of its own, as are all where no column names them.

    Args:
        columns: the segments of the data set.
        items: rows of the items to group, each once.
    """
    items = np.sort(items)
    source = np.full(len(items), -1) if columns.source is None else columns.source[items]
    alone = np.flatnonzero(source < 0)
    if len(alone):
        source = source.astype(np.int64)
        source[alone] = max(int(source.max()) + 1, 0) + np.arange(len(alone))
    if (source[1:] < source[:-1]).any():  # in most tables the items of one source stand together already
        order = np.argsort(source, kind="stable")
        items, source = items[order], source[order]
    cuts = np.flatnonzero(source[1:] != source[:-1]) + 1
    first = np.r_[0, cuts, len(items)] if len(items) else np.zeros(1)
    return SourceGroups(items, first.astype(np.int64), columns)


def draw_clips(
    groups: SourceGroups, sources: Int[np.ndarray, " sources"], items_per_source: int, seed: int, epoch: int
) -> Int[np.ndarray, " batch"]:
    """Draw up to `items_per_source` items of each of the sources, without replacement.

    Two items of one source with equal start and end are one clip: the clips are drawn evenly, and so is the item that
    stands for a clip. Items whose start or end is not known are clips of their own.

    Args:
        groups: all items by source.
        sources: numbers of sources, counted as in `groups`.
        items_per_source: most items of one source; a source with fewer clips gives all it has.
        seed, epoch: the draw is a function of these and of the source's items, not of the other sources drawn.

    Returns:
        Rows of the items, source after source in the order given, the items of each in random order.
    """
    counts = groups.first[sources + 1] - groups.first[sources]
    owner = np.repeat(np.arange(len(sources)), counts)
    begin = np.cumsum(counts) - counts
    items = groups.items[np.arange(len(owner)) + np.repeat(groups.first[sources] - begin, counts)]
    kept = _one_of_each_clip(groups.columns, items, owner, seed, epoch)
    items, owner = items[kept], owner[kept]
    order = np.lexsort((random_words(seed, "clips", epoch, items), owner))
    items, owner = items[order], owner[order]
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    drawn: np.ndarray = items[rank < items_per_source]
    return drawn


def _one_of_each_clip(
    columns: SegmentColumns, items: np.ndarray, owner: np.ndarray, seed: int, epoch: int
) -> Int[np.ndarray, " kept"]:
    """Return the places of one item, drawn evenly, of each set with the same owner, start and end."""
    if columns.start is None or columns.end is None:
        return np.arange(len(items))
    start, end = columns.start[items], columns.end[items]
    order = np.lexsort((random_words(seed, "twins", epoch, items), end, start, owner))
    owner, start, end = owner[order], start[order], end[order]
    again = (owner[1:] == owner[:-1]) & (start[1:] == start[:-1]) & (end[1:] == end[:-1])
    kept: np.ndarray = order[np.concatenate([np.ones(min(len(order), 1), dtype=bool), ~again])]
    return kept


class GroupedBatches:
    """The batches of one epoch, each drawn when it is asked for; made by `grouped_epoch_batches`."""

    def __init__(
        self, groups: SourceGroups, shares: list[np.ndarray], items_per_source: int, seed: int, epoch: int
    ) -> None:
        self._groups, self._shares, self._items_per_source = groups, shares, items_per_source
        self._seed, self._epoch = seed, epoch

    def __len__(self) -> int:
        return len(self._shares)

    def __getitem__(self, number: int) -> Int[np.ndarray, " batch"]:
        return draw_clips(self._groups, self._shares[number], self._items_per_source, self._seed, self._epoch)

    def __iter__(self) -> Iterator[Int[np.ndarray, " batch"]]:
        return (self[number] for number in range(len(self)))


def grouped_epoch_batches(
    groups: SourceGroups, sources_per_batch: int, items_per_source: int, seed: int, epoch: int
) -> GroupedBatches:
    """Shuffle the sources and cut them into batches, each of up to `items_per_source` clips of its sources.

    Returns:
        ceil(sources / sources_per_batch) batches whose numbers of sources differ by at most one, so that an epoch
        visits every source once. A batch is drawn when it is taken: an epoch costs one permutation of the sources.
        A function of (seed, epoch); see `draw_clips` for the items.
    """
    assert min(sources_per_batch, items_per_source) > 0, "a batch has at least one source, a source one item"
    if not len(groups):
        return GroupedBatches(groups, [], items_per_source, seed, epoch)
    order = numpy_generator(seed, "sources", epoch).permutation(len(groups))
    shares = np.array_split(order, -(-len(groups) // sources_per_batch))
    return GroupedBatches(groups, shares, items_per_source, seed, epoch)
