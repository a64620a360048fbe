"""Word vectors of a word2vec binary file: the wanted ones are read, and the file is never loaded whole."""

from __future__ import annotations

import mmap
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from trichord.data.word2vec_format import (
    MAX_WORD_BYTES,
    Header,
    check_not_text,
    fingerprint,
    is_end,
    read_header,
    refuse_rest,
    refuse_word,
)
from trichord.errors import DataError
from trichord.files import write_atomically
from trichord.shapes import Float

# Once in so many words, what is read leaves memory (10 MB at 300 numbers) and the progress bar moves.
_BLOCK = 2**13


@dataclass(frozen=True)
class VectorSource:
    """A word2vec file, and what tells it from another without reading it whole.

    Args:
        file: its name, without the folder.
        count: number of its words.
        dim: width of its vectors.
        fingerprint: hash of its size, its first line and 16 slices of 4 KiB spread evenly. A change between the
            slices that keeps the size is not noticed.
    """

    file: str
    count: int
    dim: int
    fingerprint: str


@dataclass(frozen=True)
class Vocabulary:
    """Words and their vectors.

    Args:
        words: the words that were wanted and found, each once, in the order of the file (as a rule, by frequency).
        vectors: (words, dim) float32, bit for bit as stored; finite, and none all zero.
        source: the file they are from.
        repeated: how often a word that was wanted came up again in the file; its first vector counts.
        zero: wanted words that are left out because their vector is all zero, which says nothing.
    """

    words: tuple[str, ...]
    vectors: Float[np.ndarray, "words dim"]
    source: VectorSource
    repeated: int
    zero: tuple[str, ...]

    def ids(self) -> dict[str, int]:
        """Return word -> its row of `vectors`."""
        return {word: row for row, word in enumerate(self.words)}


def read_source(path: str | Path) -> VectorSource:
    """Identify a word2vec file without scanning it.

    Raises:
        DataError: the file is missing, packed or of another format.
    """
    header = read_header(Path(path))
    return VectorSource(header.path.name, header.count, header.dim, fingerprint(header))


def read_vocabulary(path: str | Path, words: Collection[str], *, progress: bool = False) -> Vocabulary:
    """Scan a word2vec binary file once and keep the vectors of the wanted words.

    Words are compared as UTF-8 bytes and nothing is decoded. A word of the file that is not UTF-8 is passed over: no
    wanted word can be it. In memory are what is kept and some 10 MB of the file at a time.

    Args:
        path: the file; its format is described in `trichord.data.word2vec_format`.
        words: wanted words, compared exactly: neither case nor Unicode is folded. Those not in the file are no error.
        progress: show a progress bar on a terminal.

    Raises:
        DataError: the file is missing, packed, in text or another format; its header misstates count or dim; it is
            truncated (the message names the word); or the vector of a wanted word is not finite.
    """
    assert not isinstance(words, str), "words are a collection of strings, not one string"
    source, header = read_source(path), read_header(Path(path))
    kept = _Kept({encoded: word for word in words if (encoded := _encode(word))})
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        check_not_text(data, header)
        _scan(data, header, kept, progress)
    vectors = np.frombuffer(kept.vectors, "<f4").reshape(-1, header.dim).astype(np.float32, copy=False)
    _check_finite(vectors, kept.words, header.path, "{} wanted words")
    tells = np.any(vectors != 0, axis=1)
    return Vocabulary(
        words=tuple(word for word, told in zip(kept.words, tells, strict=True) if told),
        vectors=vectors if tells.all() else vectors[tells],
        source=source,
        repeated=kept.repeated,
        zero=tuple(word for word, told in zip(kept.words, tells, strict=True) if not told),
    )


def check_word2vec(path: str | Path) -> None:
    """Scan a word2vec binary file whole and keep nothing: for who needs to know before long work that it can be read.

    Raises:
        DataError: as `read_vocabulary`; and the vector of any word is not finite.
    """
    header = read_header(Path(path))
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        check_not_text(data, header)
        _scan(data, header, _Kept({}, every=True), progress=False)


def write_word2vec(path: str | Path, words: Sequence[str], vectors: Float[np.ndarray, "words dim"]) -> None:
    """Write a word2vec binary file, with a line break after each vector as word2vec's own tool does.

    Raises:
        DataError: there is not one vector per word, or a word is empty, holds white space or is no valid Unicode.
    """
    if len(words) != len(vectors) or not words:
        raise DataError(f"{len(words)} words have {len(vectors)} vectors", file=path, remedy="give one to each word")
    for word in words:
        if word.split() != [word] or _encode(word) is None:
            raise DataError("a word is empty, or holds what no word can", file=path, row=word, remedy="leave it out")
    rows = np.ascontiguousarray(vectors, "<f4")

    def fill(temporary: Path) -> None:
        with open(temporary, "wb") as stream:
            stream.write(b"%d %d\n" % rows.shape)
            for word, row in zip(words, rows, strict=True):
                stream.write(word.encode() + b" " + row.tobytes() + b"\n")

    write_atomically(path, fill)


@dataclass
class _Kept:
    """What is wanted (bytes of a word -> word), and what the scan has found of it so far.

    With `every`, the words of a block are kept until its end, to be checked.
    """

    wanted: dict[bytes, str]
    every: bool = False
    words: list[str] = field(default_factory=list)
    vectors: bytearray = field(default_factory=bytearray)
    found: set[bytes] = field(default_factory=set)
    repeated: int = 0


def _scan(data: mmap.mmap, header: Header, kept: _Kept, progress: bool) -> None:
    position, released = header.length, 0
    with tqdm(total=header.count, desc=header.path.name, unit=" words", disable=None if progress else True) as bar:
        for first in range(0, header.count, _BLOCK):
            number = min(_BLOCK, header.count - first)
            position = _scan_block(data, header, kept, range(first, first + number), position)
            released = _release(data, released, position)
            if kept.every:
                vectors = np.frombuffer(kept.vectors, "<f4").reshape(-1, header.dim)
                _check_finite(vectors, kept.words, header.path, "some words of the file")
                kept.words, kept.vectors = [], bytearray()
            bar.update(number)
    if not is_end(data, position):
        refuse_rest(data, header, position)


def _scan_block(data: mmap.mmap, header: Header, kept: _Kept, block: range, position: int) -> int:
    """Pass over the words of a block, the first at `position`; return where the last one ends."""
    find, wanted, size, num_bytes = data.find, kept.wanted, header.size, 4 * header.dim
    for index in block:
        space = find(b" ", position, position + MAX_WORD_BYTES)
        end = space + 1 + num_bytes
        if space < 0 or end > size:
            refuse_word(data, header, index, position)
        # The line break, where there is one, belongs to the vector before.
        word = data[position:space].removeprefix(b"\n")
        position = end
        if kept.every:
            kept.words.append(word.decode(errors="replace"))
            kept.vectors += data[space + 1 : end]
        elif word in wanted:
            if word in kept.found:
                kept.repeated += 1
                continue
            kept.found.add(word)
            kept.words.append(wanted[word])
            kept.vectors += data[space + 1 : end]
    return position


def _release(data: mmap.mmap, start: int, end: int) -> int:
    """Take what was read out of this process's memory, where the system can; return where the rest begins."""
    end -= end % mmap.ALLOCATIONGRANULARITY
    if hasattr(mmap, "MADV_DONTNEED") and end > start:
        data.madvise(mmap.MADV_DONTNEED, start, end - start)
    return end


def _check_finite(vectors: np.ndarray, words: Sequence[str], path: Path, whose: str) -> None:
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise DataError(
            f"the vectors of {whose.format(len(bad))} hold NaN or infinity, the first of them here",
            file=path,
            row=words[bad[0]],
            remedy="get the file again, or do not ask for these words",
        )


def _encode(word: str) -> bytes | None:
    """Return the bytes of a word; None for one that no file can hold: empty, or half of a character."""
    try:
        return word.encode() or None
    except UnicodeEncodeError:
        return None
