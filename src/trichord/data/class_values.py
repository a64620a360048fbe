"""What may stand in a label column: one class per item, or a list of classes per item."""

from __future__ import annotations

from typing import Any

from trichord.data.dataset import TABLE_FILE, Dataset
from trichord.errors import DataError, nearest


def label_column(dataset: Dataset, column: str) -> list[Any]:
    """Return the values of a label column; raise `DataError` with the nearest name when there is none."""
    if column not in dataset.labels:
        has = nearest(column, dataset.labels) if dataset.labels else "the table has no label columns at all"
        raise DataError(
            f"there is no label {column!r}", file=dataset.path / TABLE_FILE, remedy=f"name a label column: {has}"
        )
    return dataset.label(column)


def check_one(value: Any, column: str, dataset: Dataset, row: int) -> None:
    """Raise `DataError` where the label of an item is not one class."""
    file, name = dataset.path / TABLE_FILE, dataset.ids[row]
    if isinstance(value, list):
        raise DataError(
            f"the label {column!r} of the item {name!r} is a list, and one class per item was asked for",
            file=file,
            row=row,
            remedy="say that items have several classes (--several), or write one text or one integer per item",
        )
    if value is None or (isinstance(value, str) and not value.strip()):
        raise DataError(
            f"the label {column!r} of the item {name!r} is {'null' if value is None else 'blank'}",
            file=file,
            row=row,
            remedy="give every item its class, or write a data set without the items that have none",
        )
    if not isinstance(value, (str, int)):
        raise DataError(
            f"the label {column!r} of the item {name!r} is {value!r} ({type(value).__name__}), which names no class",
            file=file,
            row=row,
            remedy="write one text or one integer per item",
        )


def check_set(value: Any, column: str, dataset: Dataset, row: int) -> None:
    """Raise `DataError` where the label of an item is not a list of distinct classes."""
    place: dict[str, Any] = {"file": dataset.path / TABLE_FILE, "row": row}
    said = f"the label {column!r} of the item {dataset.ids[row]!r}"
    if value is None:
        remedy = "write an empty list for an item that has no class"
        raise DataError(f"{said} is null, and it is not known what the item has", **place, remedy=remedy)
    if not isinstance(value, list):
        raise DataError(
            f"{said} is {value!r}, and lists of several classes were asked for",
            **place,
            remedy="say that items have one class (leave --several away), or write a list per item",
        )
    for name in value:
        if name is None or isinstance(name, bool) or not isinstance(name, (str, int)) or not str(name).strip():
            raise DataError(
                f"{said} holds {name!r} ({type(name).__name__}), which names no class",
                **place,
                remedy="list the classes that an item has, each as a text or an integer",
            )
    twice = next((name for number, name in enumerate(value) if name in value[:number]), None)
    if twice is not None:
        raise DataError(
            f"{said} names the class {twice!r} twice",
            **place,
            remedy="list each class that an item has once; a row of zeros and ones is no list of classes",
        )
