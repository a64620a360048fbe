"""Packing a data set record by record: memory of one record, taken up after a kill, renamed into place at the end.

The arrays grow in a work folder beside the data set. Of every record a line in the journal says how many rows it gave
to each array; on taking up, arrays are cut back to what the journal accounts for. The journal's first line says what is
being imported, so that an import of other files or settings is never continued by mistake.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trichord.data.captioning import Wording
from trichord.data.dataset import HEADER_FILE, SOURCES_FILE, TABLE_FILE, Dataset
from trichord.data.specification import Header, ModalityHeader, write_header
from trichord.data.storage import modality_files
from trichord.data.streams import stream_files
from trichord.data.table import check_table
from trichord.data.wording import show_caption
from trichord.data.words_storage import words_files
from trichord.data.writing import check_place, replace_folder
from trichord.errors import DataError
from trichord.files import write_json, write_text

JOURNAL, QUARANTINE_FILE, IMPORT_FILE = "journal.jsonl", "quarantine.json", "import.json"
HEADER_BYTES = 128


@dataclass(frozen=True)
class Quarantined:
    """Something that was left out: the item's id, and why."""

    id: str
    reason: str


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
        DataError: an import of something else was interrupted here, or is running.
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
        check_place(out, overwrite)
        self.out, self.header, self.wording = out, header, wording
        self.folder = out.with_name(f".{out.name}.import")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.widths = dict(_widths(header))
        self.dtypes = {
            name: np.dtype(np.int32) if width is None else dtypes[name] for name, width in self.widths.items()
        }
        self.arrays: dict[str, BinaryIO] = {}
        self.identity = json.loads(json.dumps(dict(identity)))
        self.journal = self._take_up({"import": self.identity, "header": str(header), "dtypes": str(self.dtypes)})
        try:
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
        self.journal.write(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        self.journal.flush()
        self.done += 1
        for name, number in rows.items():
            self.rows[name] += number

    def finish(self, max_quarantined: float, *, progress: bool = False) -> PackReport:
        """Complete the data set and move it into place.

        Args:
            max_quarantined: largest share of the records that may be left out altogether; where more are, something is
                set wrong, and the data set is not made. What was packed is kept for another call.
            progress: show a bar while word vectors are read.
        """
        lines = list(self._lines())
        quarantined = [Quarantined(**entry) for line in lines for entry in line["quarantined"]]
        self._check_lost(lines, max_quarantined, quarantined)
        for name, handle in self.arrays.items():
            handle.seek(0)
            handle.write(_npy_header(self.dtypes[name], self.rows[name], self.widths[name]))
            handle.flush()
            os.fsync(handle.fileno())
        items = [item for line in lines for item in line["items"]]
        header, wordless = self._write_words(items, progress)
        for item, caption in wordless:
            reason = f"no word of the caption is known: {show_caption(caption)}; the caption was left out"
            quarantined.append(Quarantined(items[item]["id"], reason))
        self._write_tables(lines, items)
        for entry in self.header.modalities:
            self._write_index(entry, lines, items)
        write_json(self.folder / IMPORT_FILE, self.identity)
        write_json(self.folder / QUARANTINE_FILE, [asdict(entry) for entry in quarantined])
        write_header(self.folder / HEADER_FILE, header)
        Dataset.open(self.folder)
        replace_folder(self.folder, self.out)
        (self.out / JOURNAL).unlink()
        return PackReport(Dataset.open(self.out), tuple(quarantined))

    def _check_lost(
        self, lines: Sequence[Mapping[str, Any]], max_quarantined: float, quarantined: Sequence[Quarantined]
    ) -> None:
        wanted = [line for line in lines if not line["unwanted"]]
        lost = sum(not line["items"] for line in wanted)
        listed = "; ".join(f"{entry.id}: {entry.reason}" for entry in quarantined[:3])
        if lost == len(wanted):
            raise DataError(
                f"none of {len(lines)} records makes an item{listed and ': '}{listed}",
                file=self.out,
                remedy="mend the files or the list of them",
            )
        if lost > max_quarantined * len(wanted):
            raise DataError(
                f"{lost} of {len(wanted)} records cannot be used, more than {max_quarantined:.0%}: {listed}",
                file=self.out,
                remedy="mend the files, or allow it with --max-quarantined; what was read is kept for that",
            )

    def _write_words(self, items: Sequence[dict[str, Any]], progress: bool) -> tuple[Header, list[tuple[int, str]]]:
        """Look up the words of all captions, write them, and keep in the items only captions of which one is known."""
        if self.wording is None:
            return self.header, []
        (entry,) = (entry for entry in self.header.modalities if entry.words is not None)
        worded = self.wording.index([item["columns"]["captions"] for item in items], progress=progress)
        name = entry.modality.name
        for item, captions, lengths in zip(items, worded.captions, worded.lengths, strict=True):
            item["columns"]["captions"], item["lengths"][name] = captions, lengths
        words_file, table_file = words_files(self.folder, name)
        write_text(words_file, json.dumps(list(worded.table.words), ensure_ascii=False))
        np.save(table_file, worded.table.vectors)
        np.save(modality_files(self.folder, name).values, worded.ids)
        assert entry.words is not None, "chosen by it"
        counted = replace(entry.words, tokens=worded.coverage.tokens, known=worded.coverage.known)
        modalities = tuple(replace(e, words=counted) if e is entry else e for e in self.header.modalities)
        return replace(self.header, modalities=modalities), worded.wordless

    def _take_up(self, identity: Mapping[str, Any]) -> IO[bytes]:
        """Open the journal, locked, after dropping a last line that was cut short."""
        path = self.folder / JOURNAL
        handle = open(path, "ab+")  # noqa: SIM115
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.close()
            raise DataError(
                "another import is writing here", file=self.folder, remedy="wait for it, or stop it"
            ) from error
        try:
            self._read_journal(handle, json.loads(json.dumps(dict(identity))))
        except BaseException:
            handle.close()
            raise
        return handle

    def _read_journal(self, journal: IO[bytes], identity: Mapping[str, Any]) -> None:
        """Count what the journal accounts for; begin it where it is empty."""
        journal.seek(0)
        self.done, self.rows, whole = -1, dict.fromkeys(self.widths, 0), 0
        for raw in journal:
            if not raw.endswith(b"\n"):
                break
            line = self._parse(raw)
            if self.done < 0 and line != identity:
                raise DataError(
                    "an import of other files or with other settings was interrupted here",
                    file=self.folder,
                    remedy="finish it with the same command, or remove this folder",
                )
            for name in self.widths if self.done >= 0 else ():
                self.rows[name] += line["rows"][name]
            self.done += 1
            whole += len(raw)
        journal.truncate(whole)
        if self.done < 0:
            journal.write(json.dumps(identity).encode() + b"\n")
            journal.flush()
            self.done = 0

    def _parse(self, line: bytes) -> Any:
        try:
            return json.loads(line)
        except ValueError as error:
            raise DataError(
                f"the journal is damaged ({error})", file=self.folder / JOURNAL, remedy="remove its folder, import anew"
            ) from error

    def _lines(self) -> Iterator[dict[str, Any]]:
        with open(self.folder / JOURNAL, "rb") as journal:
            next(journal)
            yield from map(self._parse, journal)

    def _open_array(self, name: str) -> BinaryIO:
        path = self.folder / f"{name}.npy"
        expected = HEADER_BYTES + self.rows[name] * self.widths[name] * self.dtypes[name].itemsize
        if not path.exists():
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

    def _write_tables(self, lines: Sequence[Mapping[str, Any]], items: Sequence[Mapping[str, Any]]) -> None:
        # Offsets of large strings are 64 bits: captions of a large corpus have more than 2 GB.
        large = {"source": pa.large_string(), "captions": pa.large_list(pa.large_string())}
        columns = {name: pa.array([item[name] for item in items], pa.large_string()) for name in ("id", "split")}
        for name in items[0]["columns"]:
            columns[name] = pa.array([item["columns"][name] for item in items], large.get(name))
        table = check_table(pa.table(columns), self.out / TABLE_FILE)
        pq.write_table(table, self.folder / TABLE_FILE)
        if any(entry.streams for entry in self.header.modalities):
            names = [line["key"] for line in lines if line["source"]]
            pq.write_table(pa.table({"id": pa.array(names, pa.string())}), self.folder / SOURCES_FILE)

    def _write_index(
        self, entry: ModalityHeader, lines: Sequence[Mapping[str, Any]], items: Sequence[Mapping[str, Any]]
    ) -> None:
        name = entry.modality.name
        for stream in entry.streams:
            rows = [line["rows"][f"{name}.{stream.name}"] for line in lines if line["source"]]
            np.save(stream_files(self.folder, name, stream.name)[1], _offsets(rows))
        if entry.streams:
            return
        per_item = [item["lengths"].get(name, []) for item in items]
        files = modality_files(self.folder, name)
        owners = np.repeat(np.arange(len(per_item)), [len(lengths) for lengths in per_item]).astype(np.int64)
        np.save(files.items, owners)
        if entry.kind != "pooled":
            np.save(files.offsets, _offsets([length for lengths in per_item for length in lengths]))


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


def _offsets(lengths: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _npy_header(dtype: np.dtype, rows: int, width: int) -> bytes:
    """Return the header of an .npy file, padded to the bytes that were left for it."""
    text = repr({"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (rows, width)})
    assert len(text) < HEADER_BYTES - 11, text
    padded = text.ljust(HEADER_BYTES - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode("latin1")
