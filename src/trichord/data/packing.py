"""Packing a data set record by record: memory of one record, taken up after a kill, renamed into place at the end.

The arrays grow in a work folder beside the data set. Of every record a line in the journal says how many rows it gave
to each array; on taking up, arrays are cut back to what the journal accounts for. The journal's first line says what is
being imported, so that an import of other files or settings is never continued by mistake.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from trichord.data.captioning import Wording
from trichord.data.completing import HEADER_BYTES, complete, npy_header
from trichord.data.dataset import HEADER_FILE, Dataset
from trichord.data.journal import JOURNAL_FILE, Journal
from trichord.data.specification import Header, write_header
from trichord.data.wording import show_caption
from trichord.data.writing import check_place, replace_folder
from trichord.errors import DataError
from trichord.files import write_json

QUARANTINE_FILE, IMPORT_FILE = "quarantine.json", "import.json"


@dataclass(frozen=True)
class Quarantined:
    """Something that was left out: the item's id, and why."""

    id: str
    reason: str

    def to_text(self) -> str:
        """Return it for a terminal: letters of any script as they are, what does not print as its escape."""
        text = f"{self.id}: {self.reason}"
        return "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
        )


@dataclass(frozen=True)
class PackedItem:
    """One item.

    Args:
        id, split: as in the table of items.
        columns: its other columns; every item has the same ones.
        features: modality -> its instances: vectors (dim,) or sequences (time, dim). A modality that is cut from
            streams has none, and words are looked up for the captions when all are known.
    """

    id: str
    split: str
    columns: Mapping[str, Any]
    features: Mapping[str, Sequence[np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What one unit of an import (an entry of a pickle, a video) makes.

    Args:
        key: its name in the files imported; the name of the source, where there are streams.
        items: its items; none where it was quarantined.
        streams: modality -> stream -> (rows, dim) features of the whole source.
        quarantined: what was left out of it.
        unwanted: it has no items because it was not to be imported; it does not count as unusable.
    """

    key: str
    items: Sequence[PackedItem] = ()
    streams: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    quarantined: Sequence[Quarantined] = ()
    unwanted: bool = False


@dataclass(frozen=True)
class PackReport:
    """What was packed: the data set, and what was left out of it."""

    dataset: Dataset
    quarantined: tuple[Quarantined, ...]


class Packer:
    """Packs records; a context manager. See the top of this file.

    Args:
        out: folder of the data set.
        header: its description.
        dtypes: name of an array (a modality, or MODALITY.STREAM) -> its number format.
        wording: how captions become word ids; None where the header has no modality of kind "words".
        identity: what is imported, in plain data: files with sizes, settings.
        overwrite: replace a data set that is already there.

    Raises:
        ConfigError: `out` exists and may not be replaced.
        DataError: an import of something else was interrupted here, or is running; or, before anything is made, the
            file of word vectors is damaged.
    """

    def __init__(
        self,
        out: Path,
        header: Header,
        dtypes: Mapping[str, np.dtype],
        wording: Wording | None,
        identity: Mapping[str, Any],
        *,
        overwrite: bool = False,
    ) -> None:
        if (out / HEADER_FILE).is_file():
            # Left behind by a kill after the finished set was moved into place.
            (out / JOURNAL_FILE).unlink(missing_ok=True)
        check_place(out, overwrite)
        self.out, self.header, self.wording = out, header, wording
        self.folder = out.with_name(f".{out.name}.import")
        if wording is not None and not (self.folder / JOURNAL_FILE).exists():
            # Its words are looked up last, and a mended file would be another import: all would be read again.
            wording.check()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.widths = dict(_widths(header))
        self.dtypes = {name: dtypes[name] for name in self.widths}
        self.arrays: dict[str, BinaryIO] = {}
        self.identity = json.loads(json.dumps(dict(identity)))
        begin = {"import": self.identity, "header": str(header), "dtypes": str(self.dtypes)}
        self.journal = Journal(self.folder, begin)
        try:
            self._count()
            for name in self.widths:
                self.arrays[name] = self._open_array(name)
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __enter__(self) -> Packer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self.arrays.values():
            handle.close()
        self.journal.close()

    def add(self, record: Record) -> None:
        """Append a record. When this returns, a kill no longer loses it."""
        rows = dict.fromkeys(self.widths, 0)
        items = []
        for item in record.items:
            lengths = {
                name: [self._append(name, part, rows) for part in parts] for name, parts in item.features.items()
            }
            items.append({"id": item.id, "split": item.split, "columns": dict(item.columns), "lengths": lengths})
        for name, streams in record.streams.items():
            for stream, values in streams.items():
                self._append(f"{name}.{stream}", values, rows)
        for handle in self.arrays.values():
            handle.flush()
        line = {
            "key": record.key,
            "rows": rows,
            "items": items,
            "source": bool(record.streams),
            "quarantined": [asdict(entry) for entry in record.quarantined],
            "unwanted": record.unwanted,
        }
        self.journal.append(line)
        self.done += 1
        for name, number in rows.items():
            self.rows[name] += number

    def finish(self, max_quarantined: float, *, progress: bool = False) -> PackReport:
        """Complete the data set and move it into place.

        Args:
            max_quarantined: largest share of the records that may be left out altogether, or lose a modality that then
                no item has; where more are, something is set wrong, and the data set is not made. What was packed is
                kept for another call.
            progress: show a bar while word vectors are read.

        Raises:
            DataError: too much is unusable, or no word of any caption has a vector.
        """
        quarantined = self._check_lost(max_quarantined)
        for name, handle in self.arrays.items():
            handle.seek(0)
            handle.write(npy_header(self.dtypes[name], (self.rows[name], self.widths[name])))
            handle.flush()
            os.fsync(handle.fileno())
        lines = self.journal.lines
        completed = complete(self.folder, self.out, self.header, self.wording, lines, progress=progress)
        for left in completed.wordless:
            reason = f"no word of the caption is known: {show_caption(left.caption)}; the caption was left out"
            quarantined.append(Quarantined(left.id, reason))
        write_json(self.folder / IMPORT_FILE, self.identity)
        write_json(self.folder / QUARANTINE_FILE, [asdict(entry) for entry in quarantined])
        write_header(self.folder / HEADER_FILE, completed.header)
        Dataset.open(self.folder)
        replace_folder(self.folder, self.out)
        (self.out / JOURNAL_FILE).unlink(missing_ok=True)
        return PackReport(Dataset.open(self.out), tuple(quarantined))

    def _check_lost(self, max_quarantined: float) -> list[Quarantined]:
        """Return what was left out; raise where it is too much."""
        quarantined, wanted, lost = [], 0, 0
        for line in self.journal.lines():
            quarantined += [Quarantined(**entry) for entry in line["quarantined"]]
            wanted += not line["unwanted"]
            lost += not line["unwanted"] and not line["items"]
        listed = "; ".join(entry.to_text() for entry in quarantined[:3])
        if lost == wanted:
            raise DataError(
                f"none of {self.done} records makes an item{listed and ': '}{listed}",
                file=self.out,
                remedy="mend the files or the list of them",
            )
        if lost > max_quarantined * wanted:
            raise DataError(
                f"{lost} of {wanted} records cannot be used, more than {max_quarantined:.0%}: {listed}",
                file=self.out,
                remedy="mend the files, or allow it with --max-quarantined; what was read is kept for that",
            )
        for name in self._absent():
            without = [entry for entry in quarantined if entry.reason.startswith(f"{name}: ")]
            number = len({entry.id for entry in without})
            if number > max_quarantined * wanted:
                raise DataError(
                    f"no item has {name}, and {number} of them because it cannot be used, more than "
                    f"{max_quarantined:.0%} of {wanted} records: {without[0].to_text()}",
                    file=self.out,
                    remedy="mend the files, or allow it with --max-quarantined 1; what was read is kept for that",
                )
        return quarantined

    def _absent(self) -> list[str]:
        """Return the modalities that no item has; those cut from streams lie with the sources, which have them all."""
        names = [entry.modality.name for entry in self.header.modalities if self.rows.get(entry.modality.name) == 0]
        worded = [entry.modality.name for entry in self.header.modalities if entry.words is not None]
        items = (item for line in self.journal.lines() for item in line["items"])
        return names if not worded or any(item["columns"]["captions"] for item in items) else [*names, *worded]

    def _count(self) -> None:
        """Count what the journal accounts for."""
        self.done, self.rows = 0, dict.fromkeys(self.widths, 0)
        for line in self.journal.lines():
            self.done += 1
            for name in self.widths:
                self.rows[name] += line["rows"][name]

    def _open_array(self, name: str) -> BinaryIO:
        path = self.folder / f"{name}.npy"
        expected = HEADER_BYTES + self.rows[name] * self.widths[name] * self.dtypes[name].itemsize
        # A kill can come between making the file and the bytes left for its header.
        if not path.exists() or (not self.rows[name] and path.stat().st_size < expected):
            path.write_bytes(bytes(HEADER_BYTES))
        if path.stat().st_size < expected:
            raise DataError(
                f"the array has {path.stat().st_size} bytes, and the journal accounts for {expected}: the machine went "
                "down while it was written",
                file=path,
                remedy=f"remove {self.folder} and import anew",
            )
        handle = open(path, "rb+")  # noqa: SIM115
        handle.truncate(expected)
        handle.seek(expected)
        return handle

    def _append(self, name: str, values: np.ndarray, rows: dict[str, int]) -> int:
        """Write an instance and return its number of rows."""
        width = self.widths[name]
        shaped = values[None] if values.ndim == 1 else values
        assert shaped.shape[1:] == (width,), f"{name}: shape {values.shape}"
        self.arrays[name].write(np.ascontiguousarray(shaped, self.dtypes[name]).data)
        rows[name] += len(shaped)
        return len(shaped)


def read_quarantine(folder: Path) -> tuple[Quarantined, ...]:
    """Return what was left out when a data set was imported; nothing where no importer says so."""
    file = folder / QUARANTINE_FILE
    if not file.exists():
        return ()
    return tuple(Quarantined(**entry) for entry in json.loads(file.read_text(encoding="utf-8")))


def discard_import(out: Path) -> None:
    """Remove what an interrupted import left beside a data set."""
    shutil.rmtree(out.with_name(f".{out.name}.import"), ignore_errors=True)


def _widths(header: Header) -> Iterator[tuple[str, int]]:
    """Yield the arrays of features that grow record by record, and their widths."""
    for entry in header.modalities:
        name = entry.modality.name
        if entry.streams:
            yield from ((f"{name}.{stream.name}", stream.dim) for stream in entry.streams)
        elif entry.words is None:
            yield name, entry.dim
