"""Cross-validation: the same data several times, each with another part of what may be chosen on held out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trichord.data.dataset import TABLE_FILE, Dataset
from trichord.data.table import read_table
from trichord.errors import ConfigError
from trichord.files import write_atomically
from trichord.randomness import numpy_generator

LEARNT, HELD, LEFT_OUT = "train", "val", "left out"


def write_folds(
    dataset: Dataset, folder: Path, splits: Sequence[str], number: int, seed: int = 0
) -> tuple[Dataset, ...]:
    """Write one data set per fold: links to the arrays, and a table of items of its own.

    In fold k, a part of the items of the named splits is the split "val" and the rest of them "train"; every item of
    another split is "left out", so that nothing that is done with a fold can touch it. Items of one source video stay
    together. Written again, the same folds come out.

    Args:
        dataset: the data.
        folder: folds go to folder/fold-0, folder/fold-1, ...
        splits: whose items are dealt.
        number: how many folds, two or more.
        seed: seed of the dealing.

    Raises:
        ConfigError: fewer than two folds, or fewer sources (items, where none are named) than folds.
    """
    rows = dataset.split(*splits)
    table = read_table(dataset.path / TABLE_FILE)
    held = deal(_groups(table)[rows], number, seed)
    folds = []
    for fold in range(number):
        path = folder / f"fold-{fold}"
        path.mkdir(parents=True, exist_ok=True)
        for entry in dataset.path.iterdir():
            link = path / entry.name
            if entry.name != TABLE_FILE and not entry.name.startswith(".") and not link.is_symlink():
                link.symlink_to(entry.resolve())
        named = np.full(len(table), LEFT_OUT, dtype=object)
        named[rows] = np.where(held == fold, HELD, LEARNT)
        column = table.column_names.index("split")
        dealt = table.set_column(column, "split", pa.array(named.tolist(), pa.large_string()))
        _write_table(path / TABLE_FILE, dealt)
        folds.append(Dataset.open(path))
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


def _write_table(path: Path, table: pa.Table) -> None:
    write_atomically(path, lambda temporary: pq.write_table(table, temporary))
