"""What an import knows of all items at its end, gathered a few at a time into arrays, so that it stays small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trichord.data.storage import ModalityFiles
from trichord.data.table import check_table
from trichord.shapes import Int

# Offsets of large strings are 64 bits: the captions of a large corpus have more than 2 GB.
_TEXT = pa.large_string()
_TYPES = {
    "id": _TEXT,
    "split": _TEXT,
    "source": _TEXT,
    "start": pa.float64(),
    "end": pa.float64(),
    "captions": pa.large_list(_TEXT),
}


class GatheredTable:
    """The table of items."""

    def __init__(self) -> None:
        self.parts: list[Any] = []

    def add(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Add items: id, split and further columns, the same ones for every item."""
        names = list(items[0]) if items else []
        part = {name: pa.array([item[name] for item in items], _TYPES.get(name)) for name in names}
        if part:
            self.parts.append(pa.table(part))

    def write(self, path: Path, shown: Path) -> None:
        """Check and write it; `shown` is what messages call the file."""
        # Permissive: a label that is null in all of one part takes its type from another part.
        table = pa.concat_tables(self.parts, promote_options="permissive")
        pq.write_table(check_table(table, shown), path)


class GatheredInstances:
    """Whose the instances of a modality are, and how many steps each has."""

    def __init__(self) -> None:
        self.num_items = 0
        self.owners: list[Int[np.ndarray, " instances"]] = []
        self.lengths: list[Int[np.ndarray, " instances"]] = []

    def add(self, lengths: Sequence[Sequence[int]]) -> None:
        """Add the lengths of the instances of further items, in their order."""
        places = np.arange(self.num_items, self.num_items + len(lengths), dtype=np.int64)
        self.owners.append(np.repeat(places, [len(of_item) for of_item in lengths]))
        self.lengths.append(np.array([length for of_item in lengths for length in of_item], dtype=np.int64))
        self.num_items += len(lengths)

    def save(self, files: ModalityFiles, *, pooled: bool) -> None:
        """Write NAME.items.npy, and NAME.offsets.npy unless the modality is pooled."""
        np.save(files.items, np.concatenate(self.owners))
        if not pooled:
            np.save(files.offsets, offsets(np.concatenate(self.lengths)))


def offsets(lengths: Sequence[int] | Int[np.ndarray, " sequences"]) -> Int[np.ndarray, " boundaries"]:
    """Return where sequences of these lengths begin that lie one after another, and where the last one ends."""
    found: np.ndarray = np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int64)
    return found
