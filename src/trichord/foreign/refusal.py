"""Why a foreign file is not read: one exception inside the room, which becomes one `DataError` at its door."""

from __future__ import annotations

from pathlib import Path

from trichord.errors import DataError

DAMAGED = "the file is damaged or not what it claims to be; fetch or write it again"
CUT_OFF = "copy or download the file again"
CONVERT = (
    "where you trust the file, load it where it was made and save containers, numbers, text, NumPy arrays and "
    "torch tensors only"
)
_SHOWN_LETTERS = 80


class Refusal(Exception):
    """A rule a foreign file breaks.

    Args:
        rule: what must hold, and what was found instead.
        remedy: what the reader of the message can do about it.
    """

    def __init__(self, rule: str, remedy: str = DAMAGED) -> None:
        super().__init__(rule)
        self.rule, self.remedy = rule, remedy
        self.keys: list[str] = []

    def inside(self, key: object) -> Refusal:
        """Say that the fault lies in the entry `key` of a container; called from the inside outwards."""
        self.keys.insert(0, shown(str(key)) if isinstance(key, (str, int, float)) else "(key)")
        return self

    def as_error(self, file: Path) -> DataError:
        """Return the error a user sees."""
        place = "/".join(self.keys)
        return DataError(self.rule, file=file, row=place or None, remedy=self.remedy)


def shown(text: str) -> str:
    """Return foreign text fit for a message: printable and short."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text[:_SHOWN_LETTERS])
    return printable + ("..." if len(text) > _SHOWN_LETTERS else "")
