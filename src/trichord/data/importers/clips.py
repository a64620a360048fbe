"""Importing pickles of clips: what YouCook2, MSR-VTT and LSMDC have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from trichord.config import Config
from trichord.data.captioning import Wording
from trichord.data.importers.entries import (
    NUM_MELS,
    STREAM_DIM,
    Parts,
    clip_vector,
    entry_id,
    log_mel,
    read_entries,
    sentences,
    spelled,
)
from trichord.data.packing import PackedItem, Packer, PackReport, Quarantined, Record
from trichord.data.specification import Header, ModalityHeader
from trichord.data.tokens import EnglishConfig, JapaneseConfig, Tokenizer
from trichord.errors import ConfigError, DataError
from trichord.modality import AUDIO, TEXT, VIDEO
from trichord.randomness import derive_seed

Language = Literal["english", "english-or-lower-case", "japanese"]


@dataclass(frozen=True, kw_only=True)
class PublishedImport(Config):
    """What every import of published files is told.

    Args:
        features: folder that holds the published files.
        out: folder of the data set to make.
        words: file of word vectors, word2vec binary (published: GoogleNews-vectors-negative300.bin).
        language: how captions are cut into words: "english" as published (as written, no lower-casing),
            "english-or-lower-case" (a word that is unknown as written is looked up in lower case), "japanese".
        audio_dtype: number format of log-mel frames on disk; float16 keeps decibels to 0.03.
        validation: share of the training videos that becomes the split "val", to choose epochs by. A video is in it or
            not by its name alone.
        max_quarantined: largest share of entries that may be unusable altogether, or lose a modality that then no item
            has.
        overwrite: replace a data set that is already at `out`.
        progress: show progress bars.
    """

    features: Path
    out: Path
    words: Path
    language: Language = "english"
    audio_dtype: Literal["float16", "float32"] = "float16"
    validation: float = 0.05
    max_quarantined: float = 0.1
    overwrite: bool = False
    progress: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.validation < 1 or not 0 <= self.max_quarantined <= 1:
            raise ConfigError(
                f"validation lies in [0, 1) and max_quarantined in [0, 1], got {self.validation} and "
                f"{self.max_quarantined}"
            )

    @property
    def wording(self) -> Wording:
        """How captions become word ids."""
        return Wording(make_tokenizer(self.language), self.words)

    def identity(self, files: Sequence[Path]) -> dict[str, Any]:
        """Return what is imported, so that an interrupted import is only continued as the same."""
        settings = {k: str(v) for k, v in vars(self).items() if k not in ("max_quarantined", "overwrite", "progress")}
        return {**settings, "files": {str(f): [f.stat().st_size, f.stat().st_mtime_ns] for f in files}}


def make_tokenizer(language: Language) -> Tokenizer:
    """Return the tokenizer of a language."""
    if language == "japanese":
        japanese: Tokenizer = JapaneseConfig().build()
        return japanese
    english: Tokenizer = EnglishConfig(lower_case_fallback=language == "english-or-lower-case").build()
    return english


def held_out(source: str, share: float) -> bool:
    """Whether a training video is used for validation: a function of its name alone."""
    return derive_seed(0, f"validation/{source}") < share * 2**63


@dataclass(frozen=True)
class ClipFormat:
    """Where a published pickle of clips keeps what.

    Args:
        captions: key of the captions.
        video: keys of the pooled vectors.
        source: id of an entry -> id of its video.
        columns: entry -> further columns of the table.
        numbered: whether an id is shared by the clips of a video, which are then numbered in the order they come.
    """

    captions: str
    video: tuple[str, ...]
    source: Callable[[str], str]
    columns: Callable[[Mapping[str, Any]], dict[str, Any]] = field(default=lambda entry: {})
    numbered: Callable[[str], bool] = field(default=lambda name: False)


@dataclass(frozen=True)
class ClipFile:
    """One pickle of clips: where it lies, its format, and the split its clips are in."""

    file: Path
    format: ClipFormat
    split: str


@dataclass
class Seen:
    """What was imported before an entry: id -> place, id -> split of its file, how many clips a shared id has had."""

    places: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    clips: Counter[str] = field(default_factory=Counter)


def clip_record(entry: Mapping[str, Any], source: ClipFile, row: int, seen: Seen, config: PublishedImport) -> Record:
    """Make the item of an entry. A part that is broken is left out and listed; the item stays, without it.

    An entry without a usable id is left out altogether, and so is one whose id was there before: nothing tells which of
    the two is meant.

    Raises:
        DataError: the clip is in a training file and in one of the test.
    """
    place = f"{source.file.name}[{row}]"
    try:
        name = entry_id(entry, source.file, row)
    except DataError as error:
        return Record(place, quarantined=[Quarantined(place, error.rule)])
    if source.format.numbered(name):
        seen.clips[name] += 1
        name = f"{name}_{seen.clips[name] - 1}"
    if seen.splits.get(name, source.split) != source.split:
        raise DataError(
            f"the clip {spelled(name)} is in {seen.places[name]} too: it would be trained on and tested on",
            file=source.file,
            row=row,
            remedy="train on a part without it, or remove it from one of the files",
        )
    if name in seen.places:
        return Record(place, quarantined=[Quarantined(name, f"its id was there before, at {seen.places[name]}")])
    seen.places[name], seen.splits[name] = place, source.split
    parts = Parts(name)
    vector = parts.take("video", clip_vector, entry, source.format.video)
    frames = parts.take("audio", log_mel, entry, "audio", np.dtype(config.audio_dtype))
    found = parts.take("text", sentences, entry, source.format.captions) or []
    captions = [caption for caption in found if caption.strip()]
    if len(captions) < len(found):
        blank = f"text: {len(found) - len(captions)} of its {len(found)} captions are empty; they were left out"
        parts.quarantined.append(Quarantined(name, blank))
    video = source.format.source(name)
    split = "val" if source.split == "train" and held_out(video, config.validation) else source.split
    features = {} if vector is None else {VIDEO.name: [vector]}
    features |= {} if frames is None else {AUDIO.name: [frames]}
    columns = {"source": video, "captions": captions, **source.format.columns(entry)}
    return Record(place, [PackedItem(name, split, columns, features)], quarantined=parts.quarantined)


def clips_header(name: str, wording: Wording, description: str) -> Header:
    """Return the header of a data set of clips: pooled video, log-mel frames, words."""
    words, dim = wording.describe()
    modalities = (
        ModalityHeader(VIDEO, "pooled", 2 * STREAM_DIM),
        ModalityHeader(AUDIO, "sequence", NUM_MELS),
        ModalityHeader(TEXT, "words", dim, words=words),
    )
    return Header(name, modalities, description=description, transforms={VIDEO.name: ("2D and 3D stream: x / |x|",)})


def import_clips(
    config: PublishedImport,
    name: str,
    files: Sequence[ClipFile],
    *,
    absent: Callable[[Mapping[str, str]], Iterator[Record]] = lambda seen: iter(()),
    lists: Sequence[Path] = (),
    description: str,
) -> PackReport:
    """Import pickles of clips into one data set; see `PublishedImport` and `clip_record`.

    One pickle is in memory at a time. Started again after it was stopped, it goes on.

    Args:
        config: what is imported.
        name: name of the data set.
        files: the pickles.
        absent: called with id -> place of all clips that were there; makes the records of those that were not.
        lists: further files that what is imported depends on.
        description: for dataset.json.
    """
    for source in files:
        if not source.file.is_file():
            raise DataError("the file does not exist", file=source.file, remedy="put the published file there")
    wording = config.wording
    header = clips_header(name, wording, description)
    dtypes = {VIDEO.name: np.dtype(np.float32), AUDIO.name: np.dtype(config.audio_dtype)}
    identity = config.identity([*(source.file for source in files), *lists, config.words])
    with Packer(config.out, header, dtypes, wording, identity, overwrite=config.overwrite) as packer:
        number, seen = 0, Seen()

        def add(record: Record) -> None:
            nonlocal number
            if number >= packer.done:
                packer.add(record)
            number += 1

        for source in files:
            hidden = None if config.progress else True
            for row, entry in tqdm(read_entries(source.file), desc=source.file.name, unit="clip", disable=hidden):
                add(clip_record(entry, source, row, seen, config))
        for record in absent(seen.places):
            add(record)
        return packer.finish(config.max_quarantined, progress=config.progress)
