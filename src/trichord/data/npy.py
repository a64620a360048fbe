"""Reading .npy files without pickle: the header is checked against the size of the file before anything is mapped."""

from __future__ import annotations

import math
import tokenize
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import IO

import numpy as np

from trichord.errors import DataError
from trichord.files import is_file

_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
# A header is a Python literal, and what Python's parser makes of a hostile one is many kinds of errors.
_MISTAKES = (
    ValueError, LookupError, TypeError, AttributeError, OverflowError, EOFError, OSError, SyntaxError, RecursionError,
    MemoryError, tokenize.TokenError,
)  # fmt: skip
_MOST_AXES, _LARGEST = 32, 2**62


@dataclass(frozen=True)
class NpyHeader:
    """Shape and dtype an .npy file declares, and the number of bytes it must then have."""

    shape: tuple[int, ...]
    dtype: np.dtype
    num_bytes: int


def read_npy_header(stream: IO[bytes] | BufferedIOBase, file: str | Path, row: str | None = None) -> NpyHeader:
    """Read the header of an .npy stream; `file` and `row` only name the place in the message.

    Raises:
        DataError: it is not an .npy file, holds pickled objects or fields, is stored in Fortran order, or is of a shape
            that no array has.
    """
    try:
        version = np.lib.format.read_magic(stream)
        shape, fortran_order, dtype = _HEADER_READERS[version](stream)
    except _MISTAKES as error:
        raise DataError(
            f"not a readable .npy header ({str(error)[:200]})",
            file=file,
            row=row,
            remedy="write the array again with np.save",
        ) from error
    if dtype.hasobject:
        raise DataError(
            "the array holds pickled Python objects, which are never loaded because loading them can run code",
            file=file,
            row=row,
            remedy="where you trust the file, convert it: strings with array.astype('U'), numbers with "
            "np.stack(list(array)).astype('float32'), arrays of unequal length with np.concatenate and offsets; "
            "then save it again",
        )
    plain = dtype.names is None and dtype.subdtype is None and dtype.kind != "V" and dtype.itemsize > 0
    if not plain or not dtype.isnative:
        raise DataError(
            f"the array is of dtype {dtype}; plain native numbers or strings are read",
            file=file,
            row=row,
            remedy="convert it with array.astype(...) and save it again",
        )
    if fortran_order and len(shape) > 1:
        raise DataError(
            "the array is stored in Fortran order (columns first)",
            file=file,
            row=row,
            remedy="save np.ascontiguousarray(array)",
        )
    sizes = tuple(map(int, shape))
    if (
        len(sizes) > _MOST_AXES
        or min(sizes, default=0) < 0
        or (math.prod(max(size, 1) for size in sizes) * dtype.itemsize >= _LARGEST)
    ):
        raise DataError(
            f"the header names a shape of {len(sizes)} axes that no array in memory has: at most {_MOST_AXES} axes, "
            "none negative",
            file=file,
            row=row,
            remedy="write the array again with np.save",
        )
    return NpyHeader(sizes, dtype, stream.tell() + math.prod(sizes) * dtype.itemsize)


def open_npy(path: Path) -> np.ndarray:
    """Memory-map an .npy file read-only.

    Returns:
        A plain array backed by the file; of an empty array, an empty array.

    Raises:
        DataError: the file is missing, is not .npy, holds objects, or is shorter or longer than its header says.
    """
    if not is_file(path):
        raise DataError("the file does not exist", file=path, remedy="write it, or remove the modality from the set")
    with open(path, "rb") as stream:
        header = read_npy_header(stream, path)
    if path.stat().st_size != header.num_bytes:
        found = path.stat().st_size
        state = "truncated" if found < header.num_bytes else "longer than its header says"
        raise DataError(
            f"the file is {state}: {found} bytes, where {header.dtype} of shape {header.shape} makes "
            f"{header.num_bytes}",
            file=path,
            remedy="copy or write it again",
        )
    if 0 in header.shape:
        return np.empty(header.shape, header.dtype)
    # A view as plain ndarray: indexing np.memmap objects costs several times more than indexing arrays.
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    return array
