"""The table of items, items.parquet: read, checked, and turned into plain columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trichord.errors import DataError

FIXED_COLUMNS = ("id", "split", "source", "start", "end", "captions")
_INDEX_PREFIX = "__index_level_"


def read_table(path: Path) -> Any:
    """Read items.parquet and check it; see `check_table`."""
    if not path.is_file():
        raise DataError("the file does not exist", file=path, remedy="write the table of items")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"not a readable Parquet file ({error})", file=path, remedy="write it again") from error
    return check_table(table, path)


def read_sources(path: Path) -> list[str]:
    """Read sources.parquet: the names of the sources whose features lie in streams, distinct."""
    if not path.is_file():
        raise DataError("the file does not exist", file=path, remedy="write the column id, one row per source")
    try:
        names: list[str] = pq.read_table(path, columns=["id"]).column("id").to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"not a readable table of sources ({error})", file=path, remedy="write it again") from error
    if len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
        raise DataError("sources are distinct strings", file=path, remedy="write every source once")
    return names


def check_table(table: Any, file: str | Path) -> Any:
    """Return the table with plain string columns, one chunk each.

    Raises:
        DataError: a column is missing or of a wrong type, holds nulls where none may be, an id occurs twice, or a
            segment ends before it starts.
    """
    for name in ("id", "split"):
        if name not in table.column_names:
            raise DataError(f"the column {name!r} is missing", file=file, remedy="every item has an id and a split")
    twice = [name for name in table.column_names if table.column_names.count(name) > 1]
    stray = [name for name in table.column_names if name.startswith(_INDEX_PREFIX)]
    if twice or stray:
        raise DataError(
            f"columns occur twice or are an unnamed index: {sorted({*twice, *stray})}",
            file=file,
            remedy="give each column its own name and write with frame.to_parquet(path, index=False)",
        )
    columns = {name: _plain(table.column(name)) for name in table.column_names}
    for name, required in (("id", True), ("split", True), ("source", False)):
        if name in columns:
            columns[name] = _strings(columns[name], name, required, file)
    for name in ("start", "end"):
        if name in columns:
            columns[name] = _seconds(columns[name], name, file)
    if "captions" in columns:
        columns["captions"] = _captions(columns["captions"], file)
    checked = pa.table(columns)
    _check_unique(checked, file)
    _check_segments(checked, file)
    return checked


def _plain(column: Any) -> Any:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # an empty column, or one too large for one chunk
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _strings(column: Any, name: str, required: bool, file: str | Path) -> Any:
    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or (len(column) == column.null_count)):
        raise DataError(f"the column {name!r} holds {kind}, expected strings", file=file, remedy=f"write {name} as str")
    if required and column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(f"the column {name!r} is empty", file=file, row=row, remedy=f"give every item its {name}")
    column = column.cast(pa.large_string())
    if required:
        blank = np.flatnonzero(pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy(zero_copy_only=False))
        if len(blank):
            raise DataError(
                f"the column {name!r} holds an empty string", file=file, row=int(blank[0]), remedy=f"name every {name}"
            )
    return column


def _seconds(column: Any, name: str, file: str | Path) -> Any:
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise DataError(f"the column {name!r} holds {kind}, expected seconds", file=file, remedy="write numbers")
    return column.cast(pa.float64())


def _captions(column: Any, file: str | Path) -> Any:
    kind = column.type
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    text = listed and any(
        test(kind.value_type) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
    )
    if not text and not pa.types.is_null(kind):
        raise DataError(
            f"the column 'captions' holds {kind}, expected lists of strings",
            file=file,
            remedy="write a list per item, also where there is one caption",
        )
    column = column.cast(pa.large_list(pa.large_string()))
    if column.flatten().null_count:
        row = next(i for i, found in enumerate(column.to_pylist()) if found is not None and None in found)
        raise DataError("a caption is null", file=file, row=row, remedy="leave captions that do not exist out")
    return column


def _check_unique(table: Any, file: str | Path) -> None:
    ids = table.column("id")
    if len(pc.unique(ids)) == len(ids):
        return
    seen: dict[str, int] = {}
    splits = table.column("split").to_pylist()
    for row, name in enumerate(ids.to_pylist()):
        if name in seen:
            first = seen[name]
            rule = f"the id {name!r} is in rows {first} (split {splits[first]!r}) and {row} (split {splits[row]!r})"
            raise DataError(
                rule, file=file, row=row, remedy="an id occurs once, and so in one split; give each its own"
            )
        seen[name] = row


def _check_segments(table: Any, file: str | Path) -> None:
    if "start" not in table.column_names or "end" not in table.column_names:
        return
    start, end = (table.column(name).to_numpy() for name in ("start", "end"))
    wrong = np.flatnonzero((end <= start) | (start < 0))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"a segment starts at 0 s or later and ends after it starts, found {start[row]} to {end[row]}",
            file=file,
            row=row,
            remedy="correct start and end, in seconds",
        )


def caption_counts(table: Any) -> np.ndarray | None:
    """Return (items,) int64 number of captions per item, or None where the table has no captions."""
    if "captions" not in table.column_names:
        return None
    lengths = pc.fill_null(pc.list_value_length(table.column("captions")), 0)
    return np.asarray(lengths.to_numpy(), dtype=np.int64)
