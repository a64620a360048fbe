"""Exceptions a user may see. Each message names the place, the rule that was broken and the remedy."""

from __future__ import annotations

from pathlib import Path


class TrichordError(ValueError):
    """Base of every error that is the user's to mend; the command line prints it without a traceback."""


class ConfigError(TrichordError):
    """A configuration breaks a rule: an unknown name, a value out of range, parts that do not fit together."""


class RunError(TrichordError):
    """A run folder cannot be used: of another version, incomplete, busy, or made from other data."""


class ProtocolError(TrichordError):
    """Two results were measured under protocols that differ, or a result breaks a rule of measurement."""


class TrainingError(TrichordError):
    """Training cannot go on: a loss that is not finite, a frozen part that moved, nothing left to learn."""


class DataError(TrichordError):
    """Data break a rule of their format.

    Args:
        rule: what must hold, and what was found instead.
        file: the file the fault was found in, if it lies in one.
        row: the row, item id or key inside the file.
        remedy: what the reader of the message can do about it.
    """

    def __init__(self, rule: str, *, file: str | Path | None = None, row: object = None, remedy: str) -> None:
        place = "" if file is None else str(file)
        if row is not None:
            place = f"{place}, row {row!r}" if place else f"row {row!r}"
        sentence = f"{rule}. {remedy[:1].upper()}{remedy[1:]}"
        super().__init__(f"{place}: {sentence}" if place else sentence)
        self.rule, self.file, self.row, self.remedy = rule, file, row, remedy


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Return "did you mean 'x'?" for the known name most like `name`, or the list of known names."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"
