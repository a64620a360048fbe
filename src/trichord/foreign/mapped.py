"""The door of the room: a file is mapped, read by one function, and whatever is wrong with it is one `DataError`."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

from trichord.errors import DataError
from trichord.foreign.refusal import Refusal


def read_mapped(path: Path, read: Callable[[memoryview], object]) -> object:
    """Map a file read-only and return what `read` makes of its bytes, which stay mapped as long as results use them.

    Raises:
        DataError: the file is missing or empty, or `read` refuses it.
    """
    if not path.is_file():
        raise DataError("the file does not exist", file=path, remedy="check the path")
    try:
        with open(path, "rb") as stream:
            if not path.stat().st_size:
                raise DataError("the file is empty", file=path, remedy="copy or download it again")
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise DataError(f"the file cannot be read ({error})", file=path, remedy="check its permissions") from error
    try:
        return read(memoryview(mapped))
    except Refusal as refusal:
        raise refusal.as_error(path) from refusal
