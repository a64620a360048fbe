"""A data set on disk, opened: a table of items in memory and features that stay on disk until they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trichord.data.raw_storage import open_raw
from trichord.data.specification import RAW_WIDTHS, DatasetSpec, Header, ModalityHeader, ModalitySpec, read_header
from trichord.data.storage import (
    FeatureArrays,
    InstanceIndex,
    StoredModality,
    check_finite,
    modality_files,
    open_arrays,
)
from trichord.data.streams import Segments, number_segments, open_streams
from trichord.data.table import FIXED_COLUMNS, caption_counts, read_sources, read_table
from trichord.data.words_storage import StoredWords, WordTable, open_words
from trichord.errors import ConfigError, DataError, nearest
from trichord.files import hash_array, hash_bytes, hash_json
from trichord.modality import Modality
from trichord.shapes import Bool, Int

__all__ = ["Dataset", "FeatureArrays", "InstanceIndex"]

HEADER_FILE, TABLE_FILE, SOURCES_FILE, TEXT_NAME = "dataset.json", "items.parquet", "sources.parquet", "text"


class Dataset:
    """Items and their features; made by `Dataset.open`.

    Args:
        path: folder of the data set.
        header: content of dataset.json.
        table: checked table of items.
        stored: modality name -> its arrays.
    """

    def __init__(self, path: Path, header: Header, table: Any, stored: Mapping[str, StoredModality]) -> None:
        self.path, self.header, self.table = path, header, table
        self._stored = stored
        self.ids: list[str] = table.column("id").to_pylist()
        self._splits = np.array(table.column("split").to_pylist(), dtype=object)
        names: dict[str, int] = {}
        for name in self._splits:
            names[name] = names.get(name, 0) + 1
        modalities = tuple(_specify(entry, stored[entry.modality.name]) for entry in header.modalities)
        self.spec = DatasetSpec(header.name, modalities, len(self.ids), names)

    @classmethod
    def open(cls, path: str | Path) -> Dataset:
        """Open a data set after checks of its structure that cost little; features are not read.

        Raises:
            DataError: a file is missing, malformed, truncated or does not fit the others; the message names it.
        """
        path = Path(path)
        if not path.is_dir():
            raise DataError("the folder does not exist", file=path, remedy="check the path of the data set")
        header = read_header(path / HEADER_FILE)
        table = read_table(path / TABLE_FILE)
        if not len(table):
            raise DataError("the table holds no items", file=path / TABLE_FILE, remedy="write at least one item")
        segments = open_segments(path, header, table)
        stored = {entry.modality.name: _open_modality(path, entry, table, segments) for entry in header.modalities}
        check_caption_counts(table, stored, path)
        return cls(path, header, table, stored)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        letters = "".join(modality.letter for modality in self.modalities)
        return f"Dataset({self.spec.name!r}, {len(self)} items, modalities {letters}, at {self.path})"

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities: video, audio and text first, then others in the order of dataset.json."""
        return tuple(entry.modality for entry in self.spec.modalities)

    def split(self, *names: str) -> Int[np.ndarray, " rows"]:
        """Return the rows of the items in the named splits, in the order of the table.

        Raises:
            ConfigError: no name, or a split that the data set does not have.
        """
        known = list(self.spec.splits)
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            found = f"there is no split {unknown[0]!r}" if unknown else "no split was named"
            raise ConfigError(f"{self.path}: {found}; {nearest(unknown[0] if unknown else '', known)}")
        return np.flatnonzero(np.isin(self._splits, list(names))).astype(np.int64)

    def split_names(self) -> list[str]:
        """Return the split of every item."""
        return list(self._splits)

    def stored(self, modality: str) -> StoredModality:
        """Return one modality's arrays; raise `ConfigError` with the nearest name when there is no such modality."""
        if modality not in self._stored:
            raise ConfigError(
                f"{self.path}: there is no modality {modality!r}; {nearest(modality, list(self._stored))}"
            )
        return self._stored[modality]

    def instances(self, modality: str) -> InstanceIndex:
        """Return where each item's instances of a modality lie."""
        return self.stored(modality).index

    def has(self, modality: str) -> Bool[np.ndarray, " items"]:
        """Return which items hold a modality."""
        return self.stored(modality).index.count > 0

    def read(self, modality: str, instances: Int[np.ndarray, " rows"]) -> FeatureArrays:
        """Read the features of instances, in the order asked for; see `FeatureArrays`."""
        return self.stored(modality).read(instances)

    def with_stored(self, replaced: Mapping[str, StoredModality]) -> Dataset:
        """Return a view of the data set in which some modalities are read in another way; nothing is copied.

        Args:
            replaced: modality name -> how it is read; its instances are those of the modality it replaces.
        """
        for name in replaced:
            self.stored(name)
        stored = {**self._stored, **replaced}
        headers = tuple(stored[entry.modality.name].header for entry in self.header.modalities)
        return Dataset(self.path, replace(self.header, modalities=headers), self.table, stored)

    def words(self, modality: str) -> WordTable | None:
        """Return the words of a modality of kind "words" and their vectors; None for other kinds."""
        stored = self.stored(modality)
        return stored.table if isinstance(stored, StoredWords) else None

    def check_finite(self, modality: str) -> None:
        """Raise `DataError` naming file, row and owner of a modality's first vector that is not finite."""
        check_finite(self.stored(modality), self.ids)

    @cached_property
    def _caption_lists(self) -> list[list[str]]:
        if "captions" not in self.table.column_names:
            return [[] for _ in self.ids]
        return [found if found is not None else [] for found in self.table.column("captions").to_pylist()]

    def captions(self, item: int) -> list[str]:
        """Return the captions of an item; the k-th text instance is the k-th caption. Empty where there are none."""
        return list(self._caption_lists[item])

    @property
    def labels(self) -> list[str]:
        """Names of the label columns: every column that the format does not reserve."""
        return [name for name in self.table.column_names if name not in FIXED_COLUMNS]

    def label(self, column: str) -> list[Any]:
        """Return a label of every item, None where it is not known."""
        if column not in self.labels:
            raise ConfigError(f"{self.path}: there is no label {column!r}; {nearest(column, self.labels)}")
        values: list[Any] = self.table.column(column).to_pylist()
        return values

    @property
    def source(self) -> list[str | None] | None:
        """The source video of every item, or None where the table has no such column."""
        if "source" not in self.table.column_names:
            return None
        values: list[str | None] = self.table.column("source").to_pylist()
        return values

    def fingerprint(self) -> str:
        """Return a hash of what training can see: the table, the modalities and all arrays.

        It does not depend on the folder, the name, the notes, or on how the Parquet file is compressed or cut.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        columns = {
            name: hash_bytes([json.dumps(self.table.column(name).to_pylist(), default=str).encode()])
            for name in self.table.column_names
        }
        arrays: dict[str, list[str]] = {}
        for name, stored in self._stored.items():
            arrays[name] = [*stored.described(), *(hash_array(part) for part in stored.content())]
        return hash_json({"columns": columns, "modalities": arrays})


def check_caption_counts(table: Any, stored: Mapping[str, StoredModality], path: Path) -> None:
    """Raise `DataError` when an item with text features has another number of captions than of text instances."""
    counts = caption_counts(table)
    if counts is None or TEXT_NAME not in stored:
        return
    instances = stored[TEXT_NAME].index.count
    wrong = np.flatnonzero((instances != counts) & (instances > 0) & (counts > 0))
    if len(wrong):
        row = int(wrong[0])
        name, explicit = table.column("id")[row].as_py(), modality_files(path, TEXT_NAME).items.exists()
        raise DataError(
            f"the item {name!r} has {counts[row]} captions and {instances[row]} text instances",
            file=modality_files(path, TEXT_NAME).items if explicit else path / TABLE_FILE,
            row=row,
            remedy="the k-th text instance of an item is its k-th caption: write as many of one as of the other",
        )


def open_segments(path: Path, header: Header, table: Any) -> Segments | None:
    """Return which part of which source every item is; None where no modality is cut from streams."""
    if not any(entry.streams for entry in header.modalities):
        return None
    for name in ("source", "start", "end"):
        if name not in table.column_names:
            raise DataError(
                f"the column {name!r} is missing; a modality is cut from streams",
                file=path / TABLE_FILE,
                remedy="write source, start and end of every item",
            )
    columns = (table.column(name).to_pylist() for name in ("source", "start", "end"))
    return number_segments(read_sources(path / SOURCES_FILE), *columns)


def _open_modality(path: Path, entry: ModalityHeader, table: Any, segments: Segments | None) -> StoredModality:
    if entry.streams:
        assert segments is not None, "opened whenever a modality has streams"
        return open_streams(path, entry, segments)
    if entry.kind in RAW_WIDTHS:
        return open_raw(path, entry, table)
    return open_words(path, entry, len(table)) if entry.kind == "words" else open_arrays(path, entry, len(table))


def _specify(entry: ModalityHeader, stored: StoredModality) -> ModalitySpec:
    return ModalitySpec(
        entry.modality,
        entry.kind,
        entry.dim,
        stored.index.total,
        num_words=len(stored.table.words) if isinstance(stored, StoredWords) else 0,
        words=entry.words,
        cut=bool(entry.streams),
        rate=entry.rate,
        preparation=stored.preparation,
    )
