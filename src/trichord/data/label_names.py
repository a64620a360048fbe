"""Labels that are stored as numbers, and what the numbers are called."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from trichord.data.references import Place, parse_reference
from trichord.errors import ConfigError, DataError


def check_label_names(references: Mapping[str, str], labels: Collection[str]) -> None:
    """Raise `ConfigError` where names are given for no label, or not as a plain column ("FILE:KEY")."""
    for label, spelling in references.items():
        if label not in labels:
            raise ConfigError(f"label names are given for {label!r}, which is not imported; labels: {list(labels)}")
        if parse_reference(spelling).ids is not None:
            raise ConfigError(f"the names of {label!r} are counted from 0 and have no ids, got {spelling!r}")


def name_numbers(values: list[Any], place: Place, names: list[Any], names_place: Place) -> list[str | None]:
    """Put names in the place of numbers.

    Args:
        values: numbers, None where one is not known, which it stays.
        place: where they were read, for messages.
        names: what the numbers are called, counted from 0.
        names_place: where the names were read.

    Raises:
        DataError: a name is no text, is blank or there twice, or a number has none.
    """
    if not all(isinstance(name, str) and name.strip() for name in names) or len(set(names)) != len(names):
        raise DataError(
            "names of a label are texts, none blank or given twice",
            file=names_place.file,
            row=names_place.key,
            remedy="give every number a name of its own",
        )
    for row, value in enumerate(values):
        numbered = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (numbered and 0 <= value < len(names)):
            raise DataError(
                f"{value!r} is not the number of one of the {len(names)} names in {names_place}, counted from 0",
                file=str(place),
                row=row,
                remedy="correct the numbers, or import the label without names",
            )
    return [None if value is None else names[value] for value in values]
