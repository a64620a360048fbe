"""Plain pickles, as `pickle.dump` of Python 2 and 3 writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trichord.errors import ConfigError
from trichord.foreign.budget import Budget
from trichord.foreign.cursor import Cursor
from trichord.foreign.machine import run_pickle
from trichord.foreign.mapped import read_mapped
from trichord.foreign.refusal import Refusal
from trichord.foreign.settling import settle
from trichord.foreign.torch_formats import IN_PICKLES, MAGIC_NUMBER, ZIP_MAGIC

PYTHON2_ENCODINGS = ("utf-8", "latin-1", "cp1252")


def read_pickle(path: Path, *, python2_text: str = "utf-8") -> Any:
    """Read a pickle without running anything it asks for.

    Args:
        path: a file written by `pickle.dump`, any protocol (0 to 5). It must stay unchanged while the arrays are used.
        python2_text: encoding of `str` values written by Python 2: one of `PYTHON2_ENCODINGS`.

    Returns:
        dict (of OrderedDict too), list, tuple, set, frozenset, numbers (of NumPy scalars too), str, bytes (of bytearray
        too), None, and arrays. NumPy arrays, torch tensors, parameters and storages are all read-only `np.ndarray`:
        views on the file where protocol 3 or later and this machine's byte order allow, possibly not aligned; bfloat16
        becomes float32. A torch.Size is a tuple; dtypes and devices are text.

    Raises:
        DataError: the file is missing, damaged, not a pickle, or asks for anything that is not such data.
        ConfigError: an unknown encoding.
    """
    if python2_text not in PYTHON2_ENCODINGS:
        raise ConfigError(f"python2_text is one of {', '.join(PYTHON2_ENCODINGS)}, found {python2_text!r}")

    def read(data: memoryview) -> object:
        if bytes(data[:4]) == ZIP_MAGIC:
            raise Refusal("the file is a zip archive, not a pickle", "read a file of torch.save with read_torch_file")
        if bytes(data[:2]) == b"\x1f\x8b":
            raise Refusal("the file is packed with gzip", "unpack it first: gunzip FILE")
        budget = Budget(len(data))
        cursor = Cursor(data)
        root = run_pickle(cursor, IN_PICKLES, budget, python2_text)
        left = cursor.end - cursor.position
        if root == MAGIC_NUMBER and left:
            raise Refusal("the file was written by torch.save", "read it with read_torch_file")
        if left:
            raise Refusal(
                f"{left} bytes follow the end of the pickle",
                "one file holds one pickle here; where it holds several, save them as one list",
            )
        return settle(root, budget)

    return read_mapped(path, read)
