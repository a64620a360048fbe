"""The journal of an import: a first line that says what is imported, then one line per record; locked while in use."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from trichord.errors import DataError

JOURNAL_FILE = "journal.jsonl"


class Journal:
    """A journal, opened or taken up; a last line that was cut short is dropped.

    Args:
        folder: where it lies.
        identity: what is imported, in plain data.

    Raises:
        DataError: another import holds it, it is of another import, or it is damaged.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder, self.file = folder, folder / JOURNAL_FILE
        # Bytes, not text: a line may be cut inside a character, and captions hold more kinds of line ends than one.
        self.handle: IO[bytes] = open(self.file, "ab+")  # noqa: SIM115
        try:
            self._lock()
            self._take_up(json.loads(json.dumps(dict(identity))))
        except BaseException:
            self.handle.close()
            raise

    def append(self, line: Mapping[str, Any]) -> None:
        """Write a line. When this returns, a kill no longer loses it."""
        self.handle.write(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        self.handle.flush()

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the line of every record."""
        with open(self.file, "rb") as journal:
            next(journal)
            yield from map(self._parse, journal)

    def close(self) -> None:
        """Close it, so that another import may take it up."""
        self.handle.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(
                "another import is writing here", file=self.folder, remedy="wait for it, or stop it"
            ) from error

    def _take_up(self, identity: Mapping[str, Any]) -> None:
        self.handle.seek(0)
        whole = 0
        for number, line in enumerate(self.handle):
            if not line.endswith(b"\n"):
                break
            if number == 0 and self._parse(line) != identity:
                raise DataError(
                    "an import of other files or with other settings was interrupted here",
                    file=self.folder,
                    remedy="finish it with the same command, or remove this folder",
                )
            whole += len(line)
        self.handle.truncate(whole)
        if not whole:
            self.append(identity)

    def _parse(self, line: bytes) -> Any:
        try:
            return json.loads(line)
        except ValueError as error:
            raise DataError(
                f"the journal is damaged ({error})", file=self.file, remedy="remove its folder and import anew"
            ) from error
