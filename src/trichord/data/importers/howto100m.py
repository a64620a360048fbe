"""`trichord import howto100m`: a list of videos, a tree of npz files and caption.pickle, as MCN reads them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from tqdm import tqdm

from trichord.data.dataset import TABLE_FILE
from trichord.data.importers.clips import PublishedImport, held_out
from trichord.data.importers.entries import NUM_MELS, STREAM_DIM, Parts, check_mel, spelled
from trichord.data.importers.lists import read_list
from trichord.data.importers.narration import Narration, grow, read_narration
from trichord.data.packing import PackedItem, Packer, PackReport, Quarantined, Record
from trichord.data.readers import read_array
from trichord.data.specification import Header, ModalityHeader, Stream
from trichord.data.video_lists import look_like_clips, read_video_list
from trichord.errors import ConfigError, DataError
from trichord.foreign import read_pickle
from trichord.modality import AUDIO, TEXT, VIDEO

CAPTIONS_FILE = "caption.pickle"
RATES = {"2d": 1.0, "3d": 1.5, "spectrogram": 100.0}
FILES = {"2d": ("{}_2d.npz", "features"), "3d": ("{}_3d.npz", "features"), "spectrogram": ("{}_spec.npz", "arr_0")}


@dataclass(frozen=True, kw_only=True)
class HowTo100MImport(PublishedImport):
    """HowTo100M, or any narrated video in its format: features of whole videos, from which clips are cut.

    Every caption seeds a clip that is grown by its neighbours to `min_seconds`. Features are kept once per video, so
    that overlapping clips share them; clips are cut when they are read: the maximum of 2D rows (1 per second) and 3D
    rows (1.5 per second), each brought to length one, and the log-mel frames (100 per second).

    Splits: "train"; and "val" and "test", shares of the videos. Of a video held out, clips that do not overlap are
    taken, `held_out_clips` at most: overlapping ones would be wrong answers to each other's captions.

    Args:
        validation: share of the videos that becomes the split "val".
        test: share of the videos that becomes the split "test".
        held_out_clips: most clips of a video of "val" or "test".
        videos: training list; first line "path", then CATEGORY/FOLDER/ID.
        captions: caption.pickle; None takes it from the folder of the features.
        audio: folder of the _spec.npz files; None: that of the features.
        min_seconds: clips are grown to this length.
        audio_frames: log-mel frames read of a clip at most.
        max_array_bytes: largest array of an npz file once unpacked.
        exclude: lists (csv, jsonl, or an id per line) of videos that are evaluated on; they are left out. A data set,
            DIR or DIR:SPLIT, names the videos of its items.
    """

    videos: Path
    validation: float = 0.02
    test: float = 0.02
    held_out_clips: int = 5
    captions: Path | None = None
    audio: Path | None = None
    min_seconds: float = 10.0
    audio_frames: int = 1000
    max_array_bytes: int = 2**31
    exclude: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_seconds < 0 or self.audio_frames < 1 or self.held_out_clips < 1:
            raise ConfigError("min_seconds is at least 0, audio_frames and held_out_clips are at least 1")
        if not 0 <= self.test < 1 - self.validation:
            raise ConfigError(f"validation and test leave videos to train on, got {self.validation} and {self.test}")

    def split_of(self, video: str) -> str:
        """Return the split of a video, a function of its name alone."""
        if held_out(video, self.validation):
            return "val"
        return "test" if held_out(video, self.validation + self.test) else "train"


@dataclass(frozen=True)
class ListedVideo:
    """A row of the training list: the path of its folder below the features, and its id, the last part of it."""

    path: PurePosixPath

    @property
    def id(self) -> str:
        """The video's id."""
        return self.path.name


@dataclass(frozen=True)
class ExcludedVideos:
    """A list of evaluated videos, and the ids of those it takes out."""

    file: Path
    ids: frozenset[str]


def import_howto100m(config: HowTo100MImport) -> PackReport:
    """Import narrated video. One video is in memory at a time; started again after it was stopped, it goes on.

    A video with a missing or broken file is left out and listed with the reason.

    Raises:
        DataError: the list, the captions or the word vectors cannot be read, or too many videos are unusable.
        ConfigError: `out` exists.
    """
    listed = read_videos(config.videos)
    excluded = find_excluded(config.exclude, listed)
    if config.progress:
        for entry in excluded:
            taken = f"{entry.file}: takes {len(entry.ids):,} of {len(listed):,} listed videos out"
            tqdm.write(taken, file=sys.stderr)
    taken_by = {video: entry.file.name for entry in reversed(excluded) for video in entry.ids}
    wording = config.wording
    captions_file = config.captions or config.features / CAPTIONS_FILE
    header = _header(config)
    read = [
        config.videos,
        *map(_place_of, config.exclude),
        config.words,
        *([captions_file] if captions_file.is_file() else []),
    ]
    identity = config.identity(read)
    dtypes = {"video.2d": np.dtype(np.float16), "video.3d": np.dtype(np.float16)}
    dtypes["audio.spectrogram"] = np.dtype(config.audio_dtype)
    with Packer(config.out, header, dtypes, wording, identity, overwrite=config.overwrite) as packer:
        if packer.done < len(listed):
            captions = read_pickle(captions_file)
            if not isinstance(captions, dict):
                raise DataError(
                    f"expected a dictionary from video id to captions, found {type(captions).__name__}",
                    file=captions_file,
                    remedy="point at the published caption.pickle",
                )
            waiting = listed[packer.done :]
            bar = tqdm(waiting, "videos", len(listed), initial=packer.done, disable=None if config.progress else True)
            for video in bar:
                packer.add(video_record(video, captions.get(video.id), config, taken_by))
        return packer.finish(config.max_quarantined, progress=config.progress)


def read_videos(file: Path) -> list[ListedVideo]:
    """Read a training list: the column "path" of a csv; a leading "None/" is taken away.

    Raises:
        DataError: no such file or column, a path that leaves its folder, or a video that is listed twice.
    """
    rows = read_list(file).rows
    if not {"path", "id"} & rows[0].keys():
        found = ", ".join(map(spelled, rows[0]))
        raise DataError(
            f"the first line must be `path`, found {found}"
            if file.suffix == ".csv"
            else f"every line has the field `path`, found {found}",
            file=file,
            remedy="write it there, before the first video" if file.suffix == ".csv" else "name it so",
        )
    named = [str(row.get("path") or row.get("id") or "") for row in rows]
    if named and named[0] == "path" and "path" not in rows[0]:
        named = named[1:]
    if not named:
        raise DataError("the list names no video", file=file, remedy="check the path")
    videos, seen = [], dict[str, int]()
    for number, name in enumerate(named):
        path = PurePosixPath(name.replace("None/", "", 1) if name.startswith("None/") else name)
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise DataError(
                f"a path lies below the folder of the features, found {name!r}", file=file, row=number, remedy="mend it"
            )
        if path.name in seen:
            raise DataError(
                f"the video {path.name!r} is in rows {seen[path.name]} and {number}",
                file=file,
                row=number,
                remedy="list every video once",
            )
        seen[path.name] = number
        videos.append(ListedVideo(path))
    return videos


def find_excluded(lists: Sequence[Path], listed: Sequence[ListedVideo]) -> list[ExcludedVideos]:
    """Return which of the listed videos every list of evaluated ones takes out.

    Raises:
        DataError: a list takes none out because it names clips where videos are meant.
    """
    known = {video.id for video in listed}
    found = []
    for file in lists:
        named = frozenset(read_video_list(str(file)).ids)
        if not named & known and (shared := look_like_clips(known, named)):
            raise DataError(
                f"the list takes no video out because it names clips, such as {min(named)!r}; {shared} of their videos "
                "are among those to be imported",
                file=file,
                remedy="list the ids of the videos: those of YouCook2 are the first 11 characters of its clips",
            )
        found.append(ExcludedVideos(file, named & known))
    return found


def _place_of(asked: Path) -> Path:
    """Return the file to tell by whether a list is the same: the list, or of DIR or DIR:SPLIT the table of items."""
    path = asked if asked.exists() else Path(str(asked).rpartition(":")[0])
    return path / TABLE_FILE if path.is_dir() else path


def video_record(video: ListedVideo, captions: Any, config: HowTo100MImport, taken_by: Mapping[str, str]) -> Record:
    """Read a video's files and make its clips; one that cannot be used is listed with the reason.

    `taken_by` names the list of evaluated videos for each that one holds.
    """
    if video.id in taken_by:
        reason = f"it is in a list of evaluated videos, {taken_by[video.id]}"
        return Record(video.id, quarantined=[Quarantined(video.id, reason)], unwanted=True)
    if captions is None:
        return Record(video.id, quarantined=[Quarantined(video.id, "it has no captions")])
    parts = Parts(video.id)
    narration = parts.take("captions", read_narration, captions)
    streams = {name: parts.take(name, _read_stream, video, name, config) for name in FILES}
    if narration is None or any(values is None for values in streams.values()):
        return Record(video.id, quarantined=parts.quarantined)
    items = list(clips(video.id, narration, config, parts))
    if not items:
        return Record(video.id, quarantined=[*parts.quarantined, Quarantined(video.id, "none of its clips is usable")])
    by_modality = {
        VIDEO.name: {"2d": streams["2d"], "3d": streams["3d"]},
        AUDIO.name: {"spectrogram": streams["spectrogram"]},
    }
    return Record(video.id, items, by_modality, parts.quarantined)


def clips(video: str, narration: Narration, config: HowTo100MImport, parts: Parts) -> Iterator[PackedItem]:
    """Yield the clip of every caption, or of a video held out clips that do not overlap.

    A clip that ends before it starts is left out and listed. One without any caption text stays and is listed, and
    so is a video some of whose captions end before they start: clips that take these in have times that mean little.
    """
    split = config.split_of(video)
    taken: list[tuple[float, float]] = []
    if narration.not_text:
        found = f"{len(narration.not_text)} of its {len(narration.text)} captions are no text, as caption"
        parts.quarantined.append(Quarantined(video, f"{found} {narration.not_text[0]}; their words are missing"))
    swapped = np.flatnonzero(narration.end < narration.start)
    if len(swapped):
        found = f"{len(swapped)} of its {len(narration.text)} captions end before they start, as caption {swapped[0]}"
        parts.quarantined.append(Quarantined(video, f"{found}; the times of clips around them are as written"))
    for seed in range(len(narration.text)):
        name = f"{video}:{seed:04d}"
        clip = grow(narration, seed, config.min_seconds)
        start, end = max(0.0, float(narration.start[clip.first])), float(narration.end[clip.last])
        if end <= start:
            parts.quarantined.append(Quarantined(name, f"it ends at {end:g} s and starts at {start:g} s"))
            continue
        overlaps = any(start < other_end and other_start < end for other_start, other_end in taken)
        if split != "train" and (overlaps or len(taken) == config.held_out_clips):
            continue
        taken = [] if split == "train" else [*taken, (start, end)]
        caption = " ".join(text for text in (narration.text[k].strip() for k in clip.order) if text)
        if not caption:
            parts.quarantined.append(Quarantined(name, "text: it has no caption; the clip stays without"))
        columns = {"source": video, "start": start, "end": end, "captions": [caption] if caption else []}
        yield PackedItem(name, split, columns)


def _read_stream(video: ListedVideo, stream: str, config: HowTo100MImport) -> np.ndarray:
    name, key = FILES[stream]
    root = config.audio or config.features if stream == "spectrogram" else config.features
    values = read_array(root / video.path / name.format(video.id), key, config.max_array_bytes)
    if stream == "spectrogram":
        return check_mel(values, key, np.dtype(config.audio_dtype))
    if values.ndim != 2 or values.shape[1] != STREAM_DIM or not len(values) or values.dtype.kind != "f":
        raise DataError(
            f"{name.format(video.id)} holds time x {STREAM_DIM} floating-point numbers, found {values.dtype} of shape "
            f"{values.shape}",
            remedy="extract the features again",
        )
    with np.errstate(over="ignore"):
        packed = values.astype(np.float16)
    if not np.isfinite(packed).all():
        raise DataError(
            f"{name.format(video.id)} holds NaN, infinity or a value beyond float16", remedy="extract again"
        )
    return packed


def _header(config: HowTo100MImport) -> Header:
    words, dim = config.wording.describe()
    streams = (Stream("2d", STREAM_DIM, RATES["2d"]), Stream("3d", STREAM_DIM, RATES["3d"]))
    modalities = (
        ModalityHeader(VIDEO, "pooled", 2 * STREAM_DIM, streams=streams),
        ModalityHeader(
            AUDIO,
            "sequence",
            NUM_MELS,
            streams=(Stream("spectrogram", NUM_MELS, RATES["spectrogram"]),),
            max_steps=config.audio_frames,
        ),
        ModalityHeader(TEXT, "words", dim, words=words),
    )
    return Header("howto100m", modalities, description=f"narrated video, clips of {config.min_seconds:g} s and more")


HowTo100MImport.builds = import_howto100m
