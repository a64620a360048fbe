"""Lists of videos and clips as papers publish them: csv with a header, jsonl (also packed), or one id per line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from trichord.data.readers import MAX_RATIO, RATIO_COUNTS_FROM
from trichord.errors import DataError, nearest
from trichord.files import is_file

_MAX_BYTES = 2**31


@dataclass(frozen=True)
class ListFile:
    """A list: where it lies, and its rows as field -> value. A list of one id per line has the field "id"."""

    file: Path
    rows: list[dict[str, Any]]

    def column(self, name: str) -> list[Any]:
        """Return a field of every row; raise `DataError` with the nearest name where a row lacks it."""
        for number, row in enumerate(self.rows):
            if row.get(name) in (None, ""):
                known = sorted({key for row in self.rows for key in row})
                remedy = "fill it in" if name in known else nearest(name, known)
                raise DataError(f"there is no {name!r}", file=self.file, row=number, remedy=remedy)
        return [row[name] for row in self.rows]

    def distinct(self, name: str) -> list[str]:
        """Return a field of every row as strings; raise `DataError` where one occurs twice."""
        seen: dict[str, int] = {}
        for number, value in enumerate(map(str, self.column(name))):
            if value in seen:
                raise DataError(
                    f"{value!r} is in rows {seen[value]} and {number}", file=self.file, row=number, remedy="remove one"
                )
            seen[value] = number
        return list(seen)


def read_list(file: Path) -> ListFile:
    """Read a list. Its kind is told by the ending: .csv, .jsonl or .jsonl.gz; anything else is one id per line.

    Raises:
        DataError: the file is missing, empty, not of its kind, or packed and far larger than it looks.
    """
    if not is_file(file):
        raise DataError("the file does not exist", file=file, remedy="check the path")
    try:
        with open(file, "rb") as stored, _unpacked(stored, file) if file.suffix == ".gz" else stored as unpacked:
            # utf-8-sig: spreadsheets begin what they save with a mark that is no part of the first field's name.
            text = io.TextIOWrapper(unpacked, encoding="utf-8-sig", newline="")
            rows = list(_rows(text, file.name.removesuffix(".gz")))
    except DataError:
        raise
    except (OSError, EOFError, zlib.error, ValueError, RecursionError, csv.Error) as error:
        raise DataError(f"not a readable list ({error})", file=file, remedy="write it again, in UTF-8") from error
    if not rows:
        raise DataError("the list is empty", file=file, remedy="check the path")
    return ListFile(file, rows)


def _rows(stream: Any, name: str) -> Iterator[dict[str, Any]]:
    if name.endswith(".csv"):
        reader = csv.DictReader(stream, strict=True)
        for row in reader:
            if None in row:
                raise csv.Error(f"line {reader.line_num} has more fields than the first line")
            yield row
    elif name.endswith(".jsonl"):
        for line in stream:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise csv.Error("a line is not an object")
            yield entry
    else:
        yield from ({"id": line.strip()} for line in stream if line.strip())


class _Bounded(gzip.GzipFile):
    """A packed list that is given up once it unpacks to too much."""

    def __init__(self, stored: IO[bytes], file: Path, most: int) -> None:
        super().__init__(fileobj=stored, mode="rb")
        self.file, self.most, self.unpacked = file, most, 0

    def read1(self, size: int = -1) -> bytes:
        """Return some bytes and count them."""
        data: bytes = super().read1(size)
        self.unpacked += len(data)
        if self.unpacked > self.most:
            raise DataError(
                f"the list unpacks to more than {self.most:,} bytes",
                file=self.file,
                remedy="where you trust the file, unpack it first: gunzip FILE",
            )
        return data


def _unpacked(stored: IO[bytes], file: Path) -> _Bounded:
    most = max(RATIO_COUNTS_FROM, MAX_RATIO * file.stat().st_size)
    return _Bounded(stored, file, min(_MAX_BYTES, most))
