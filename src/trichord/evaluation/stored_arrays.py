"""Named arrays beside the JSON of a result: written whole or not at all, read without unpickling."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from trichord.errors import DataError
from trichord.files import write_atomically


def save_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays into one .npz file, atomically."""
    write_atomically(path, lambda temporary: _write(temporary, arrays))


def load_arrays(path: str | Path, names: Iterable[str], what: str) -> dict[str, np.ndarray]:
    """Read the named arrays of a file that `save_arrays` wrote.

    Args:
        path: the file.
        names: the arrays it must hold.
        what: what they belong to, for the message.

    Raises:
        DataError: the file is missing, damaged, or lacks one of them.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except Exception as error:  # zip, npy and key errors alike: the file is not what was written
        raise DataError(f"not the arrays of {what} ({error})", file=path, remedy="evaluate again") from error


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    # A handle, not a name: numpy adds ".npz" to names that do not end so.
    with open(path, "wb") as handle:
        np.savez(handle, **arrays)  # type: ignore[arg-type]
        handle.flush()
        os.fsync(handle.fileno())
