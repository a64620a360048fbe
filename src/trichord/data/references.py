"""How the importer's arguments point into files: "FILE:KEY", "NAME=FILE:KEY@IDKEY#OFFSETSKEY", joined by "+"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trichord.errors import ConfigError

_PART = re.compile(
    r"(?P<file>.+?\.(?P<kind>npz|npy|jsonl))(?::(?P<key>[^@#+]+))?(?:@(?P<ids>[^#+]+))?(?:#(?P<offsets>[^@+]+))?(?:\+|$)"
)


@dataclass(frozen=True)
class Place:
    """An array or a field: `key` of `file`; key is None for .npy."""

    file: Path
    key: str | None

    def __str__(self) -> str:
        return str(self.file) if self.key is None else f"{self.file}:{self.key}"


@dataclass(frozen=True)
class Reference:
    """A place, the item ids of its rows, and the offsets of its sequences; None means that there are none."""

    place: Place
    ids: Place | None
    offsets: Place | None


def parse_reference(spelling: str) -> Reference:
    """Read "FILE:KEY[@IDKEY][#OFFSETSKEY]"; see `parse_references`."""
    found = parse_references(spelling)
    if len(found) > 1:
        raise ConfigError(f"one array is expected here, got {len(found)} joined by '+': {spelling!r}")
    return found[0]


def parse_references(spelling: str) -> tuple[Reference, ...]:
    """Read references joined by "+".

    FILE ends in .npz, .npy or .jsonl. KEY is an array of the .npz or a field of the .jsonl, and absent for .npy.
    IDKEY and OFFSETSKEY are keys of the same file, or references to another ("ids.npy", "other.npz:ids").
    """
    parts: list[Reference] = []
    position = 0
    while position < len(spelling):
        match = _PART.match(spelling, position)
        if match is None:
            break
        place = _place(Path(match["file"]), match["key"], spelling)
        parts.append(Reference(place, _other(match["ids"], place), _other(match["offsets"], place)))
        position = match.end()
    if not parts or position < len(spelling) or spelling.endswith("+"):
        raise ConfigError(
            f"{spelling!r} is not FILE:KEY[@IDKEY][#OFFSETSKEY] with FILE ending in .npz, .npy or .jsonl "
            "(several joined by '+')"
        )
    return tuple(parts)


def _other(spelling: str | None, place: Place) -> Place | None:
    if spelling is None:
        return None
    match = re.fullmatch(r"(?P<file>.+?\.(?:npz|npy|jsonl))(?::(?P<key>.+))?", spelling)
    if match is None:
        return _place(place.file, spelling, spelling)
    return _place(Path(match["file"]), match["key"], spelling)


def _place(file: Path, key: str | None, spelling: str) -> Place:
    if (key is None) != (file.suffix == ".npy"):
        raise ConfigError(f"{spelling!r}: an .npy file takes no key, .npz and .jsonl files need one (FILE:KEY)")
    return Place(file, key)


def parse_named(spelling: str) -> tuple[str, str]:
    """Read "NAME=VALUE"; NAME is an identifier."""
    name, equals, value = spelling.partition("=")
    if not equals or not name.isidentifier() or not value:
        raise ConfigError(f"expected NAME=VALUE with a name like 'video', got {spelling!r}")
    return name, value


def parse_all_named(spellings: tuple[str, ...], what: str) -> dict[str, str]:
    """Read several "NAME=VALUE"; raise `ConfigError` when a name occurs twice."""
    named: dict[str, str] = {}
    for spelling in spellings:
        name, value = parse_named(spelling)
        if name in named:
            raise ConfigError(f"{what} {name!r} is given twice: {named[name]!r} and {value!r}")
        named[name] = value
    return named
