"""What can go wrong with the storage of a search, said in one sentence; nothing here knows Optuna."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trichord.errors import RunError, TrichordError
from trichord.studies.graphs.journal import check_lines
from trichord.studies.graphs.trial import LostTrialError

KNOWN = "sqlite:///FILE, postgresql://..., mysql://... or redis://..., or none for a journal file in the study's folder"
FAULTS = (TypeError, AttributeError, NameError, AssertionError)
"""Errors of a program, not of a storage; they are shown as they are."""


class StorageError(RunError):
    """A storage does not answer, or what it holds cannot be read."""


@contextmanager
def answering(storage: str | Path) -> Iterator[None]:
    """Turn whatever the driver of a storage raises inside the block into one sentence.

    Args:
        storage: its URL, or the path of a journal file.

    Raises:
        StorageError: anything went wrong.
    """
    try:
        yield
    except (TrichordError, LostTrialError, *FAULTS):
        raise
    except ImportError as error:
        raise StorageError(
            f"the storage {hidden(storage)} needs a driver that is not installed ({_first_line(error)}); pip install "
            f"it, or give {KNOWN}"
        ) from error
    except Exception as error:
        if isinstance(storage, Path):
            raise _journal_error(storage, error) from error
        raise StorageError(
            f"the storage {hidden(storage)} does not answer ({_first_line(error)}); check the URL and that the server "
            f"runs, or give {KNOWN}. What is stored is kept: the same command goes on from there"
        ) from error


def hidden(storage: str | Path) -> str:
    """Return the storage without a password that may be in its URL."""
    scheme, mark, rest = str(storage).rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _journal_error(journal: Path, error: Exception) -> StorageError:
    try:
        check_lines(journal, journal.read_bytes())
    except (RunError, OSError) as found:
        return StorageError(_first_line(found))
    return StorageError(
        f"{journal} cannot be used ({_first_line(error)}); restore the file from a copy, or move it away, and the "
        "search begins anew"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
