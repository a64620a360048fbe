"""What a data set says about itself: the records, and dataset.json read and written strictly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trichord.errors import ConfigError, DataError, nearest
from trichord.files import read_json, write_json
from trichord.modality import STANDARD, Modality, check_distinct

FORMAT, VERSION = "trichord-dataset", 1
RAW_WIDTHS = {"image": 3, "frames": 3, "waveform": 1, "text": 1}
"""Kinds of inputs that a pretrained backbone reads, and values per pixel, sample or caption."""
KINDS = ("pooled", "sequence", "words", *RAW_WIDTHS)
_REQUIRED = ("format", "version", "name", "modalities")
_OPTIONAL = ("notes", "description", "transforms")


@dataclass(frozen=True)
class Stream:
    """Features of whole source videos, of which items are cut.

    Args:
        name: part of the file name, "2d" in video.2d.npy.
        dim: width of a row.
        rate: rows per second.
    """

    name: str
    dim: int
    rate: float

    def __post_init__(self) -> None:
        if not self.name.isalnum() or self.name in ("items", "offsets", "words", "vocabulary"):
            raise ConfigError(f"a stream's name is letters and digits, and no name of another file; got {self.name!r}")
        if type(self.dim) is not int or self.dim < 1 or not 0 < self.rate < math.inf:
            raise ConfigError(f"stream {self.name!r} has a positive dim and rate, got {self.dim!r} and {self.rate!r}")


@dataclass(frozen=True)
class WordsSource:
    """Where the word vectors of a modality of kind "words" come from.

    Args:
        source: name of the file of word vectors, for people.
        fingerprint: what identifies it; models and data of unlike word vectors do not go together.
        tokenizer: how captions were cut into words.
        tokens, known: words of all captions, and those of them that have a vector; 0 where they were not counted.
    """

    source: str
    fingerprint: str
    tokenizer: str
    tokens: int = 0
    known: int = 0


@dataclass(frozen=True)
class ModalityHeader:
    """What dataset.json states about one modality.

    Args:
        modality: its name and letter.
        kind: "pooled" (one vector per instance), "sequence" (a number of vectors per instance), "words" (a number of
            word ids per instance, and one table of word vectors for all), or raw: "image" (one per instance), "frames"
            (a number of images per instance), "waveform" (a recording of one channel), "text" (a caption).
        dim: width of the vectors; of the word vectors for "words". Raw inputs have the width in `RAW_WIDTHS`, and as
            prepared for a backbone (`trichord.data.prepared`) the width that it reads.
        streams: where features lie once per source video: the streams an item's segment is cut of. Pooled: the
            maximum over the segment's rows of each stream, brought to length one, side by side. Sequence: the rows of
            the one stream.
        max_steps: rows that are read of a cut sequence at most; None reads all.
        words: where the word vectors come from; for "words" only.
        rate: samples per second; for "waveform" only.
    """

    modality: Modality
    kind: str
    dim: int
    streams: tuple[Stream, ...] = ()
    max_steps: int | None = None
    words: WordsSource | None = None
    rate: int | None = None

    def __post_init__(self) -> None:
        name = self.modality.name
        if self.kind not in KINDS:
            raise ConfigError(f"the kind of {name!r} is {self.kind!r}; {nearest(str(self.kind), KINDS)}")
        if type(self.dim) is not int or self.dim < 1:
            raise ConfigError(f"the dim of {name!r} is a positive integer, got {self.dim!r}")
        if (self.kind == "words") != (self.words is not None):
            raise ConfigError(f"{name!r}: the kind 'words', and no other, says where its word vectors come from")
        if (self.kind == "waveform") != (type(self.rate) is int and self.rate > 0):
            raise ConfigError(
                f"{name!r}: a waveform, and no other kind, has a rate, a whole number of samples per second; got the "
                f"kind {self.kind!r} and the rate {self.rate!r}"
            )
        if self.max_steps is not None and (not self.streams or self.kind != "sequence" or self.max_steps < 1):
            raise ConfigError(f"{name!r}: max_steps is a positive number, of sequences that are cut from a stream")
        if self.streams:
            self._check_streams(name)

    def _check_streams(self, name: str) -> None:
        names = [stream.name for stream in self.streams]
        if (
            self.kind not in ("pooled", "sequence")
            or len(set(names)) != len(names)
            or (self.kind == "sequence" and len(names) > 1)
        ):
            raise ConfigError(
                f"{name!r}: pooled features are cut from streams of distinct names, a sequence from one stream; got "
                f"kind {self.kind!r} and streams {names}"
            )
        if sum(stream.dim for stream in self.streams) != self.dim:
            raise ConfigError(f"{name!r} is {self.dim} wide, its streams {[stream.dim for stream in self.streams]}")


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
    """One modality of an opened data set.

    Args:
        modality, kind, dim: as in `ModalityHeader`.
        num_instances: counted over all items.
        num_words: size of the table of word vectors, for "words"; 0 for other kinds.
        words: where the word vectors come from, for "words"; None for other kinds.
        cut: whether it is cut from features of whole source videos.
        rate: samples per second, for "waveform"; None for other kinds.
        preparation: what identifies how raw inputs were prepared for a backbone; "" for raw inputs as they are, and
            for features.
    """

    modality: Modality
    kind: str
    dim: int
    num_instances: int
    num_words: int = 0
    words: WordsSource | None = None
    cut: bool = False
    rate: int | None = None
    preparation: str = ""


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
    modalities = {entry.modality.name: _modality_to_dict(entry) for entry in header.modalities}
    data: dict[str, Any] = {"format": FORMAT, "version": VERSION, "name": header.name, "modalities": modalities}
    if header.notes:
        data["notes"] = header.notes
    if header.description:
        data["description"] = header.description
    if header.transforms:
        data["transforms"] = {name: list(steps) for name, steps in header.transforms.items()}
    write_json(path, data)


def _modality_to_dict(entry: ModalityHeader) -> dict[str, Any]:
    data: dict[str, Any] = {"letter": entry.modality.letter, "kind": entry.kind}
    if entry.kind not in RAW_WIDTHS:
        data["dim"] = entry.dim
    if entry.rate is not None:
        data["rate"] = entry.rate
    if entry.streams:
        data["streams"] = [asdict(stream) for stream in entry.streams]
    if entry.max_steps is not None:
        data["max_steps"] = entry.max_steps
    if entry.words is not None:
        data["words"] = asdict(entry.words)
    return data


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
    where = f"modalities.{name}"
    raw = RAW_WIDTHS.get(entry["kind"]) if isinstance(entry.get("kind"), str) else None
    if raw is None:
        _check_keys(entry, ("letter", "kind", "dim"), ("streams", "max_steps", "words"), path, where)
    else:
        _check_keys(entry, ("letter", "kind", *(("rate",) if entry["kind"] == "waveform" else ())), (), path, where)
    _check_type(entry["letter"], str, f"{where}.letter", path)
    _check_type(entry.get("streams", []), list, f"{where}.streams", path)
    streams = []
    for stream in entry.get("streams", []):
        _check_type(stream, dict, f"{where}.streams", path)
        _check_keys(stream, ("name", "dim", "rate"), (), path, f"{where}.streams")
        _check_type(stream["name"], str, f"{where}.streams.name", path)
        _check_type(stream["rate"], (int, float), f"{where}.streams.rate", path)
        streams.append(Stream(stream["name"], stream["dim"], float(stream["rate"])))
    words = None
    if "words" in entry:
        _check_type(entry["words"], dict, f"{where}.words", path)
        _check_keys(entry["words"], ("source", "fingerprint", "tokenizer"), ("tokens", "known"), path, f"{where}.words")
        for key, value in entry["words"].items():
            _check_type(value, int if key in ("tokens", "known") else str, f"{where}.words.{key}", path)
        words = WordsSource(**entry["words"])
    for key in ("max_steps", "rate"):
        if key in entry:
            _check_type(entry[key], int, f"{where}.{key}", path)
    return ModalityHeader(
        Modality(name, entry["letter"]),
        entry["kind"],
        entry["dim"] if raw is None else raw,
        tuple(streams),
        entry.get("max_steps"),
        words,
        entry.get("rate"),
    )


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


def _check_type(value: Any, kind: type | tuple[type, ...], where: str, path: Path) -> None:
    if not isinstance(value, kind):
        wanted = kind.__name__ if isinstance(kind, type) else " or ".join(one.__name__ for one in kind)
        raise DataError(
            f"expected {wanted}, found {type(value).__name__} ({value!r})",
            file=path,
            row=where,
            remedy="see docs/data-format.md",
        )
