"""The journal file of a search: a lock that dies with its holder, and mending a last line that was cut short."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Wait for the lock on a file and hold it inside the block; the kernel takes it back however the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def is_held(path: Path) -> bool:
    """Whether a process holds the lock on a file."""
    if not path.exists():
        return False
    with open(path, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def lock_of(journal: Path) -> Path:
    """Return the file beside a journal whose lock stands for the journal."""
    return journal.with_name(f".{journal.name}.lock")


def mend(journal: Path) -> None:
    """Cut off a last line that does not end: what a machine that went down in the middle of writing leaves behind.

    Without this every later line would be read as the rest of that one, and the study could not be read again.
    """
    if not journal.exists():
        return
    with held(lock_of(journal)), open(journal, "rb+") as handle:
        content = handle.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            handle.truncate(whole)
