"""A report as plain JSON data and back; what does not fit the record exactly is refused, with the place named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from trichord.errors import DataError
from trichord.files import read_json, write_json
from trichord.reports.mmlora.record import MMLoRAReport

WRITTEN_AGAIN = "write it again by `trichord study mmlora`"


def to_dict(report: MMLoRAReport) -> dict[str, Any]:
    """Return plain data for JSON that `from_dict` turns back into an equal report."""
    plain: dict[str, Any] = _plain(report)
    return plain


def from_dict(data: Any, *, file: str | Path | None = None) -> MMLoRAReport:
    """Rebuild a report from `to_dict`.

    Args:
        data: plain data.
        file: where it was read, for the message of an error.

    Raises:
        DataError: a field is missing, unknown, of another type, or a number is not finite.
    """
    report: MMLoRAReport = _rebuilt(data, MMLoRAReport, "", file)
    return report


def write_table(path: str | Path, report: MMLoRAReport) -> None:
    """Write a report as JSON, atomically. A number that is not finite is refused."""
    write_json(path, to_dict(report))


def read_table(path: str | Path) -> MMLoRAReport:
    """Read what `write_table` wrote.

    Raises:
        DataError: the file is missing, is no JSON, or holds something else.
    """
    return from_dict(read_json(path), file=path)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def _rebuilt(value: Any, wanted: Any, place: str, file: str | Path | None) -> Any:
    """Return `value` as the type `wanted`: a record, a tuple of one type, a mapping from names, or a leaf."""
    origin, parts = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        inner = next(part for part in parts if part is not type(None))
        return None if value is None else _rebuilt(value, inner, place, file)
    if is_dataclass(wanted):
        hints = get_type_hints(wanted)
        _expect(isinstance(value, dict), value, "an object", place, file)
        _compare_names(set(value), set(hints), place, file)
        return wanted(**{name: _rebuilt(value[name], hints[name], _below(place, name), file) for name in hints})  # type: ignore[operator]
    if origin is tuple:
        _expect(isinstance(value, list), value, "a list", place, file)
        return tuple(_rebuilt(entry, parts[0], f"{place}[{at}]", file) for at, entry in enumerate(value))
    if origin is Literal:
        _expect(value in parts, value, f"one of {', '.join(map(repr, parts))}", place, file)
        return value
    if origin is not None:
        _expect(isinstance(value, dict), value, "an object", place, file)
        return {key: _rebuilt(entry, parts[1], _below(place, key), file) for key, entry in value.items()}
    return _leaf(value, wanted, place, file)


def _leaf(value: Any, wanted: type, place: str, file: str | Path | None) -> Any:
    if wanted is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        _expect(number, value, "a finite number", place, file)
        return float(value)
    fits = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
    _expect(fits, value, {str: "a text", int: "a whole number", bool: "true or false"}[wanted], place, file)
    return value


def _expect(holds: bool, value: Any, words: str, place: str, file: str | Path | None) -> None:
    if not holds:
        where = f"{place!r} of the table" if place else "the table"
        raise DataError(f"{where} must be {words}, not {_short(value)}", file=file, remedy=WRITTEN_AGAIN)


def _compare_names(found: set[str], known: set[str], place: str, file: str | Path | None) -> None:
    where = repr(place) if place else "the table"
    for names, fault in ((known - found, "lacks"), (found - known, "has an unknown")):
        if names:
            raise DataError(f"{where} {fault} {', '.join(map(repr, sorted(names)))}", file=file, remedy=WRITTEN_AGAIN)


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
