"""What a word2vec binary file looks like, and what is said of a file that does not.

The format (word2vec's own tool; GoogleNews-vectors-negative300.bin is one): a line "COUNT DIM", then COUNT times the
bytes of a word, a space and DIM float32, little-endian, with or without a line break after each.
"""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from trichord.errors import DataError
from trichord.files import hash_bytes

# Far longer than any word in use; the search for the space after a word must not run through the whole file.
MAX_WORD_BYTES = 4096
_HEADER = re.compile(rb"(\d{1,12}) (\d{1,6})[ \t]*\n")
_MAX_HEADER_BYTES = 32
_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_TEXT = re.compile(rb"[-+.0-9eE \r\n]{4,}")
_SLICES, _SLICE_BYTES = 16, 4096


@dataclass(frozen=True)
class Header:
    """What the first line states.

    Args:
        path: the file.
        size: its bytes.
        length: bytes of the first line.
        count: number of words.
        dim: numbers per word.
    """

    path: Path
    size: int
    length: int
    count: int
    dim: int


def read_header(path: Path) -> Header:
    """Read the first line; raise `DataError` where the file is missing, packed or of another format."""
    if not path.is_file():
        raise DataError("the file does not exist", file=path, remedy="check the path")
    with open(path, "rb") as stream:
        start = stream.read(_MAX_HEADER_BYTES)
    packed = next((name for magic, name in _PACKED.items() if start.startswith(magic)), None)
    if packed is not None:
        raise DataError(f"the file is packed ({packed}), but it is read in place", file=path, remedy="unpack it first")
    match = _HEADER.match(start)
    if match is None:
        raise DataError(
            f"not a word2vec binary file: it begins with {start!r}, not with a line of two numbers, count and dim",
            file=path,
            remedy="give the .bin of word2vec's own tool, or convert other vectors to that format",
        )
    count, dim = int(match[1]), int(match[2])
    if count < 1 or dim < 1:
        raise DataError(f"the header states {count} words of {dim} numbers", file=path, remedy="write the file again")
    return Header(path, path.stat().st_size, match.end(), count, dim)


def fingerprint(header: Header) -> str:
    """Hash size, first line and 16 slices of 4 KiB spread evenly over the file."""
    parts = [str(header.size).encode()]
    with open(header.path, "rb") as stream:
        parts.append(stream.read(header.length))
        last = max(0, header.size - _SLICE_BYTES)
        for number in range(_SLICES):
            stream.seek(last * number // (_SLICES - 1))
            parts.append(stream.read(_SLICE_BYTES))
    return hash_bytes(parts)


def check_not_text(data: mmap.mmap, header: Header) -> None:
    """Raise `DataError` where the first vector is spelled in digits."""
    space = data.find(b" ", header.length, header.length + MAX_WORD_BYTES)
    # Taken as float32, digits and spaces alone would be tiny numbers of one sign: no vector looks so.
    if space >= 0 and _TEXT.fullmatch(data[space + 1 : space + 1 + min(4 * header.dim, 64)]):
        raise DataError(
            "the file is word2vec in text format; the binary format is read",
            file=header.path,
            remedy="convert it, for instance with gensim: KeyedVectors.load_word2vec_format(TEXT)"
            ".save_word2vec_format(BINARY, binary=True)",
        )


def is_end(data: mmap.mmap, position: int) -> bool:
    """Whether nothing, or one line break, follows."""
    return data[position : position + 2] in (b"", b"\n")


def refuse_rest(data: mmap.mmap, header: Header, position: int) -> NoReturn:
    """Raise for a file that goes on after its last word."""
    rest = header.size - position
    _refuse(data, header, f"the header states {header.count:,} words, but {rest:,} bytes follow the last", None)


def refuse_word(data: mmap.mmap, header: Header, index: int, position: int) -> NoReturn:
    """Raise for a word (0-based `index`, at `position`) that has no end or whose vector does not fit in the file."""
    place = f"word {index + 1:,} of {header.count:,}"
    if is_end(data, position):
        rule = f"the file ends before {place}"
    elif data.find(b" ", position, position + MAX_WORD_BYTES) < 0 and header.size - position > MAX_WORD_BYTES:
        rule = f"no space ends {place} within {MAX_WORD_BYTES:,} bytes"
    else:
        rule = f"the file is truncated in {place}"
    _refuse(data, header, rule, index + 1)


def _refuse(data: mmap.mmap, header: Header, rule: str, row: int | None) -> NoReturn:
    if _misaligned(data, header):
        raise DataError(
            f"the header states {header.dim} numbers per word, but what stands between them does not read as words",
            file=header.path,
            remedy="its dim is wrong, or this is another format: get the file again",
        )
    # A dim too large by less than the shortest word only cuts first letters off, which still reads as text.
    remedy = "its count or dim is wrong, or it is damaged: get the file again"
    raise DataError(rule, file=header.path, row=row, remedy=remedy)


def _misaligned(data: mmap.mmap, header: Header, looked_at: int = 50) -> bool:
    """Whether more than a quarter of the first words are no text, as happens where `dim` is wrong."""
    position, words = header.length, []
    for _ in range(min(looked_at, header.count)):
        space = data.find(b" ", position, position + MAX_WORD_BYTES)
        stop = position + MAX_WORD_BYTES if space < 0 else space
        if is_end(data, position):
            break
        words.append(data[position:stop].removeprefix(b"\n").decode(errors="replace"))
        if space < 0:
            break
        position = space + 1 + 4 * header.dim
    odd = sum(not word.isprintable() or not word or "\ufffd" in word for word in words)
    return 4 * odd > len(words)
