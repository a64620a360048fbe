"""`trichord import arrays`: a data set from .npz, .npy and .jsonl files. Every part is pointed at, none is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trichord.config import Config
from trichord.data.alignment import Alignment, aligned_captions, aligned_column, index_ids
from trichord.data.dataset import Dataset
from trichord.data.label_names import check_label_names, name_numbers
from trichord.data.readers import read_array, read_column
from trichord.data.references import Place, Reference, parse_all_named, parse_reference, parse_references
from trichord.data.specification import RAW_WIDTHS, DatasetSpec
from trichord.data.table import FIXED_COLUMNS
from trichord.data.transforms import check_transform, describe_transform, transform
from trichord.data.writing import ModalityArrays, write_dataset
from trichord.errors import ConfigError, DataError

ROWS = "rows"


@dataclass(frozen=True, kw_only=True)
class ArraysImport(Config):
    """What to import from where.

    A reference is FILE:KEY, where FILE is an .npz (KEY an array) or a .jsonl (KEY a field of every line), or an .npy
    without KEY. "@IDKEY" names the item id of each of its rows: then rows may come in any order, items may be missing,
    and a modality or captions may have several rows per item, whose order is kept. Without it row i is item i, and the
    numbers must agree.

    Args:
        out: folder of the data set to make.
        name: name of the data set.
        modality: "NAME=FILE:KEY[@IDKEY][#OFFSETSKEY]", one entry per modality; "#OFFSETSKEY" makes it a sequence;
            several references joined by "+" are put side by side.
        ids: reference to the item ids, or "rows": the items have no ids, and are numbered by row.
        split: reference to the split of each item.
        captions: reference to captions: a string, or a list of strings, per row.
        source: reference to the source video of each item.
        start, end: references to the segment's limits in seconds.
        label: "NAME=FILE:KEY[@IDKEY]", one entry per label.
        label_names: "NAME=FILE:KEY", for a label that is a number: what its numbers, counted from 0, are called. The
            name takes the number's place.
        transform: "MODALITY=log" for log(x + 1e-4), "MODALITY=l2" for unit length; applied in the order given.
        letter: "MODALITY=LETTER" for modalities other than video, audio and text.
        raw: "MODALITY=image", "MODALITY=frames" or "MODALITY=waveform/RATE" for raw inputs, RATE in samples per second,
            and "MODALITY=text" for the captions, which need no entry in `modality`. Only pretrained encoders read them.
        ignore_unknown: leave rows out whose id no item has, and count them, instead of refusing them.
        max_member_bytes: largest array of an .npz once unpacked.
        overwrite: replace a data set that is already at `out`.
        notes: free text kept in dataset.json.
    """

    out: str
    name: str
    modality: tuple[str, ...]
    ids: str
    split: str
    captions: str | None = None
    source: str | None = None
    start: str | None = None
    end: str | None = None
    label: tuple[str, ...] = ()
    label_names: tuple[str, ...] = ()
    transform: tuple[str, ...] = ()
    letter: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    ignore_unknown: bool = False
    max_member_bytes: int = 2**34
    overwrite: bool = False
    notes: str = ""

    def __post_init__(self) -> None:
        names = parse_all_named(self.modality, "the modality")
        texts = {name: kind for name, (kind, _) in self.raw_kinds.items() if kind == "text"}
        if set(texts) & set(names):
            raise ConfigError(f"text is the captions, so {sorted(set(texts) & set(names))} names no array")
        names |= texts
        if not names:
            raise ConfigError("name at least one modality: modality video=FILE:KEY")
        for name, spelling in names.items():
            if name not in texts and len(parse_references(spelling)) > 1 and name in self.raw_kinds:
                raise ConfigError(f"raw inputs are one array, not several side by side: {spelling!r}")
        both = sorted(set(self.transforms) & set(self.raw_kinds))
        if both:
            raise ConfigError(f"raw inputs are not transformed, the processor of an encoder prepares them: {both}")
        letters = parse_all_named(self.letter, "the letter of")
        said = {"letter": set(letters), "transform": set(self.transforms), "raw": set(self.raw_kinds)}
        for what, chosen in said.items():
            unknown = chosen - set(names)
            if unknown:
                raise ConfigError(f"{what} names {sorted(unknown)}, which is not imported; modalities: {list(names)}")
        for label in parse_all_named(self.label, "the label"):
            if label in FIXED_COLUMNS:
                raise ConfigError(f"a label cannot be called {label!r}; reserved: {', '.join(FIXED_COLUMNS)}")
        named = parse_all_named(self.label_names, "the names of")
        check_label_names(named, parse_all_named(self.label, "the label"))
        for reference in (*self.columns.values(), self.captions, None if self.ids == ROWS else self.ids):
            if reference is not None:
                parse_reference(reference)

    @property
    def raw_kinds(self) -> dict[str, tuple[str, int | None]]:
        """Modality -> the kind of its raw inputs, and the rate of waveforms."""
        found: dict[str, tuple[str, int | None]] = {}
        for name, value in parse_all_named(self.raw, "the kind of").items():
            kind, _, rate = value.partition("/")
            if kind not in RAW_WIDTHS or (kind == "waveform") != (rate.isdecimal() and int(rate) > 0):
                raise ConfigError(
                    f"raw inputs are {name}=image, {name}=frames, {name}=waveform/RATE or {name}=text, got {value!r}"
                )
            found[name] = (kind, int(rate) if rate else None)
        return found

    @property
    def transforms(self) -> dict[str, tuple[str, ...]]:
        """Modality -> its transforms, in order."""
        found: dict[str, tuple[str, ...]] = {}
        for spelling in self.transform:
            ((name, value),) = parse_all_named((spelling,), "the transform of").items()
            found[name] = (*found.get(name, ()), check_transform(value))
        return found

    @property
    def columns(self) -> dict[str, str]:
        """Column of the table -> its reference; captions and ids aside."""
        fixed = {"split": self.split, "source": self.source, "start": self.start, "end": self.end}
        return {
            **{name: spelling for name, spelling in fixed.items() if spelling is not None},
            **parse_all_named(self.label, "the label"),
        }


@dataclass(frozen=True)
class ImportReport:
    """What an import made.

    Args:
        path: folder of the data set.
        spec: what is in it.
        ignored: reference -> number of rows that were left out because no item has their id.
    """

    path: Path
    spec: DatasetSpec
    ignored: Mapping[str, int]


class _Importer:
    """The files of one import, its items, and what was ignored."""

    def __init__(self, config: ArraysImport) -> None:
        self.config = config
        self.ignored: dict[str, int] = {}
        self.ids, self.places = self._read_ids()

    def _read_ids(self) -> tuple[list[str], dict[str, int]]:
        if self.config.ids == ROWS:
            reference = parse_reference(self.config.split)
            if reference.ids is not None:
                raise ConfigError('with ids "rows" the split is a plain column, without @IDKEY')
            number = len(self._column(reference.place))
            return index_ids(list(range(number)), ROWS, None)
        place = parse_reference(self.config.ids).place
        split = parse_reference(self.config.split)
        splits = self._column(split.place) if split.ids is None else None
        return index_ids(self._column(place), str(place), splits)

    def _column(self, place: Place) -> list[Any]:
        return read_column(place.file, place.key, self.config.max_member_bytes)

    def align(self, reference: Reference, num_rows: int) -> Alignment:
        """Find the item of each row of a reference."""
        row_ids = None if reference.ids is None else self._column(reference.ids)
        found = Alignment.find(str(reference.place), num_rows, row_ids, self.ids, self.places)
        found.refuse_unknown(self.config.ignore_unknown)
        if found.num_unknown:
            self.ignored[str(reference.place)] = found.num_unknown
        return found

    def table(self) -> Any:
        columns: dict[str, Any] = {"id": self.ids}
        named = parse_all_named(self.config.label_names, "the names of")
        for name, spelling in self.config.columns.items():
            reference = parse_reference(spelling)
            values = self._column(reference.place)
            if name in named:
                names = parse_reference(named[name]).place
                values = name_numbers(values, reference.place, self._column(names), names)
            values = aligned_column(values, self.align(reference, len(values)), len(self.ids))
            columns[name] = [None if v is None else str(v) for v in values] if name in ("split", "source") else values
        if self.config.captions is not None:
            reference = parse_reference(self.config.captions)
            values = self._column(reference.place)
            columns["captions"] = aligned_captions(values, self.align(reference, len(values)), len(self.ids))
        try:
            return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(
                f"a column mixes kinds of values ({error})", remedy="give every row of a label the same type"
            ) from error

    def raw(self, name: str, kind: str, rate: int | None, spelling: str | None) -> ModalityArrays:
        letter = parse_all_named(self.config.letter, "the letter of").get(name)
        if spelling is None:
            return ModalityArrays(None, letter=letter, kind=kind)
        reference = parse_reference(spelling)
        values = read_array(reference.place.file, reference.place.key, self.config.max_member_bytes)
        offsets = self._offsets(reference)
        rows = self.align(reference, len(values) if offsets is None else len(offsets) - 1)
        sorted_values, items, sorted_offsets = rows.arrange(values, offsets)
        return ModalityArrays(sorted_values, items, sorted_offsets, letter, kind=kind, rate=rate)

    def modality(self, name: str, spelling: str) -> ModalityArrays:
        references = parse_references(spelling)
        parts = [read_array(entry.place.file, entry.place.key, self.config.max_member_bytes) for entry in references]
        for reference, part in zip(references, parts, strict=True):
            if part.ndim != 2 or part.dtype.kind != "f":
                raise DataError(
                    f"features are floating-point numbers of two axes, found {part.dtype} of shape {part.shape}",
                    file=reference.place.file,
                    row=reference.place.key,
                    remedy="choose another array, or convert it",
                )
        offsets = [self._offsets(entry) for entry in references]
        rows = [
            self.align(entry, len(part) if offset is None else len(offset) - 1)
            for entry, part, offset in zip(references, parts, offsets, strict=True)
        ]
        for reference, part, row, offset in zip(references, parts, rows, offsets, strict=True):
            row.check_finite(part, offset)
            if len(part) != len(parts[0]) or not row.same_items(rows[0]) or not _equal(offset, offsets[0]):
                raise DataError(
                    f"arrays put side by side have the same rows, ids and offsets; this one differs from "
                    f"{references[0].place}",
                    file=reference.place.file,
                    row=reference.place.key,
                    remedy="bring their rows into one order",
                )
        values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        steps = self.config.transforms.get(name, ())
        for step in steps:
            values = transform(values, step, spelling)
        letter = parse_all_named(self.config.letter, "the letter of").get(name)
        sorted_values, items, sorted_offsets = rows[0].arrange(values, offsets[0])
        return ModalityArrays(sorted_values, items, sorted_offsets, letter, tuple(map(describe_transform, steps)))

    def _offsets(self, reference: Reference) -> np.ndarray | None:
        place = reference.offsets
        if place is None:
            return None
        offsets = read_array(place.file, place.key, self.config.max_member_bytes)
        if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or len(offsets) < 1 or (np.diff(offsets) < 1).any():
            wrong = np.flatnonzero(np.diff(offsets.ravel()) < 1)
            raise DataError(
                f"offsets are whole numbers that ascend, one more than sequences; found {offsets.dtype} of shape "
                f"{offsets.shape}",
                file=place.file,
                row=f"{place.key} {int(wrong[0]) + 1}" if len(wrong) else place.key,
                remedy="write np.concatenate([[0], np.cumsum(lengths)])",
            )
        return offsets.astype(np.int64)


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return (one is None and other is None) or (
        one is not None and other is not None and bool(np.array_equal(one, other))
    )


def import_arrays(config: ArraysImport) -> ImportReport:
    """Import a data set.

    Raises:
        DataError: a file, key, row or id breaks a rule; the message names it. Nothing is written.
        ConfigError: the arguments contradict each other, or `out` exists.
    """
    importer = _Importer(config)
    table = importer.table()
    named, raw = parse_all_named(config.modality, "the modality"), config.raw_kinds
    names = [*named, *(name for name in raw if name not in named)]
    dataset: Dataset = write_dataset(
        config.out,
        name=config.name,
        items=table,
        modalities={
            name: importer.raw(name, *raw[name], named.get(name))
            if name in raw
            else importer.modality(name, named[name])
            for name in names
        },
        notes=config.notes,
        overwrite=config.overwrite,
    )
    return ImportReport(dataset.path, dataset.spec, importer.ignored)


ArraysImport.builds = import_arrays
