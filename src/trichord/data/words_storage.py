"""Captions as word ids, and one table of word vectors for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trichord.data.npy import open_npy
from trichord.data.specification import ModalityHeader
from trichord.data.storage import (
    FLOATS,
    Chunk,
    FeatureArrays,
    InstanceIndex,
    StoredModality,
    array_chunks,
    check_offsets,
    index_instances,
    modality_files,
)
from trichord.errors import DataError
from trichord.files import read_json
from trichord.shapes import Int


@dataclass(frozen=True)
class WordTable:
    """The words of a data set.

    Args:
        words: the words, distinct; the number of a word is its id.
        vectors: (words, dim) their vectors, memory-mapped where they come from a data set.
        fingerprint: what identifies the file of word vectors they were taken from.
    """

    words: Sequence[str]
    vectors: np.ndarray
    fingerprint: str


class StoredWords(StoredModality):
    """Word ids of every instance, one sentence after another.

    Args:
        header: name, width of the word vectors, and where they come from.
        values: (total words,) int32 ids.
        offsets: (instances + 1,) first word of each sentence and the end of the last.
        index: the instances of each item.
        table: the words and their vectors.
        table_file: where the vectors lie.
    """

    def __init__(
        self,
        header: ModalityHeader,
        values: np.ndarray,
        offsets: np.ndarray,
        index: InstanceIndex,
        table: WordTable,
        table_file: Path,
    ) -> None:
        super().__init__(header, index, str(values.dtype))
        self.values, self.offsets, self.table, self.table_file = values, offsets, table, table_file

    @property
    def num_steps(self) -> int:
        """Number of words."""
        return len(self.values)

    def read(self, instances: Int[np.ndarray, " rows"]) -> FeatureArrays:
        """Read sentences, in the order asked for, as ids padded with 0."""
        start, stop = self.offsets[instances], self.offsets[instances + 1]
        lengths = (stop - start).astype(np.int64)
        padded = np.zeros((len(instances), int(lengths.max(initial=0))), np.int64)
        for row, (first, last) in enumerate(zip(start.tolist(), stop.tolist(), strict=True)):
            padded[row, : last - first] = self.values[first:last]
        return FeatureArrays(padded, lengths)

    def instance_bytes(self, instance: int) -> bytes:
        """Return the ids of a sentence as bytes."""
        return self.values[self.offsets[instance] : self.offsets[instance + 1]].tobytes()

    def chunks(self, max_elements: int = 2**22) -> Iterator[Chunk]:
        """Yield the rows of the table of word vectors."""
        yield from array_chunks(self.table.vectors, self.table_file, max_elements)

    def owner(self, chunk: Chunk, row: int, ids: Sequence[str]) -> str:
        """Return the word a vector belongs to."""
        return f"the word {self.table.words[chunk.start + row]!r}"

    def content(self) -> list[np.ndarray]:
        """Return ids, owners, offsets and word vectors."""
        owners = np.repeat(np.arange(len(self.index.count)), self.index.count)
        return [self.values, owners, self.offsets, self.table.vectors]


def words_files(folder: Path, name: str) -> tuple[Path, Path]:
    """Return the paths NAME.words.json and NAME.vocabulary.npy."""
    return folder / f"{name}.words.json", folder / f"{name}.vocabulary.npy"


def open_words(folder: Path, header: ModalityHeader, num_items: int) -> StoredWords:
    """Map the files of a modality of words and check them against each other."""
    files = modality_files(folder, header.modality.name)
    words_file, table_file = words_files(folder, header.modality.name)
    values, offsets, vectors = open_npy(files.values), open_npy(files.offsets), open_npy(table_file)
    items = open_npy(files.items) if files.items.exists() else None
    words = read_json(words_file)
    if values.dtype != np.int32 or values.ndim != 1:
        raise DataError(
            f"word ids are int32 of one axis, found {values.dtype} of shape {values.shape}",
            file=files.values,
            remedy="write the ids of all sentences one after another",
        )
    if vectors.dtype not in FLOATS or vectors.ndim != 2 or vectors.shape[1] != header.dim:
        raise DataError(
            f"word vectors are floating-point numbers, {header.dim} wide as dataset.json says; found {vectors.dtype} "
            f"of shape {vectors.shape}",
            file=table_file,
            remedy="write one vector per word",
        )
    good = isinstance(words, list) and all(isinstance(word, str) for word in words)
    if not good or len(words) != len(vectors) or len(set(words)) != len(words):
        raise DataError(
            f"the words are a list of {len(vectors)} distinct strings, one for each vector",
            file=words_file,
            remedy="write them in the order of the vectors",
        )
    wrong = np.flatnonzero((values < 0) | (values >= len(words)))
    if len(wrong):
        raise DataError(
            f"the id {values[wrong[0]]} is no word; there are {len(words)}, counted from 0",
            file=files.values,
            row=int(wrong[0]),
            remedy="write ids of the words of the data set",
        )
    check_offsets(offsets, len(values), files.offsets)
    index = index_instances(items, len(offsets) - 1, num_items, files)
    assert header.words is not None, "the header's own rule"
    return StoredWords(header, values, offsets, index, WordTable(words, vectors, header.words.fingerprint), table_file)
