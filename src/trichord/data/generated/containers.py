"""Files as the published loaders read them: pickles of the time, and NumPy arrays, written atomically."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trichord.files import write_atomically

_NEW_NAME, _OLD_NAME = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"


def write_pickle(path: Path, data: Any, protocol: int) -> None:
    """Write a pickle.

    Up to protocol 3 names are stored as lines, and NumPy's function for arrays is spelled as NumPy 1 spelled it, as in
    the published files. Later protocols store the name that this NumPy uses.

    Two pickles of equal tensors may differ in their bytes (torch writes the addresses of storages); what they hold
    does not.
    """
    content = pickle.dumps(data, protocol=protocol)
    if protocol <= 3:
        content = content.replace(_NEW_NAME, _OLD_NAME)
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def write_npz(path: Path, arrays: Mapping[str, np.ndarray], *, compressed: bool) -> None:
    """Write an archive of arrays."""

    def fill(temporary: Path) -> None:
        save: Any = np.savez_compressed if compressed else np.savez
        with open(temporary, "wb") as handle:
            save(handle, **arrays)

    write_atomically(path, fill)


def write_npy(path: Path, array: np.ndarray) -> None:
    """Write one array."""

    def fill(temporary: Path) -> None:
        with open(temporary, "wb") as handle:
            np.save(handle, array, allow_pickle=False)

    write_atomically(path, fill)
