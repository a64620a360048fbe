"""Writing a data set: everything is checked first, written beside its place, opened again, and renamed into place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trichord.data.dataset import HEADER_FILE, TABLE_FILE, Dataset, check_caption_counts
from trichord.data.raw_storage import check_samples, read_texts
from trichord.data.specification import RAW_WIDTHS, Header, ModalityHeader, write_header
from trichord.data.storage import StoredModality, check_arrays, check_finite, modality_files
from trichord.data.table import check_table
from trichord.errors import ConfigError, DataError, nearest
from trichord.modality import STANDARD, Modality


@dataclass(frozen=True)
class ModalityArrays:
    """One modality's features or raw inputs, to be written.

    Args:
        values: (instances, dim), or (total steps, dim) for sequences. Raw inputs: see docs/data-format.md; None for
            text, which is the captions of the table.
        items: (instances,) item row of each instance, not descending; None where item i has exactly instance i.
        offsets: (instances + 1,) for sequences, frames and waveforms; None for the others.
        letter: spelling of the modality; None only for video, audio and text, whose letters are known.
        transforms: what was done to the features, for the record.
        kind: of raw inputs "image", "frames", "waveform" or "text"; None for features, sequences where there are
            offsets and else pooled.
        rate: samples per second of a waveform; None for other kinds.
    """

    values: np.ndarray | None
    items: np.ndarray | None = None
    offsets: np.ndarray | None = None
    letter: str | None = None
    transforms: tuple[str, ...] = field(default=())
    kind: str | None = None
    rate: int | None = None


def write_dataset(
    path: str | Path,
    *,
    name: str,
    items: Any,
    modalities: Mapping[str, ModalityArrays],
    notes: str = "",
    description: str = "",
    overwrite: bool = False,
) -> Dataset:
    """Write a data set and open it.

    Args:
        path: folder to make.
        name: name of the data set.
        items: the table of items: a pyarrow Table, a pandas DataFrame, or a mapping of columns.
        modalities: modality name -> its arrays, in the order in which they are to be listed.
        notes, description: free text for dataset.json.
        overwrite: replace a data set that is already there (never a folder that is something else).

    Raises:
        DataError: the data break a rule of the format, non-finite features included; nothing is written.
        ConfigError: the folder exists, or a modality that is not standard has no letter.
    """
    path = Path(path)
    check_place(path, overwrite)
    header = Header(
        name,
        tuple(_header(key, arrays) for key, arrays in modalities.items()),
        notes,
        description,
        {key: arrays.transforms for key, arrays in modalities.items() if arrays.transforms},
    )
    table = check_table(items if isinstance(items, pa.Table) else pa.table(items), path / TABLE_FILE)
    if not len(table):
        raise DataError("the table holds no items", file=path / TABLE_FILE, remedy="write at least one item")
    stored = {
        entry.modality.name: _check_arrays(path, entry, modalities[entry.modality.name], table)
        for entry in header.modalities
    }
    check_caption_counts(table, stored, path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        _fill(temporary, header, table, modalities)
        Dataset.open(temporary)
        replace_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Dataset.open(path)


def check_place(path: Path, overwrite: bool) -> None:
    """Raise `ConfigError` where a data set may not be written: something else is there, or one that must stay."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not (path / HEADER_FILE).is_file():
        raise ConfigError(f"{path} exists and is not a data set; it is never replaced. Choose another folder")
    if not overwrite:
        raise ConfigError(f"{path} already holds a data set; choose another folder, or overwrite it (--overwrite)")


def _header(name: str, arrays: ModalityArrays) -> ModalityHeader:
    standard = {modality.name: modality for modality in STANDARD}
    if arrays.letter is None and name not in standard:
        raise ConfigError(
            f"the modality {name!r} is not standard, so its letter must be given, for instance --letter "
            f"{name}=D; the standard ones are video, audio and text, in lower case"
        )
    modality = standard[name] if arrays.letter is None else Modality(name, arrays.letter)
    if arrays.kind is not None and arrays.kind not in RAW_WIDTHS:
        raise ConfigError(f"the kind of {name!r} is {arrays.kind!r}; {nearest(arrays.kind, list(RAW_WIDTHS))}")
    if (arrays.values is None) != (arrays.kind == "text"):
        raise ConfigError(f"{name!r}: text, and no other kind, is written without values")
    if arrays.kind is not None:
        return ModalityHeader(modality, arrays.kind, RAW_WIDTHS[arrays.kind], rate=arrays.rate)
    assert arrays.values is not None, "text is a kind"
    if arrays.values.ndim != 2:
        raise ConfigError(f"the features of {name!r} have two axes, got shape {arrays.values.shape}")
    kind = "pooled" if arrays.offsets is None else "sequence"
    return ModalityHeader(modality, kind, int(arrays.values.shape[1]), rate=arrays.rate)


def _check_arrays(path: Path, header: ModalityHeader, arrays: ModalityArrays, table: Any) -> StoredModality:
    files = modality_files(path, header.modality.name)
    stored: StoredModality
    if arrays.values is None:
        if arrays.items is not None or arrays.offsets is not None:
            raise ConfigError(f"{header.modality.name!r} is text, the captions of the table: it has no arrays")
        stored = read_texts(header, table, path / TABLE_FILE)
    else:
        check = check_arrays if arrays.kind is None else check_samples
        stored = check(header, arrays.values, arrays.offsets, arrays.items, len(table), files)
    check_finite(stored, table.column("id").to_pylist())
    return stored


def _fill(folder: Path, header: Header, table: Any, modalities: Mapping[str, ModalityArrays]) -> None:
    write_header(folder / HEADER_FILE, header)
    pq.write_table(table, folder / TABLE_FILE)
    for name, arrays in modalities.items():
        files = modality_files(folder, name)
        if arrays.values is not None:
            np.save(files.values, np.ascontiguousarray(arrays.values), allow_pickle=False)
        if arrays.offsets is not None:
            np.save(files.offsets, arrays.offsets, allow_pickle=False)
        if arrays.items is not None:
            np.save(files.items, arrays.items, allow_pickle=False)
    for file in folder.iterdir():
        with open(file, "rb+") as handle:
            os.fsync(handle.fileno())


def replace_folder(temporary: Path, path: Path) -> None:
    """Move a finished folder into its place, where an older one may be."""
    if not path.exists() or not any(path.iterdir()):
        os.replace(temporary, path)
        return
    # Folders cannot be swapped in one step: a kill between these two renames leaves the old set under a hidden name.
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    os.replace(path, old)
    os.replace(temporary, path)
    shutil.rmtree(old)
