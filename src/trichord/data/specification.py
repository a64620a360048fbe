"""What a data set says about itself: the records, and dataset.json read and written strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trichord.errors import ConfigError, DataError, nearest
from trichord.files import read_json, write_json
from trichord.modality import STANDARD, Modality, check_distinct

FORMAT, VERSION = "trichord-dataset", 1
KINDS = ("pooled", "sequence")
_REQUIRED = ("format", "version", "name", "modalities")
_OPTIONAL = ("notes", "description", "transforms")


@dataclass(frozen=True)
class ModalityHeader:
    """What dataset.json states about one modality.

    Args:
        modality: its name and letter.
        kind: "pooled" (one vector per instance) or "sequence" (a number of vectors per instance).
        dim: width of the vectors.
    """

    modality: Modality
    kind: str
    dim: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"the kind of {self.modality.name!r} is {self.kind!r}; {nearest(str(self.kind), KINDS)}")
        if type(self.dim) is not int or self.dim < 1:
            raise ConfigError(f"the dim of {self.modality.name!r} is a positive integer, got {self.dim!r}")


@dataclass(frozen=True)
class Header:
    """The content of dataset.json.

    Args:
        name: name of the data set, for tables.
        modalities: what each modality is, in the order in which they are to be listed.
        notes, description: free text.
        transforms: modality name -> what was done to its features, for the record.
    """

    name: str
    modalities: tuple[ModalityHeader, ...]
    notes: str = ""
    description: str = ""
    transforms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_distinct([entry.modality for entry in self.modalities])
        if not self.modalities:
            raise ConfigError("a data set has at least one modality")
        unknown = set(self.transforms) - {entry.modality.name for entry in self.modalities}
        if unknown:
            raise ConfigError(f"transforms are recorded for modalities that are not there: {sorted(unknown)}")


@dataclass(frozen=True)
class ModalitySpec:
    """One modality of an opened data set; `num_instances` is counted over all items."""

    modality: Modality
    kind: str
    dim: int
    num_instances: int


@dataclass(frozen=True)
class DatasetSpec:
    """An opened data set in numbers.

    Args:
        name: name of the data set.
        modalities: its modalities: video, audio and text first, then others in the order of dataset.json.
        num_items: number of items.
        splits: split name -> number of items, in order of first appearance.
    """

    name: str
    modalities: tuple[ModalitySpec, ...]
    num_items: int
    splits: Mapping[str, int]


def write_header(path: Path, header: Header) -> None:
    """Write dataset.json; optional keys that are empty are left out."""
    modalities = {
        entry.modality.name: {"letter": entry.modality.letter, "kind": entry.kind, "dim": entry.dim}
        for entry in header.modalities
    }
    data: dict[str, Any] = {"format": FORMAT, "version": VERSION, "name": header.name, "modalities": modalities}
    if header.notes:
        data["notes"] = header.notes
    if header.description:
        data["description"] = header.description
    if header.transforms:
        data["transforms"] = {name: list(steps) for name, steps in header.transforms.items()}
    write_json(path, data)


def read_header(path: Path) -> Header:
    """Read dataset.json; raise `DataError` on an unknown key, another format or version, or a value of a wrong type."""
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DataError(
            f'dataset.json is an object with "format": "{FORMAT}"',
            file=path,
            remedy="point at the folder of a data set, or make one with `trichord import`",
        )
    if data.get("version") != VERSION or isinstance(data["version"], bool):
        raise DataError(
            f"this trichord reads version {VERSION} of the format, found version {data.get('version')!r}",
            file=path,
            remedy="write the data set again with this version of trichord",
        )
    _check_keys(data, _REQUIRED, _OPTIONAL, path)
    _check_type(data["modalities"], dict, "modalities", path)
    for key in ("name", "notes", "description"):
        _check_type(data.get(key, ""), str, key, path)
    try:
        return Header(
            name=data["name"],
            modalities=_in_order([_read_modality(name, entry, path) for name, entry in data["modalities"].items()]),
            notes=data.get("notes", ""),
            description=data.get("description", ""),
            transforms=_read_transforms(data.get("transforms", {}), path),
        )
    except ConfigError as error:
        raise DataError(str(error), file=path, remedy="see docs/data-format.md") from error


def _in_order(modalities: list[ModalityHeader]) -> tuple[ModalityHeader, ...]:
    """Put video, audio and text first, so that orders and tasks of all data are spelled alike; then as in the file."""
    standard = [modality.name for modality in STANDARD]

    def place(entry: ModalityHeader) -> int:
        name = entry.modality.name
        return standard.index(name) if name in standard else len(standard)

    return tuple(sorted(modalities, key=place))


def _read_modality(name: str, entry: Any, path: Path) -> ModalityHeader:
    _check_type(entry, dict, f"modalities.{name}", path)
    _check_keys(entry, ("letter", "kind", "dim"), (), path, f"modalities.{name}")
    _check_type(entry["letter"], str, f"modalities.{name}.letter", path)
    return ModalityHeader(Modality(name, entry["letter"]), entry["kind"], entry["dim"])


def _read_transforms(data: Any, path: Path) -> dict[str, tuple[str, ...]]:
    _check_type(data, dict, "transforms", path)
    for name, steps in data.items():
        _check_type(steps, list, f"transforms.{name}", path)
    return {name: tuple(str(step) for step in steps) for name, steps in data.items()}


def _check_keys(
    data: dict[str, Any], required: tuple[str, ...], optional: tuple[str, ...], path: Path, where: str | None = None
) -> None:
    missing = [key for key in required if key not in data]
    unknown = [key for key in data if key not in (*required, *optional)]
    if missing or unknown:
        hint = f"{unknown[0]!r}: {nearest(unknown[0], (*required, *optional))} " if unknown else ""
        raise DataError(
            f"keys are missing: {missing}, unknown: {unknown}",
            file=path,
            row=where,
            remedy=f"{hint}See docs/data-format.md for the keys",
        )


def _check_type(value: Any, kind: type, where: str, path: Path) -> None:
    if not isinstance(value, kind):
        raise DataError(
            f"expected {kind.__name__}, found {type(value).__name__} ({value!r})",
            file=path,
            row=where,
            remedy="see docs/data-format.md",
        )
