"""The classes of a label column: what a classifier learns to tell apart, as names and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trichord.data.dataset import TABLE_FILE, Dataset
from trichord.errors import DataError, nearest
from trichord.shapes import Int


@dataclass(frozen=True)
class Classes:
    """The classes of one label column.

    Args:
        column: name of the column.
        names: what each class is called; integers in ascending order, text in the order of its characters.
        numbers: (items,) which of the names each item of the data set has, in the order of its table.
    """

    column: str
    names: tuple[str, ...]
    numbers: Int[np.ndarray, " items"]

    def __len__(self) -> int:
        return len(self.names)


def read_classes(dataset: Dataset, column: str, fit_splits: Sequence[str] | None = None) -> Classes:
    """Read a label column whose every item has exactly one class: text, integers, or true and false.

    The numbering depends on the values that occur anywhere in the table, not on their order or on the splits.

    Args:
        dataset: an opened data set.
        column: one of its label columns.
        fit_splits: the splits that are learnt from, in which every class must have an item; None checks nothing.

    Raises:
        DataError: there is no such column, it holds something else than classes, an item has none, all items have the
            same, or a class has no item to learn from.
        ConfigError: a split that the data set does not have.
    """
    file = dataset.path / TABLE_FILE
    if column not in dataset.labels:
        has = nearest(column, dataset.labels) if dataset.labels else "the table has no label columns at all"
        raise DataError(f"there is no label {column!r}", file=file, remedy=f"name a label column: {has}")
    values = dataset.label(column)
    for row, value in enumerate(values):
        _check_value(value, column, dataset, row)
    kinds = sorted(set(values))
    if len(kinds) < 2:
        raise DataError(
            f"the label {column!r} is {str(kinds[0])!r} for every item, and there is nothing to tell apart",
            file=file,
            remedy="choose a label of two or more classes",
        )
    place = {value: number for number, value in enumerate(kinds)}
    classes = Classes(
        column, tuple(str(value) for value in kinds), np.array([place[value] for value in values], dtype=np.int64)
    )
    if fit_splits is not None:
        _check_learnable(classes, dataset, fit_splits)
    return classes


def _check_value(value: Any, column: str, dataset: Dataset, row: int) -> None:
    file, name = dataset.path / TABLE_FILE, dataset.ids[row]
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


def _check_learnable(classes: Classes, dataset: Dataset, splits: Sequence[str]) -> None:
    shown = set(classes.numbers[dataset.split(*splits)].tolist())
    missed = [number for number in range(len(classes)) if number not in shown]
    if missed:
        row = int(np.flatnonzero(classes.numbers == missed[0])[0])
        raise DataError(
            f"the class {classes.names[missed[0]]!r} of the label {classes.column!r} has no item in "
            f"{' + '.join(splits)}, which is learnt from; the first item that has it is {dataset.ids[row]!r}"
            + (f" (so it is with {len(missed)} of {len(classes)} classes)" if len(missed) > 1 else ""),
            file=dataset.path / TABLE_FILE,
            row=row,
            remedy="put items of every class into the splits that are learnt from, or leave the others' items out",
        )
