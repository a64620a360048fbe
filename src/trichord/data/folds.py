"""Cross-validation: the same data several times, each with another part of what may be chosen on held out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trichord.data.dataset import TABLE_FILE, Dataset
from trichord.data.table import read_table
from trichord.errors import ConfigError, DataError
from trichord.files import write_atomically
from trichord.randomness import numpy_generator

LEARNT, HELD, LEFT_OUT = "train", "val", "left out"


def write_folds(
    dataset: Dataset, folder: Path, splits: Sequence[str], number: int, seed: int = 0
) -> tuple[Dataset, ...]:
    """Write one data set per fold: links to the arrays, and a table of items of its own.

    In fold k, a part of the items of the named splits is the split "val" and the rest of them "train"; every item of
    another split is "left out", so that nothing that is done with a fold can touch it. Items of one source video stay
    together. Written again, the same folds come out; links that lead elsewhere, because the data were moved, are
    replaced.

    Args:
        dataset: the data.
        folder: folds go to folder/fold-0, folder/fold-1, ...
        splits: whose items are dealt.
        number: how many folds, two or more.
        seed: seed of the dealing.

    Raises:
        ConfigError: fewer than two folds, or fewer sources (items, where none are named) than folds.
        DataError: other data lie where these were opened, or a file stands where a link belongs.
    """
    rows = dataset.split(*splits)
    table = read_table(dataset.path / TABLE_FILE)
    if table.column("id").to_pylist() != dataset.ids:
        raise DataError(
            "the table holds other items than when the data were opened",
            file=dataset.path / TABLE_FILE,
            remedy="open the data again",
        )
    held = deal(_groups(table)[rows], number, seed)
    folds = []
    for fold in range(number):
        path = folder / f"fold-{fold}"
        path.mkdir(parents=True, exist_ok=True)
        _link_arrays(dataset.path, path)
        named = np.full(len(table), LEFT_OUT, dtype=object)
        named[rows] = np.where(held == fold, HELD, LEARNT)
        column = table.column_names.index("split")
        dealt = table.set_column(column, "split", pa.array(named.tolist(), pa.large_string()))
        _write_table(path / TABLE_FILE, dealt)
        fold_data = Dataset.open(path)
        _check_links(dataset.path, path)
        folds.append(fold_data)
    return tuple(folds)


def deal(groups: np.ndarray, number: int, seed: int = 0) -> np.ndarray:
    """Return (rows,) the fold of each row: whole groups, the largest first, each to the fold with the fewest rows.

    Args:
        groups: (rows,) group of each row.
        number: folds.
        seed: seed of the order of equally large groups.
    """
    distinct, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if number < 2 or len(distinct) < number:
        raise ConfigError(
            f"cross-validation needs two folds or more and as many groups; got {number} folds of {len(distinct)} groups"
        )
    shuffled = numpy_generator(seed, "folds").permutation(len(distinct))
    filled, fold_of = np.zeros(number, dtype=np.int64), np.zeros(len(distinct), dtype=np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")].tolist():
        fold_of[group] = int(np.argmin(filled))
        filled[fold_of[group]] += sizes[group]
    folds: np.ndarray = fold_of[inverse.reshape(-1)]
    return folds


def _groups(table: pa.Table) -> np.ndarray:
    """Return what each item belongs to: its source, or itself where it names none."""
    ids = table.column("id").to_pylist()
    if "source" not in table.column_names:
        return np.array(ids, dtype=object)
    sources = table.column("source").to_pylist()
    return np.array([f"source {s}" if s else f"item {i}" for s, i in zip(sources, ids, strict=True)], dtype=object)


def _linked(data: Path) -> dict[str, Path]:
    """Return name -> file or folder of all that folds share with their data."""
    shared = (entry for entry in data.iterdir() if entry.name != TABLE_FILE and not entry.name.startswith("."))
    return {entry.name: entry.resolve() for entry in shared}


def _link_arrays(data: Path, fold: Path) -> None:
    """Link a fold to all that the data hold but their table, and take away links to what they do not hold."""
    wanted = _linked(data)
    for name, target in wanted.items():
        link = fold / name
        if link.exists() and not link.is_symlink():
            raise DataError(
                "a fold links to the arrays of its data, and here is a file of its own",
                file=link,
                remedy="take it away, or write the folds elsewhere",
            )
        if not link.is_symlink() or link.resolve() != target:
            temporary = fold / f".{name}.{os.getpid()}.link"
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(target)
            os.replace(temporary, link)
    for entry in fold.iterdir():
        if entry.is_symlink() and not entry.name.startswith(".") and entry.name not in wanted:
            entry.unlink()


def _check_links(data: Path, fold: Path) -> None:
    """Raise `DataError` unless all that a fold was opened with, but its table, is that of the data."""
    if _linked(fold) != _linked(data):
        raise DataError(
            f"the fold does not hold the arrays of {data}; something else wrote here or there meanwhile",
            file=fold,
            remedy="write the folds again",
        )


def _write_table(path: Path, table: pa.Table) -> None:
    write_atomically(path, lambda temporary: pq.write_table(table, temporary))
