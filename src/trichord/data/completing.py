"""The last step of an import: word ids, the table of items and the indices, made of the journal in small parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trichord.data.captioning import Wording
from trichord.data.dataset import SOURCES_FILE, TABLE_FILE
from trichord.data.gathering import GatheredInstances, GatheredTable, offsets
from trichord.data.specification import Header
from trichord.data.storage import modality_files
from trichord.data.streams import stream_files
from trichord.data.wording import show_caption
from trichord.data.words_storage import words_files
from trichord.errors import DataError
from trichord.files import write_text

HEADER_BYTES = 128
# Items that are held as plain objects at once.
_AT_ONCE = 4_000

Lines = Callable[[], Iterator[dict[str, Any]]]


@dataclass(frozen=True)
class WordlessCaption:
    """A caption of which no word is known, and the id of its item."""

    id: str
    caption: str


@dataclass(frozen=True)
class Completed:
    """The header, with the words counted, and the captions that were left out."""

    header: Header
    wordless: tuple[WordlessCaption, ...]


def complete(
    folder: Path, shown: Path, header: Header, wording: Wording | None, lines: Lines, *, progress: bool
) -> Completed:
    """Write everything but the features and dataset.json.

    Args:
        folder: where the arrays of features lie.
        shown: folder of the data set, for messages.
        header: its description.
        wording: how captions become word ids; None where no modality is of kind "words".
        lines: yields the lines of the journal, from the first one, as often as it is called.
        progress: show a bar while word vectors are read.

    Raises:
        DataError: the items break a rule of the table, the word vectors cannot be read, or no word of any caption has
            one.
    """
    table = GatheredTable()
    stored = {e.modality.name: GatheredInstances() for e in header.modalities if not e.streams}
    words = None if wording is None else _Words(folder, header, wording, lines, progress)
    for items in _in_parts(item for line in lines() for item in line["items"]):
        if words is not None:
            words.add(items)
        table.add([{"id": item["id"], "split": item["split"], **item["columns"]} for item in items])
        for name, instances in stored.items():
            instances.add([item["lengths"].get(name, []) for item in items])
    table.write(folder / TABLE_FILE, shown / TABLE_FILE)
    for entry in header.modalities:
        if entry.modality.name in stored:
            files = modality_files(folder, entry.modality.name)
            stored[entry.modality.name].save(files, pooled=entry.kind == "pooled")
    if any(entry.streams for entry in header.modalities):
        _write_sources(folder, header, lines)
    return Completed(header, ()) if words is None else words.finish(header)


def npy_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """Return the header of an .npy file, padded to the bytes that were left for it."""
    text = repr({"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape})
    assert len(text) < HEADER_BYTES - 11, text
    padded = text.ljust(HEADER_BYTES - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode("latin1")


class _Words:
    """The captions of all items, becoming ids part by part."""

    def __init__(self, folder: Path, header: Header, wording: Wording, lines: Lines, progress: bool) -> None:
        (self.entry,) = (entry for entry in header.modalities if entry.words is not None)
        captions = (item["columns"]["captions"] for line in lines() for item in line["items"])
        vocabulary = wording.look_up(captions, progress=progress)
        if not vocabulary.words:
            _refuse_unknown(folder, wording, lines)
        words_file, table_file = words_files(folder, self.entry.modality.name)
        write_text(words_file, json.dumps(list(vocabulary.words), ensure_ascii=False))
        np.save(table_file, vocabulary.vectors)
        self.wording, self.ids = wording, vocabulary.ids()
        self.file = modality_files(folder, self.entry.modality.name).values
        self.file.write_bytes(bytes(HEADER_BYTES))
        self.tokens = self.known = 0
        self.wordless: list[WordlessCaption] = []

    def add(self, items: list[dict[str, Any]]) -> None:
        """Write the ids of some items, and keep in them only captions of which a word is known."""
        worded = self.wording.index([item["columns"]["captions"] for item in items], self.ids)
        for item, captions, lengths in zip(items, worded.captions, worded.lengths, strict=True):
            item["columns"]["captions"] = captions
            item["lengths"][self.entry.modality.name] = lengths
        self.wordless += [WordlessCaption(items[place]["id"], caption) for place, caption in worded.wordless]
        self.tokens, self.known = self.tokens + worded.coverage.tokens, self.known + worded.coverage.known
        with open(self.file, "ab") as handle:
            handle.write(np.ascontiguousarray(worded.ids, np.int32).data)

    def finish(self, header: Header) -> Completed:
        """Complete the file of ids and count the words in the header."""
        with open(self.file, "rb+") as handle:
            handle.write(npy_header(np.dtype(np.int32), (self.known,)))
        assert self.entry.words is not None, "chosen by it"
        counted = replace(self.entry.words, tokens=self.tokens, known=self.known)
        modalities = tuple(replace(e, words=counted) if e is self.entry else e for e in header.modalities)
        return Completed(replace(header, modalities=modalities), tuple(self.wordless))


def _refuse_unknown(folder: Path, wording: Wording, lines: Lines) -> None:
    """Raise where there are captions, none of whose words is known."""
    items = (item for line in lines() for item in line["items"])
    captions = (caption for item in items for caption in item["columns"]["captions"])
    first = next(captions, None)
    if first is None:
        return
    every = (token.written for caption in (first, *captions) for token in wording.tokenizer.split(caption))
    shown = ", ".join(repr(word) for word in islice(dict.fromkeys(islice(every, 1000)), 2))
    raise DataError(
        f"no word of any caption has a vector, among them {shown}"
        if shown
        else f"no caption holds a word, the first of them {show_caption(first)}",
        file=wording.vectors,
        remedy="give the vectors of the captions' language (--words), or cut captions by another one (--language); "
        f"remove {folder} first, which keeps what was read for the same command",
    )


def _write_sources(folder: Path, header: Header, lines: Lines) -> None:
    names: list[str] = []
    rows: dict[tuple[str, str], list[int]] = {
        (entry.modality.name, stream.name): [] for entry in header.modalities for stream in entry.streams
    }
    for line in lines():
        if line["source"]:
            names.append(line["key"])
            for (modality, stream), found in rows.items():
                found.append(line["rows"][f"{modality}.{stream}"])
    pq.write_table(pa.table({"id": pa.array(names, pa.string())}), folder / SOURCES_FILE)
    for (modality, stream), found in rows.items():
        np.save(stream_files(folder, modality, stream)[1], offsets(found))


def _in_parts(items: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    for item in items:
        part.append(item)
        if len(part) == _AT_ONCE:
            yield part
            part = []
    if part:
        yield part
