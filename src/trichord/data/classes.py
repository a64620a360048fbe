"""The classes of a label column: what a classifier learns to tell apart, as names and numbers, or as names and sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trichord.data.class_values import check_one, check_set, label_column
from trichord.data.dataset import TABLE_FILE, Dataset
from trichord.errors import DataError
from trichord.shapes import Bool, Int


@dataclass(frozen=True)
class Classes:
    """The classes of one label column, of which every item has exactly one.

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
        members: (items, classes) which classes each item of the data set has, in the order of its table.
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


def read_labels(dataset: Dataset, column: str, several: bool, splits: Sequence[str] = ()) -> Classes | LabelSets:
    """Read a label column for a classifier: one class per item, or a list of classes per item.

    The numbering depends on the values that occur anywhere in the table, not on their order or on the splits.

    Args:
        dataset: an opened data set.
        column: one of its label columns.
        several: whether items have lists of classes. An empty list is an item that has none.
        splits: the splits that are learnt from, chosen on and reported; each must hold every class.

    Raises:
        DataError: there is no such column; its values are no classes, or lists where one class was said to be, or one
            class where lists were; an item's is null, or names a class twice; there are fewer than two classes; or a
            split holds none of a class.
        ConfigError: a split that the data set does not have.
    """
    labels = _read_sets(dataset, column) if several else read_classes(dataset, column)
    for split in splits:
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
    values = label_column(dataset, column)
    for row, value in enumerate(values):
        check_one(value, column, dataset, row)
    kinds = sorted(set(values))
    if len(kinds) < 2:
        raise DataError(
            f"the label {column!r} is {str(kinds[0])!r} for every item, and there is nothing to tell apart",
            file=dataset.path / TABLE_FILE,
            remedy="choose a label of two or more classes",
        )
    place = {value: number for number, value in enumerate(kinds)}
    classes = Classes(
        column, tuple(str(value) for value in kinds), np.array([place[value] for value in values], dtype=np.int64)
    )
    if fit_splits is not None:
        _check_shown(classes, dataset, dataset.split(*fit_splits), " + ".join(fit_splits), "which is learnt from")
    return classes


def _read_sets(dataset: Dataset, column: str) -> LabelSets:
    values = label_column(dataset, column)
    for row, value in enumerate(values):
        check_set(value, column, dataset, row)
    kinds = sorted({name for value in values for name in value})
    if len(kinds) < 2:
        named = f"names only the class {str(kinds[0])!r}" if kinds else "names no class at all"
        raise DataError(
            f"the label {column!r} {named}, and there is nothing to tell apart",
            file=dataset.path / TABLE_FILE,
            remedy="choose a label of two or more classes",
        )
    place = {value: number for number, value in enumerate(kinds)}
    members = np.zeros((len(values), len(kinds)), dtype=bool)
    for row, value in enumerate(values):
        members[row, [place[name] for name in value]] = True
    return LabelSets(column, tuple(str(value) for value in kinds), members)


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
