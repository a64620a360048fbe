"""Which item each row of a file belongs to, and bringing rows into the order of the items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trichord.errors import DataError


def index_ids(ids: Sequence[Any], file: str, splits: Sequence[Any] | None) -> tuple[list[str], dict[str, int]]:
    """Return item ids as strings and the item row of each.

    Args:
        ids: strings or integers.
        file: where they were read, for messages.
        splits: split of each item where it is known, for messages.

    Raises:
        DataError: an id is neither string nor integer, or occurs twice.
    """
    names = [_name(value, file, row) for row, value in enumerate(ids)]
    places: dict[str, int] = {}
    for row, name in enumerate(names):
        if name in places:
            first = places[name]
            where = [
                f"{r}" if splits is None or len(splits) <= r else f"{r} (split {splits[r]!r})" for r in (first, row)
            ]
            raise DataError(
                f"the id {name!r} is in rows {where[0]} and {where[1]}",
                file=file,
                row=row,
                remedy="an id occurs once, and so in one split; give each item its own",
            )
        places[name] = row
    return names, places


def _name(value: Any, file: str, row: int) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise DataError(
            f"an id is a string or a whole number, found {value!r}", file=file, row=row, remedy="correct the ids"
        )
    return str(value)


@dataclass(frozen=True)
class Alignment:
    """The item of each row of one file.

    Args:
        file: where the rows lie.
        items: (rows,) item row, -1 where no item has the row's id.
        row_ids: id of each row.
        one_to_one: row i is item i.
    """

    file: str
    items: np.ndarray
    row_ids: Sequence[str]
    one_to_one: bool

    @classmethod
    def find(
        cls, file: str, num_rows: int, row_ids: Sequence[Any] | None, ids: Sequence[str], places: Mapping[str, int]
    ) -> Alignment:
        """Match rows to items by id, or, where rows have no ids, by position; the numbers must then agree."""
        if row_ids is None:
            if num_rows != len(ids):
                raise DataError(
                    f"{num_rows} rows for {len(ids)} items, and nothing says which row is whose",
                    file=file,
                    remedy="name the array of item ids: FILE:KEY@IDKEY",
                )
            return cls(file, np.arange(num_rows), ids, True)
        if len(row_ids) != num_rows:
            raise DataError(
                f"{num_rows} rows and {len(row_ids)} item ids", file=file, remedy="give every row one item id"
            )
        names = [_name(value, file, row) for row, value in enumerate(row_ids)]
        items = np.array([places.get(name, -1) for name in names], dtype=np.int64)
        return cls(file, items, names, len(ids) == num_rows and bool((items == np.arange(num_rows)).all()))

    @property
    def num_unknown(self) -> int:
        """Number of rows whose id no item has."""
        return int((self.items < 0).sum())

    def refuse_unknown(self, ignore: bool) -> None:
        """Raise `DataError` for rows whose id no item has, unless they are to be ignored."""
        if self.num_unknown and not ignore:
            row = int(np.flatnonzero(self.items < 0)[0])
            raise DataError(
                f"no item has the id {self.row_ids[row]!r}; {self.num_unknown} rows are so",
                file=self.file,
                row=row,
                remedy="correct the ids, or ask for unknown ids to be ignored (--ignore-unknown)",
            )

    def same_items(self, other: Alignment) -> bool:
        """Whether the rows of both belong to the same items."""
        return bool(np.array_equal(self.items, other.items))

    def check_finite(self, values: np.ndarray, offsets: np.ndarray | None) -> None:
        """Raise `DataError` naming the first row, and its item, that is not finite in float32."""
        for start in range(0, len(values), 8192):
            with np.errstate(over="ignore"):
                finite = np.isfinite(values[start : start + 8192].astype(np.float32)).all(axis=1)
            if not finite.all():
                row = start + int(np.flatnonzero(~finite)[0])
                owner = row if offsets is None else int(np.searchsorted(offsets, row, side="right")) - 1
                name = self.row_ids[owner] if 0 <= owner < len(self.row_ids) else "?"
                raise DataError(
                    f"the row holds NaN or infinity (item id {name!r})",
                    file=self.file,
                    row=row,
                    remedy="repair it, or leave it out and name ids (@IDKEY): the item then lacks the modality",
                )

    def arrange(
        self, values: np.ndarray, offsets: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Bring instances into the order of the items, keeping the order of those of one item.

        Returns:
            values, item row of each instance (None where instance i is item i's), and offsets (None for vectors).
        """
        if self.one_to_one:
            return values, None, offsets
        order = np.argsort(self.items, kind="stable")
        order = order[self.items[order] >= 0]
        items = self.items[order]
        if offsets is None:
            return values[order], items, None
        pieces = [values[offsets[row] : offsets[row + 1]] for row in order]
        arranged = np.concatenate(pieces) if pieces else values[:0]
        return arranged, items, np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64)


def aligned_column(values: Sequence[Any], rows: Alignment, num_items: int) -> list[Any]:
    """Return one value per item, None where no row has its id; raise `DataError` where two rows have it."""
    column: list[Any] = [None] * num_items
    filled: dict[int, int] = {}
    for row, (item, value) in enumerate(zip(rows.items.tolist(), values, strict=True)):
        if item < 0:
            continue
        if item in filled:
            first = filled[item]
            raise DataError(
                f"the id {rows.row_ids[row]!r} is in rows {first} ({values[first]!r}) and {row} ({value!r})",
                file=rows.file,
                row=row,
                remedy="a column has one row per item",
            )
        filled[item], column[item] = row, value
    return column


def aligned_captions(values: Sequence[Any], rows: Alignment, num_items: int) -> list[list[str]]:
    """Return the captions of each item: strings and lists of strings, put together in the order of the rows."""
    captions: list[list[str]] = [[] for _ in range(num_items)]
    for row, (item, value) in enumerate(zip(rows.items.tolist(), values, strict=True)):
        found = [value] if isinstance(value, str) else [] if value is None else value
        if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
            raise DataError(
                f"captions are a string or a list of strings, found {value!r}",
                file=rows.file,
                row=row,
                remedy="correct the line",
            )
        if item >= 0:
            captions[item] += found
    return captions
