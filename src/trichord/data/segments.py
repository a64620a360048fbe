"""Which stretch of which source video each item is, as arrays: read from the table of items once per data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow.compute as pc

from trichord.data.dataset import TABLE_FILE, Dataset
from trichord.errors import DataError
from trichord.shapes import Bool, Float, Int


@dataclass(frozen=True)
class SegmentColumns:
    """The columns source, start and end of a data set, each None where the table lacks it.

    Args:
        source: (items,) number of the source of each item, in the order in which sources first occur; -1 where null.
        start, end: (items,) seconds, NaN where null.
    """

    source: Int[np.ndarray, " items"] | None
    start: Float[np.ndarray, " items"] | None
    end: Float[np.ndarray, " items"] | None

    def known(self, items: Int[np.ndarray, " rows"]) -> Bool[np.ndarray, " rows"]:
        """Return which of the items name a source, a start and an end."""
        if self.source is None or self.start is None or self.end is None:
            return np.zeros(len(items), dtype=bool)
        known: np.ndarray = (self.source[items] >= 0) & ~np.isnan(self.start[items]) & ~np.isnan(self.end[items])
        return known


# Beside the data set and not in it, so that opening one costs nothing here; it is forgotten with the data set.
_known: WeakKeyDictionary[Dataset, SegmentColumns] = WeakKeyDictionary()


def segment_columns(dataset: Dataset) -> SegmentColumns:
    """Return the segments of a data set; they are read on the first call and kept as long as the data set."""
    if dataset not in _known:
        names = dataset.table.column_names
        source = _numbered(dataset.table.column("source")) if "source" in names else None
        start, end = (dataset.table.column(name).to_numpy() if name in names else None for name in ("start", "end"))
        _known[dataset] = SegmentColumns(source, start, end)
    return _known[dataset]


def _numbered(column: Any) -> Int[np.ndarray, " items"]:
    """Return the number of each string among the distinct strings, by first occurrence, and -1 for null."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    chunks = encoded.chunks if hasattr(encoded, "chunks") else [encoded]
    numbers = [np.asarray(pc.fill_null(chunk.indices, -1)) for chunk in chunks]
    return np.concatenate(numbers) if len(numbers) != 1 else numbers[0]


def require_sources(dataset: Dataset, items: Int[np.ndarray, " rows"]) -> None:
    """Raise `DataError` when none of the items to learn from names its source, so that none can be grouped by it."""
    source = segment_columns(dataset).source
    if source is None or not (source[items] >= 0).any():
        raise DataError(
            "items_per_source draws the clips of a batch source by source, but no item to learn from names its source",
            file=dataset.path / TABLE_FILE,
            remedy="write the column 'source', or leave items_per_source unset",
        )


def require_segments(dataset: Dataset, items: Int[np.ndarray, " rows"]) -> None:
    """Raise `DataError` when none of the items to learn from has source, start and end, so that none can overlap."""
    if not segment_columns(dataset).known(items).any():
        raise DataError(
            "mask_overlaps leaves overlapping clips of one source out of the negatives, but no item to learn from has "
            "a source, a start and an end",
            file=dataset.path / TABLE_FILE,
            remedy="write the columns 'source', 'start' and 'end', or leave mask_overlaps off",
        )
