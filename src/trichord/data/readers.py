"""Reading arrays and columns out of .npz, .npy and .jsonl files without ever unpickling."""

from __future__ import annotations

import json
import lzma
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from trichord.data.npy import open_npy, read_npy_header
from trichord.errors import DataError, nearest
from trichord.files import is_file

# Deflate packs at most about 1,000 to 1; a large member packed tighter than this holds nothing worth reading.
MAX_RATIO, RATIO_COUNTS_FROM = 200, 2**26
_MISTAKES = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, RuntimeError, EOFError, OSError, ValueError,
    OverflowError, MemoryError,
)  # fmt: skip


def read_array(file: Path, key: str | None, max_bytes: int) -> np.ndarray:
    """Read an array: a member of an .npz by its key, or an .npy (memory-mapped, no key).

    Args:
        file: the file.
        key: name of the member; None for .npy.
        max_bytes: largest size of a member once unpacked.

    Raises:
        DataError: no such file or key, pickled objects, truncated, or a member that unpacks to too much.
    """
    if not is_file(file):
        raise DataError("the file does not exist", file=file, remedy="check the path")
    if file.suffix == ".npy":
        return open_npy(file)
    assert key is not None, "an .npz member is read by its key"
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if key not in names:
                raise DataError(f"there is no array {key!r}", file=file, remedy=nearest(key, names))
            member = archive.getinfo(archive.namelist()[names.index(key)])
            _check_size(member, file, key, max_bytes)
            with archive.open(member) as stream:
                header = read_npy_header(stream, file, key)
                if header.num_bytes != member.file_size:
                    raise DataError(
                        f"the array is truncated: {member.file_size} bytes, where its header makes {header.num_bytes}",
                        file=file,
                        row=key,
                        remedy="save it again",
                    )
                data = stream.read(math.prod(header.shape) * header.dtype.itemsize)
        if 0 in header.shape:
            return np.empty(header.shape, header.dtype)
        return np.frombuffer(data, header.dtype).reshape(header.shape)
    except DataError:
        raise
    except _MISTAKES as error:
        raise DataError(f"not a readable .npz file ({error})", file=file, row=key, remedy="save it again") from error


def _check_size(member: zipfile.ZipInfo, file: Path, key: str, max_bytes: int) -> None:
    ratio = member.file_size / max(member.compress_size, 1)
    if member.file_size > max_bytes or (member.file_size > RATIO_COUNTS_FROM and ratio > MAX_RATIO):
        raise DataError(
            f"the array unpacks to {member.file_size:,} bytes, {ratio:.0f} times its packed size; at most "
            f"{max_bytes:,} bytes are unpacked, and {MAX_RATIO} times for a large array",
            file=file,
            row=key,
            remedy="where you trust the file, unpack it and save the array as .npy",
        )


def read_column(file: Path, key: str | None, max_bytes: int) -> list[Any]:
    """Read a column of plain values: a one-axis array, or a field of every line of a .jsonl file (null: None)."""
    if file.suffix == ".jsonl":
        assert key is not None, "a field of a .jsonl file is read by its name"
        return _read_field(file, key)
    array = read_array(file, key, max_bytes)
    if array.ndim != 1:
        raise DataError(
            f"a column is an array of one axis, found shape {array.shape}", file=file, row=key, remedy="choose another"
        )
    values: list[Any] = array.tolist()
    if array.dtype.kind == "f":
        return [None if math.isnan(value) else value for value in values]
    return values


def _read_field(file: Path, key: str) -> list[Any]:
    if not is_file(file):
        raise DataError("the file does not exist", file=file, remedy="check the path")
    values: list[Any] = []
    known: set[str] = set()
    lacking = 0
    with open(file, encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(
                    f"line {number} is not JSON ({error})", file=file, remedy="write one object per line"
                ) from error
            if not isinstance(entry, dict):
                raise DataError(f"line {number} is not an object", file=file, remedy="write one object per line")
            known |= set(entry)
            if key not in entry:
                lacking = lacking or number
            values.append(entry.get(key))
    if key not in known:
        raise DataError(f"no line has a field {key!r}", file=file, remedy=nearest(key, sorted(known)))
    if lacking:
        raise DataError(
            f"line {lacking} has no field {key!r}", file=file, remedy="write null where the value is not known"
        )
    return values
