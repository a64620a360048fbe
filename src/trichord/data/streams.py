"""Features that lie once per source video; an item is its segment, cut from the streams when it is read.

A segment [start, end) in seconds takes the rows int(start * rate) to int(end * rate) of a stream, both included, as
published for MCN's 2D and 3D features; what lies before 0 or beyond the end is not there. Log-mel frames are cut by
the same rule, where the published code begins half an analysis window (1.25 frames) earlier. Pooled features are the
maximum over the rows of each stream, brought to length one, side by side. An item whose segment has no row in a stream
lacks the modality.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trichord.data.halves import largest_of_slices, widen
from trichord.data.npy import open_npy
from trichord.data.recycling import RecycledMemory
from trichord.data.specification import ModalityHeader, Stream
from trichord.data.storage import FLOATS, Chunk, FeatureArrays, InstanceIndex, StoredModality, array_chunks
from trichord.errors import DataError
from trichord.shapes import Float, Int

SMALLEST_NORM = 1e-12
LOOKED_AT = 4096


@dataclass(frozen=True)
class Segments:
    """Which part of which source every item is.

    Args:
        sources: names of the sources, in the order of the streams.
        source: (items,) number of the item's source, -1 where it has none.
        start, end: (items,) seconds, NaN where they are not known.
    """

    sources: Sequence[str]
    source: Int[np.ndarray, " items"]
    start: Float[np.ndarray, " items"]
    end: Float[np.ndarray, " items"]


@dataclass(frozen=True)
class StreamArrays:
    """One stream of all sources: source s owns the rows offsets[s] to offsets[s + 1] - 1; it may own none."""

    stream: Stream
    values: np.ndarray
    offsets: np.ndarray
    file: Path


def segment_rows(
    arrays: StreamArrays, segments: Segments, items: Int[np.ndarray, " rows"]
) -> tuple[Int[np.ndarray, " rows"], Int[np.ndarray, " rows"]]:
    """Return first row and end of the items' segments in a stream; they are equal where there is nothing."""
    source = segments.source[items]
    known = (source >= 0) & np.isfinite(segments.start[items]) & np.isfinite(segments.end[items])
    place = np.where(known, source, 0)
    offsets = arrays.offsets if known.any() else np.zeros(2, np.int64)  # there may be no source at all
    begin, length = offsets[place], np.diff(offsets)[place]
    start, end = (np.where(known, seconds[items], 0.0) for seconds in (segments.start, segments.end))
    first = np.clip(np.floor(start * arrays.stream.rate), 0, length).astype(np.int64)
    last = np.clip(np.floor(end * arrays.stream.rate) + 1, first, length).astype(np.int64)
    return begin + first, begin + np.where(known, last, first)


class StoredStreams(StoredModality):
    """A modality cut from streams. Every item that holds it has one instance.

    Args:
        header: its name, kind, width and streams.
        streams: the arrays of the streams, in the order of the header.
        segments: which part of which source every item is.
    """

    def __init__(self, header: ModalityHeader, streams: Sequence[StreamArrays], segments: Segments) -> None:
        everything = np.arange(len(segments.source))
        rows = [segment_rows(arrays, segments, everything) for arrays in streams]
        held: np.ndarray = np.all([end > first for first, end in rows], axis=0)
        count = held.astype(np.int64)
        super().__init__(header, InstanceIndex(np.cumsum(count) - count, count), str(streams[0].values.dtype))
        self.streams, self.segments, self.items = tuple(streams), segments, np.flatnonzero(held)
        self.memory = RecycledMemory()

    @property
    def num_steps(self) -> int:
        """Number of rows of all streams."""
        return sum(len(arrays.values) for arrays in self.streams)

    def read(self, instances: Int[np.ndarray, " rows"]) -> FeatureArrays:
        """Cut the segments of instances, in the order asked for, as float32."""
        items = self.items[instances]
        if self.header.kind == "pooled":
            return FeatureArrays(self._pooled(items))
        (arrays,) = self.streams
        first, end = segment_rows(arrays, self.segments, items)
        if self.header.max_steps is not None:
            end = np.minimum(end, first + self.header.max_steps)
        lengths = end - first
        padded = self.memory.take(len(items), int(lengths.max(initial=0)), arrays.stream.dim)
        for row in _by_place(first).tolist():
            widen(arrays.values[first[row] : end[row]], padded[row, : lengths[row]])
            padded[row, lengths[row] :] = 0
        return FeatureArrays(padded, lengths)

    def _pooled(self, items: Int[np.ndarray, " rows"]) -> Float[np.ndarray, "rows dim"]:
        joined = self.memory.take(len(items), self.header.dim)
        columns = np.cumsum([0, *(arrays.stream.dim for arrays in self.streams)]).tolist()
        for arrays, begin, stop in zip(self.streams, columns, columns[1:], strict=False):
            first, end = segment_rows(arrays, self.segments, items)
            order = _by_place(first)
            largest = np.empty((len(items), arrays.stream.dim), arrays.values.dtype)
            largest[order] = largest_of_slices(arrays.values, first[order], end[order])
            pooled = joined[:, begin:stop]
            widen(largest, pooled)
            norms = np.sqrt(np.einsum("ij,ij->i", pooled, pooled))[:, None]
            pooled /= np.maximum(norms, np.float32(SMALLEST_NORM))
        return joined

    def instance_bytes(self, instance: int) -> bytes:
        """Return which rows of which source an instance is; equal segments of one video are repeated ones."""
        item = self.items[instance : instance + 1]
        return b"".join(np.concatenate(segment_rows(arrays, self.segments, item)).tobytes() for arrays in self.streams)

    def chunks(self, max_elements: int = 2**22) -> Iterator[Chunk]:
        """Yield the rows of every stream."""
        for arrays in self.streams:
            yield from array_chunks(arrays.values, arrays.file, max_elements)

    def owner(self, chunk: Chunk, row: int, ids: Sequence[str]) -> str:
        """Return the source a row belongs to."""
        (arrays,) = (arrays for arrays in self.streams if arrays.file == chunk.file)
        place = int(np.searchsorted(arrays.offsets, chunk.start + row, side="right")) - 1
        return f"source {self.segments.sources[place]!r}"

    def content(self) -> list[np.ndarray]:
        """Return rows spread evenly over the streams, their offsets, and which segments are cut.

        Streams may be terabytes, so a change of rows between those that are looked at is not noticed.
        """
        arrays: list[np.ndarray] = []
        for entry in self.streams:
            looked_at = np.unique(np.linspace(0, max(len(entry.values) - 1, 0), LOOKED_AT).astype(np.int64))
            arrays += [np.asarray(entry.values[looked_at[: len(entry.values)]]), entry.offsets]
        return [*arrays, self.segments.source]


def _by_place(first: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
    """Return the order in which slices lie on disk: rows that clips share are then read once."""
    return np.argsort(first, kind="stable")


def stream_files(folder: Path, name: str, stream: str) -> tuple[Path, Path]:
    """Return the paths NAME.STREAM.npy and NAME.STREAM.offsets.npy."""
    return folder / f"{name}.{stream}.npy", folder / f"{name}.{stream}.offsets.npy"


def open_streams(folder: Path, header: ModalityHeader, segments: Segments) -> StoredStreams:
    """Map the files of a modality that is cut from streams and check them."""
    opened = []
    for stream in header.streams:
        values_file, offsets_file = stream_files(folder, header.modality.name, stream.name)
        values, offsets = open_npy(values_file), open_npy(offsets_file)
        if values.dtype not in FLOATS or values.ndim != 2 or values.shape[1] != stream.dim:
            raise DataError(
                f"a stream is floating-point numbers, {stream.dim} wide as dataset.json says; found {values.dtype} of "
                f"shape {values.shape}",
                file=values_file,
                remedy="write the rows of all sources one after another",
            )
        _check_stream_offsets(offsets, len(values), len(segments.sources), offsets_file)
        opened.append(StreamArrays(stream, values, offsets, values_file))
    return StoredStreams(header, opened, segments)


def _check_stream_offsets(offsets: np.ndarray, num_rows: int, num_sources: int, file: Path) -> None:
    fits = offsets.dtype == np.int64 and offsets.shape == (num_sources + 1,)
    if not fits or offsets[0] != 0 or offsets[-1] != num_rows or (np.diff(offsets) < 0).any():
        raise DataError(
            f"offsets of a stream are int64 of shape ({num_sources + 1},), from 0 to the {num_rows} rows, and never "
            f"descend; found {offsets.dtype} of shape {offsets.shape}",
            file=file,
            remedy="write np.concatenate([[0], np.cumsum(rows of each source)])",
        )


def number_segments(
    sources: Sequence[str], source: Sequence[str | None], start: Sequence[float | None], end: Sequence[float | None]
) -> Segments:
    """Find the number of every item's source; -1 where it has none or one that has no streams."""
    places: Mapping[str, int] = {name: place for place, name in enumerate(sources)}
    numbers = np.fromiter((-1 if name is None else places.get(name, -1) for name in source), np.int64, len(source))
    seconds = (np.array([np.nan if s is None else s for s in side], dtype=np.float64) for side in (start, end))
    return Segments(sources, numbers, *seconds)
