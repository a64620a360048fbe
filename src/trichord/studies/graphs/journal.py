"""The journal file of a search: locks that die with their holder, mending a line cut short, finding a broken one."""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from trichord.errors import RunError


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


class KernelLock:
    """Optuna's lock on a journal, which the kernel takes back when its process ends, however it ends.

    Optuna's own locks are files (a symbolic link, or a file opened exclusively) that a killed worker leaves behind, so
    that everybody waits for half a minute; and where a file system has no symbolic links, the first of them cannot be
    made at all.

    One object is shared by the threads of a process (the one that trains and the one that says it lives), and holds one
    lock at a time. That is safe because Optuna's journal storage holds its own lock between threads around every use.
    """

    def __init__(self, journal: Path) -> None:
        self._path = lock_of(journal)
        self._holding: AbstractContextManager[None] | None = None

    def acquire(self) -> bool:
        """Wait for the lock and take it."""
        self._holding = held(self._path)
        self._holding.__enter__()
        return True

    def release(self) -> None:
        """Give it back."""
        if self._holding is not None:
            self._holding.__exit__(None, None, None)
        self._holding = None


def mend(journal: Path) -> None:
    """Mend the end of a journal, and see to it that all of it can be read.

    A last line that does not end is what a machine that went down in the middle of writing leaves behind. Every later
    line would be read as the rest of it, and the study could not be read again; so it is ended where it is whole, and
    cut off, with a word about it, where it is not.

    Raises:
        RunError: another line cannot be read, or there is none that can.
    """
    if not journal.exists():
        return
    with held(lock_of(journal)), open(journal, "rb+") as handle:
        content = handle.read()
        whole = content.rfind(b"\n") + 1
        rest = content[whole:]
        if rest and _readable(rest):
            handle.write(b"\n")
        elif rest and whole:
            handle.truncate(whole)
            print(f"{journal}: the last line was cut short, and is left out", file=sys.stderr)
        check_lines(journal, content if _readable(rest) or not whole else content[:whole])


def check_lines(journal: Path, content: bytes) -> None:
    """Raise `RunError` that names the first line of a journal that cannot be read, if there is one."""
    for number, line in enumerate(content.splitlines(), start=1):
        if not _readable(line):
            raise RunError(
                f"{journal}: line {number} cannot be read; restore the file from a copy, or move it away, and the "
                "search begins anew"
            )


def _readable(line: bytes) -> bool:
    """Whether a line is an entry of a journal of Optuna: an object that names an operation."""
    try:
        entry = json.loads(line)
    except ValueError:  # that of a text that is not UTF-8 among them
        return False
    return isinstance(entry, dict) and "op_code" in entry
