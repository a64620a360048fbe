"""Raw inputs on disk: images, frames, recordings and captions, which a pretrained backbone's own processor prepares."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trichord.data.npy import open_npy
from trichord.data.specification import ModalityHeader
from trichord.data.storage import (
    FLOATS,
    Chunk,
    FeatureArrays,
    InstanceIndex,
    ModalityFiles,
    StoredModality,
    StoredRows,
    check_offsets,
    index_instances,
    modality_files,
)
from trichord.data.table import caption_counts
from trichord.errors import DataError
from trichord.shapes import Int

SAMPLE_SCALE = 2**15
COLOURS = 3


class StoredRaw(StoredModality):
    """Raw inputs: `raw` gives them as they are; features they have none."""

    @abstractmethod
    def raw(self, instances: Int[np.ndarray, " rows"]) -> list[Any]:
        """Return instances, in the order asked for.

        Returns:
            image: (height, width, 3) uint8. frames: (time, height, width, 3) uint8. waveform: (samples,) float32, int16
            divided by 2^15. text: a string.
        """

    def read(self, instances: Int[np.ndarray, " rows"]) -> FeatureArrays:
        """Raise `DataError`: raw inputs are no features."""
        name = self.header.modality.name
        raise DataError(
            f"{name} holds raw inputs (kind {self.header.kind!r}), and this command takes features",
            remedy="classify with a pretrained encoder that reads them (trichord study mmlora --encoder "
            f"{name}=FOLDER), or make a data set of features",
        )


class StoredSamples(StoredRaw, StoredRows):
    """Images (instances, height, width, 3) and frames (total frames, ...), uint8; or recordings (total samples,)."""

    @property
    def lengths(self) -> Int[np.ndarray, " instances"]:
        """(instances,) number of frames or samples; 1 for images."""
        return np.ones(len(self.values), np.int64) if self.offsets is None else np.diff(self.offsets)

    def raw(self, instances: Int[np.ndarray, " rows"]) -> list[Any]:
        """Return instances; see `StoredRaw`."""
        return [self._one(instance) for instance in instances.tolist()]

    def _one(self, instance: int) -> np.ndarray:
        values = self.rows_of(instance)
        if self.header.kind != "waveform":
            return np.array(values)
        return values.astype(np.float32) / (SAMPLE_SCALE if values.dtype == np.int16 else 1)

    def chunks(self, max_elements: int = 2**22) -> Iterator[Chunk]:
        """Yield images or frames as rows; of recordings, each as one row, so that silence is noticed."""
        if self.header.kind == "waveform":
            assert self.offsets is not None, "check_samples demands them"
            for instance, start in enumerate(self.offsets[:-1].tolist()):
                with np.errstate(over="ignore"):
                    yield Chunk(self.file, start, self.rows_of(instance).astype(np.float32)[None])
            return
        step = max(1, max_elements // int(np.prod(self.values.shape[1:])))
        for start in range(0, len(self.values), step):
            part = self.values[start : start + step]
            yield Chunk(self.file, start, part.reshape(len(part), -1).astype(np.float32))

    def content(self) -> list[np.ndarray]:
        """Return values, their shape, owners and offsets."""
        values, *others = super().content()
        return [values.reshape(-1), np.array(values.shape), *others]  # hashed in parts; 65536 images are too many


class StoredTexts(StoredRaw):
    """Captions: the k-th instance of an item is its k-th caption, and there is no array.

    Args:
        header: its name.
        captions: one list of captions per item.
    """

    def __init__(self, header: ModalityHeader, captions: Sequence[Sequence[str]]) -> None:
        count = np.array([len(found) for found in captions], dtype=np.int64)
        super().__init__(header, InstanceIndex(np.cumsum(count) - count, count), "text")
        self.texts = [text for found in captions for text in found]

    @property
    def num_steps(self) -> int:
        """Number of captions."""
        return len(self.texts)

    def raw(self, instances: Int[np.ndarray, " rows"]) -> list[Any]:
        """Return captions."""
        return [self.texts[instance] for instance in instances.tolist()]

    def instance_bytes(self, instance: int) -> bytes:
        """Return a caption as UTF-8."""
        return self.texts[instance].encode("utf-8", "surrogatepass")

    def chunks(self, max_elements: int = 2**22) -> Iterator[Chunk]:
        """Yield nothing: a caption is no vector."""
        yield from ()

    def owner(self, chunk: Chunk, row: int, ids: Sequence[str]) -> str:
        """Return the item a caption belongs to, counted as rows."""
        item = int(np.searchsorted(np.cumsum(self.index.count), chunk.start + row, side="right"))
        return f"item {str(ids[item])!r}"

    def content(self) -> list[np.ndarray]:
        """Return how many captions each item has; the captions themselves are in the table."""
        return [self.index.count]


def open_raw(folder: Path, header: ModalityHeader, table: Any) -> StoredRaw:
    """Map the files of a raw modality and check them; raise `DataError` naming file and row."""
    files = modality_files(folder, header.modality.name)
    if header.kind == "text":
        for file in (files.values, files.items, files.offsets):
            if file.exists():
                raise DataError(
                    f"{header.modality.name!r} is text in dataset.json, so it is the captions, and has no arrays",
                    file=file,
                    remedy="remove the file, or correct the kind",
                )
        return read_texts(header, table, folder / "items.parquet")
    if header.kind == "image" and files.offsets.exists():
        raise DataError(
            f"{header.modality.name!r} is one image per instance in dataset.json, so it has no offsets",
            file=files.offsets,
            remedy="remove the file, or make the kind 'frames'",
        )
    values = open_npy(files.values)
    offsets = None if header.kind == "image" else open_npy(files.offsets)
    items = open_npy(files.items) if files.items.exists() else None
    return check_samples(header, values, offsets, items, len(table), files)


def read_texts(header: ModalityHeader, table: Any, file: Path) -> StoredTexts:
    """Return the captions of the table as instances; raise `DataError` where there are none."""
    counts = caption_counts(table)
    if counts is None or not counts.any():
        raise DataError(
            f"{header.modality.name!r} is text, so it is the captions, and the table has none",
            file=file,
            remedy="write the column captions, a list of strings per item",
        )
    return StoredTexts(header, [found or [] for found in table.column("captions").to_pylist()])


def check_samples(
    header: ModalityHeader,
    values: np.ndarray,
    offsets: np.ndarray | None,
    items: np.ndarray | None,
    num_items: int,
    files: ModalityFiles,
) -> StoredSamples:
    """Check the structure of the arrays of images, frames or recordings and index their instances."""
    name = header.modality.name
    if header.kind == "waveform":
        if values.dtype not in (*FLOATS, np.int16) or values.ndim != 1:
            raise DataError(
                f"the waveform {name!r} is floating-point or int16 of one axis, found {values.dtype} of shape "
                f"{values.shape}",
                file=files.values,
                remedy="write the samples of all recordings one after another, one channel each",
            )
    elif values.dtype != np.uint8 or values.ndim != 4 or values.shape[3] != COLOURS or 0 in values.shape[1:]:
        raise DataError(
            f"the {'images' if header.kind == 'image' else 'frames'} of {name!r} are uint8 of shape (number, height, "
            f"width, 3), found {values.dtype} of shape {values.shape}",
            file=files.values,
            remedy="write RGB values from 0 to 255, the colours last, and all images of one size",
        )
    if (offsets is None) != (header.kind == "image"):
        raise DataError(
            f"frames and waveforms have offsets, images have none; {name!r} is of the kind {header.kind!r}",
            file=files.offsets,
            remedy="give offsets with frames and waveforms, and only with them",
        )
    if offsets is not None:
        check_offsets(offsets, len(values), files.offsets)
    num_instances = len(values) if offsets is None else len(offsets) - 1
    index = index_instances(items, num_instances, num_items, files)
    return StoredSamples(header, values, offsets, items, index, files.values)
