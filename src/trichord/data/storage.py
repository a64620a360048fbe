"""The arrays of one modality: the contract of every way to store it, and the plain one, an array per instance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trichord.data.npy import open_npy
from trichord.data.specification import ModalityHeader
from trichord.errors import DataError
from trichord.shapes import Int

FLOATS = (np.float16, np.float32, np.float64)


@dataclass(frozen=True)
class InstanceIndex:
    """Where the instances of each item lie: item i owns `first[i]` to `first[i] + count[i] - 1`.

    Args:
        first: (items,) number of the first instance; where an item has none, the place where it would be.
        count: (items,) number of instances, 0 where the item lacks the modality.
    """

    first: Int[np.ndarray, " items"]
    count: Int[np.ndarray, " items"]

    @property
    def total(self) -> int:
        """Number of instances of all items."""
        return int(self.count.sum())


@dataclass(frozen=True)
class FeatureArrays:
    """Features of chosen instances.

    Args:
        values: (rows, dim) pooled vectors or (rows, time, dim) sequences padded with zeros at the end, float32; or
            (rows, words) word ids padded with zeros at the end, int64; or (rows, ...) what a backbone reads.
        lengths: (rows,) number of steps of each sequence or words of each sentence; None for pooled vectors, and where
            a backbone reads inputs of one size.
    """

    values: np.ndarray
    lengths: Int[np.ndarray, " rows"] | None = None


@dataclass(frozen=True)
class ModalityFiles:
    """The files of one modality."""

    values: Path
    items: Path
    offsets: Path


def modality_files(folder: Path, name: str) -> ModalityFiles:
    """Return the paths NAME.npy, NAME.items.npy and NAME.offsets.npy."""
    return ModalityFiles(folder / f"{name}.npy", folder / f"{name}.items.npy", folder / f"{name}.offsets.npy")


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of an array of features.

    Args:
        file: where the array lies.
        start: number of the first row.
        values: (rows, any width) float32; a value too large for float32 is infinite.
    """

    file: Path
    start: int
    values: np.ndarray


class StoredModality(ABC):
    """How one modality lies on disk, memory-mapped.

    Args:
        header: its name, kind and width.
        index: the instances of each item.
        dtype: number format on disk, for people.
    """

    preparation = ""
    """What identifies how raw inputs were prepared for a backbone; "" where nothing was."""

    def __init__(self, header: ModalityHeader, index: InstanceIndex, dtype: str) -> None:
        self.header, self.index, self.dtype = header, index, dtype

    @property
    @abstractmethod
    def num_steps(self) -> int:
        """Number of rows on disk: vectors, steps of sequences, words."""

    @abstractmethod
    def read(self, instances: Int[np.ndarray, " rows"]) -> FeatureArrays:
        """Read instances, in the order asked for."""

    @abstractmethod
    def instance_bytes(self, instance: int) -> bytes:
        """Return what tells an instance from others, to find repeated ones."""

    @abstractmethod
    def chunks(self, max_elements: int = 2**22) -> Iterator[Chunk]:
        """Yield every row of every array of features; nothing where there are only word ids."""

    @abstractmethod
    def owner(self, chunk: Chunk, row: int, ids: Sequence[str]) -> str:
        """Say whose a row of a chunk is: "item 'x'"."""

    @abstractmethod
    def content(self) -> list[np.ndarray]:
        """Return the arrays that make up the features, for a fingerprint."""

    def described(self) -> list[str]:
        """Return what else makes up the features, for a fingerprint."""
        header = self.header
        rate = [] if header.rate is None else [f"rate {header.rate}"]
        cut = [str(header.streams), str(header.max_steps)] if header.streams else []
        prepared = [f"prepared {self.preparation}"] if self.preparation else []
        return [f"{header.modality.letter} {header.kind} {header.dim}", *rate, *cut, *prepared]


class StoredRows(StoredModality):
    """One array of rows: an instance is one of them, or a number of consecutive ones.

    Args:
        header: its name and kind.
        values: (rows, ...) of all instances.
        offsets: (instances + 1,) first row of each instance and the end of the last; None where each is one row.
        items: (instances,) the item of each instance, or None where item i has exactly instance i.
        index: the instances of each item.
        file: where the values lie.
    """

    def __init__(
        self,
        header: ModalityHeader,
        values: np.ndarray,
        offsets: np.ndarray | None,
        items: np.ndarray | None,
        index: InstanceIndex,
        file: Path,
    ) -> None:
        super().__init__(header, index, str(values.dtype))
        self.values, self.offsets, self.items, self.file = values, offsets, items, file

    @property
    def num_steps(self) -> int:
        """Number of rows of the array."""
        return len(self.values)

    def rows_of(self, instance: int) -> np.ndarray:
        """Return an instance as it lies on disk: one row, or several."""
        found: np.ndarray = (
            self.values[instance]
            if self.offsets is None
            else self.values[self.offsets[instance] : self.offsets[instance + 1]]
        )
        return found

    def instance_bytes(self, instance: int) -> bytes:
        """Return the bits of an instance."""
        return bytes(self.rows_of(instance).tobytes())

    def owner(self, chunk: Chunk, row: int, ids: Sequence[str]) -> str:
        """Return the item a row belongs to."""
        step = chunk.start + row
        instance = step if self.offsets is None else int(np.searchsorted(self.offsets, step, side="right")) - 1
        return f"item {str(ids[instance if self.items is None else int(self.items[instance])])!r}"

    def content(self) -> list[np.ndarray]:
        """Return values, owners and offsets."""
        owners = np.repeat(np.arange(len(self.index.count)), self.index.count)
        return [self.values, owners, *([] if self.offsets is None else [self.offsets])]


class StoredArrays(StoredRows):
    """Features: (instances, dim), or (total steps, dim) for sequences."""

    def read(self, instances: Int[np.ndarray, " rows"]) -> FeatureArrays:
        """Read instances, in the order asked for, as float32."""
        assert instances.size == 0 or instances.min() >= 0, "an instance number is not negative"
        if self.offsets is None:
            return FeatureArrays(np.take(self.values, instances, axis=0).astype(np.float32))
        start, stop = self.offsets[instances], self.offsets[instances + 1]
        lengths = (stop - start).astype(np.int64)
        longest = int(lengths.max()) if len(lengths) else 0
        padded = np.zeros((len(instances), longest, self.header.dim), np.float32)
        # One contiguous copy per sequence: faster than one gather of single steps, and it needs no index of steps.
        for row, (first, last) in enumerate(zip(start.tolist(), stop.tolist(), strict=True)):
            padded[row, : last - first] = self.values[first:last]
        return FeatureArrays(padded, lengths)

    def chunks(self, max_elements: int = 2**22) -> Iterator[Chunk]:
        """Yield the rows of the array."""
        yield from array_chunks(self.values, self.file, max_elements)


def array_chunks(values: np.ndarray, file: Path, max_elements: int) -> Iterator[Chunk]:
    """Yield the rows of an array of two axes in float32."""
    step = max(1, max_elements // values.shape[1])
    for start in range(0, len(values), step):
        with np.errstate(over="ignore"):
            yield Chunk(file, start, values[start : start + step].astype(np.float32))


def open_arrays(folder: Path, header: ModalityHeader, num_items: int) -> StoredArrays:
    """Map the files of a modality with an array per instance and check them; raise `DataError` naming file and row."""
    files = modality_files(folder, header.modality.name)
    values = open_npy(files.values)
    offsets = open_npy(files.offsets) if header.kind == "sequence" else None
    items = open_npy(files.items) if files.items.exists() else None
    if header.kind == "pooled" and files.offsets.exists():
        raise DataError(
            f"{header.modality.name!r} is pooled in dataset.json, so it has no offsets",
            file=files.offsets,
            remedy="remove the file, or make the kind 'sequence'",
        )
    return check_arrays(header, values, offsets, items, num_items, files)


def check_arrays(
    header: ModalityHeader,
    values: np.ndarray,
    offsets: np.ndarray | None,
    items: np.ndarray | None,
    num_items: int,
    files: ModalityFiles,
) -> StoredArrays:
    """Check the structure of one modality's arrays (not their values) and index its instances."""
    if values.dtype not in FLOATS or values.ndim != 2:
        raise DataError(
            f"features are float16, float32 or float64 of two axes, found {values.dtype} of shape {values.shape}",
            file=files.values,
            remedy="write (instances, dim), or (total steps, dim) and offsets for sequences",
        )
    if values.shape[1] != header.dim:
        raise DataError(
            f"the vectors have {values.shape[1]} columns, where the dim of {header.modality.name!r} is {header.dim}",
            file=files.values,
            remedy="correct the dim in dataset.json or the array",
        )
    if offsets is not None:
        check_offsets(offsets, len(values), files.offsets)
    num_instances = len(values) if offsets is None else len(offsets) - 1
    index = index_instances(items, num_instances, num_items, files)
    return StoredArrays(header, values, offsets, items, index, files.values)


def index_instances(
    items: np.ndarray | None, num_instances: int, num_items: int, files: ModalityFiles
) -> InstanceIndex:
    """Check which item each instance belongs to (None: instance i is item i's) and return where each item's lie."""
    if items is None:
        if num_instances != num_items:
            raise DataError(
                f"{num_instances} instances for {num_items} items, and no {files.items.name} that says whose they are",
                file=files.values,
                remedy=f"write {files.items.name}: the item row of each instance, ascending",
            )
        return InstanceIndex(np.arange(num_items), np.ones(num_items, np.int64))
    _check_items(items, num_instances, num_items, files)
    first = np.searchsorted(items, np.arange(num_items + 1)).astype(np.int64)
    return InstanceIndex(first[:-1], np.diff(first))


def check_finite(stored: StoredModality, ids: Sequence[str]) -> None:
    """Raise `DataError` naming file, row and owner of the first vector that is not finite; everything is read."""
    if stored.header.kind in ("image", "frames", "text"):
        return  # whole numbers and letters are
    for chunk in stored.chunks():
        wrong = np.flatnonzero(~np.isfinite(chunk.values).all(axis=1))
        if len(wrong):
            row = int(wrong[0])
            raise DataError(
                f"features are finite in float32; the vector of {stored.owner(chunk, row, ids)} is not",
                file=chunk.file,
                row=chunk.start + row,
                remedy="repair the vector, or leave the instance out: the item then lacks the modality",
            )


def check_offsets(offsets: np.ndarray, num_steps: int, file: Path) -> None:
    """Raise `DataError` unless offsets are int64, begin at 0, end at the number of steps and ascend."""
    if offsets.dtype != np.int64 or offsets.ndim != 1 or len(offsets) < 1:
        raise DataError(
            f"offsets are int64 of shape (instances + 1,), found {offsets.dtype} of shape {offsets.shape}",
            file=file,
            remedy="write np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)",
        )
    if offsets[0] != 0 or offsets[-1] != num_steps:
        raise DataError(
            f"offsets begin at 0 and end at the number of steps, {num_steps}; found {offsets[0]} and {offsets[-1]}",
            file=file,
            remedy="write np.concatenate([[0], np.cumsum(lengths)])",
        )
    short = np.flatnonzero(np.diff(offsets) < 1)
    if len(short):
        row = int(short[0])
        raise DataError(
            f"offsets ascend and a sequence has at least one step; found {offsets[row]} then {offsets[row + 1]}",
            file=file,
            row=row + 1,
            remedy="leave empty sequences out (the item then lacks the modality), and sort the offsets",
        )


def _check_items(items: np.ndarray, num_instances: int, num_items: int, files: ModalityFiles) -> None:
    if items.dtype != np.int64 or items.shape != (num_instances,):
        raise DataError(
            f"an item row (int64) per instance is needed, shape ({num_instances},); found {items.dtype} of shape "
            f"{items.shape}",
            file=files.items,
            remedy="write the item row of each instance as int64",
        )
    outside = np.flatnonzero((items < 0) | (items >= num_items))
    if len(outside):
        row = int(outside[0])
        raise DataError(
            f"item row {items[row]} does not exist; there are {num_items} items, counted from 0",
            file=files.items,
            row=row,
            remedy="write rows of items.parquet",
        )
    descending = np.flatnonzero(np.diff(items) < 0)
    if len(descending):
        row = int(descending[0]) + 1
        raise DataError(
            f"item rows do not descend; {items[row - 1]} is followed by {items[row]}",
            file=files.items,
            row=row,
            remedy="sort the instances by item with np.argsort(items, kind='stable'), features included",
        )
