"""The classes of a label column: what a classifier learns to tell apart, as names and numbers, or as names and sets.

What is read for certain splits rests on their items alone: other items may have no label, or classes of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trichord.data.class_values import check_one, check_set, label_column
from trichord.data.dataset import TABLE_FILE, Dataset
from trichord.errors import DataError
from trichord.shapes import Bool, Int

UNREAD = -1
"""Number of an item whose label was not read; it is no place among the names."""


@dataclass(frozen=True)
class Classes:
    """The classes of one label column, of which every item has exactly one.

    Args:
        column: name of the column.
        names: what each class is called; integers in ascending order, text in the order of its characters.
        numbers: (items,) which of the names each item of the data set has, in the order of its table; `UNREAD` for an
            item of a split that was not asked for.
    """

    column: str
    names: tuple[str, ...]
    numbers: Int[np.ndarray, " items"]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def several(self) -> bool:
        """Whether an item may have several classes: no."""
        return False

    @property
    def truth(self) -> Int[np.ndarray, " items"]:
        """(items,) the number of each item's class."""
        return self.numbers

    def having(self, number: int) -> Bool[np.ndarray, " items"]:
        """Return which items have a class."""
        found: np.ndarray = self.numbers == number
        return found


@dataclass(frozen=True)
class LabelSets:
    """The classes of one label column, of which an item has any number, none included.

    Args:
        column: name of the column.
        names: what each class is called, in the same order as those of `Classes`.
        members: (items, classes) which classes each item of the data set has, in the order of its table; none for an
            item of a split that was not asked for.
    """

    column: str
    names: tuple[str, ...]
    members: Bool[np.ndarray, "items classes"]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def several(self) -> bool:
        """Whether an item may have several classes: yes."""
        return True

    @property
    def truth(self) -> Bool[np.ndarray, "items classes"]:
        """(items, classes) which classes each item has."""
        return self.members

    def having(self, number: int) -> Bool[np.ndarray, " items"]:
        """Return which items have a class."""
        return self.members[:, number]


def read_labels(
    dataset: Dataset, column: str, several: bool, splits: Sequence[str] = (), classes: Sequence[str] | None = None
) -> Classes | LabelSets:
    """Read a label column for a classifier: one class per item, or a list of classes per item.

    With splits, the items of these are read and no others. The classes are those that they have: a class that only
    occurs elsewhere cannot be learnt, and is none. As every one of them must hold every class, two choices of splits
    that share one, and are not refused, number the same classes alike. The numbering depends on the values, not on
    their order.

    Args:
        dataset: an opened data set.
        column: one of its label columns.
        several: whether items have lists of classes. An empty list is an item that has none.
        splits: the splits that are learnt from, chosen on and reported; each must hold every class. Empty means every
            item, whatever its split, and no split need hold any class.
        classes: names of the classes that are told apart already, by a finished classifier. Then items must have no
            others, and splits may lack some.

    Raises:
        DataError: there is no such column; its values are no classes, or lists where one class was said to be, or one
            class where lists were; an item's is null, or names a class twice; there are fewer than two classes; a split
            holds none of a class; or an item has one that is not among `classes`.
        ConfigError: a split that the data set does not have.
    """
    read = _read_sets if several else _read_numbers
    labels = read(dataset, column, splits, classes)
    for split in splits if classes is None else ():
        rows = dataset.split(split)
        _check_shown(labels, dataset, rows, split, "and a split that is used needs every class")
    return labels


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
    classes = _read_numbers(dataset, column)
    if fit_splits is not None:
        _check_shown(classes, dataset, dataset.split(*fit_splits), " + ".join(fit_splits), "which is learnt from")
    return classes


def _read_numbers(
    dataset: Dataset, column: str, splits: Sequence[str] = (), classes: Sequence[str] | None = None
) -> Classes:
    values = _values(dataset, column, splits)
    for row, value in values.items():
        check_one(value, column, dataset, row)
    kinds = sorted(set(values.values()))
    if classes is None and len(kinds) < 2:
        said = f"is {str(kinds[0])!r} for every item{_of(splits)}"
        raise _nothing_to_tell_apart(dataset, column, said)
    names = tuple(str(kind) for kind in kinds) if classes is None else tuple(classes)
    place = {name: number for number, name in enumerate(names)}
    numbers = np.full(len(dataset.ids), UNREAD, dtype=np.int64)
    for row, value in values.items():
        numbers[row] = _find(str(value), place, dataset, column, row)
    return Classes(column, names, numbers)


def _read_sets(
    dataset: Dataset, column: str, splits: Sequence[str] = (), classes: Sequence[str] | None = None
) -> LabelSets:
    values = _values(dataset, column, splits)
    for row, value in values.items():
        check_set(value, column, dataset, row)
    kinds = sorted({name for value in values.values() for name in value})
    if classes is None and len(kinds) < 2:
        said = f"names only the class {str(kinds[0])!r}" if kinds else "names no class at all"
        raise _nothing_to_tell_apart(dataset, column, f"{said}{_of(splits)}")
    names = tuple(str(kind) for kind in kinds) if classes is None else tuple(classes)
    place = {name: number for number, name in enumerate(names)}
    members = np.zeros((len(dataset.ids), len(names)), dtype=bool)
    for row, value in values.items():
        members[row, [_find(str(name), place, dataset, column, row) for name in value]] = True
    return LabelSets(column, names, members)


def _values(dataset: Dataset, column: str, splits: Sequence[str]) -> dict[int, Any]:
    """Return row -> its label, for the items of splits; for all items where none is named."""
    values = label_column(dataset, column)
    rows = dataset.split(*splits).tolist() if splits else range(len(values))
    return {row: values[row] for row in rows}


def _of(splits: Sequence[str]) -> str:
    return f" of {' + '.join(dict.fromkeys(splits))}" if splits else ""


def _nothing_to_tell_apart(dataset: Dataset, column: str, said: str) -> DataError:
    return DataError(
        f"the label {column!r} {said}, and there is nothing to tell apart",
        file=dataset.path / TABLE_FILE,
        remedy="choose a label of two or more classes",
    )


def _find(name: str, place: Mapping[str, int], dataset: Dataset, column: str, row: int) -> int:
    if name not in place:
        shown = ", ".join(list(place)[:10]) + (", ..." if len(place) > 10 else "")
        raise DataError(
            f"the item {dataset.ids[row]!r} has the class {name!r} of the label {column!r}, which is none of the "
            f"{len(place)} that are told apart ({shown})",
            file=dataset.path / TABLE_FILE,
            row=row,
            remedy="name data with these classes, or leave the label out",
        )
    return place[name]


def _check_shown(
    labels: Classes | LabelSets, dataset: Dataset, rows: Int[np.ndarray, " rows"], split: str, why: str
) -> None:
    missed = [number for number in range(len(labels)) if not labels.having(number)[rows].any()]
    if missed:
        row = int(np.flatnonzero(labels.having(missed[0]))[0])
        raise DataError(
            f"the class {labels.names[missed[0]]!r} of the label {labels.column!r} has no item in {split}, {why}; "
            f"the first item that has it is {dataset.ids[row]!r}"
            + (f" (so it is with {len(missed)} of {len(labels)} classes)" if len(missed) > 1 else ""),
            file=dataset.path / TABLE_FILE,
            row=row,
            remedy="put items of every class into each split that is used, or leave the others' items out",
        )
