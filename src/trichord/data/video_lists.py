"""Which videos a data set, or a published list, names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trichord.data.dataset import Dataset
from trichord.data.importers.lists import ListFile, read_list
from trichord.data.leakage import split_videos
from trichord.errors import ConfigError, DataError, nearest

FIELDS = ("video_id", "youtube_id", "vid", "id", "path")
SPLIT = "split"
_YOUTUBE_CLIP = re.compile(r"([\w-]{11})_\d.*")


@dataclass(frozen=True)
class VideoList:
    """Videos, and where their ids were read.

    Args:
        name: the list as it was asked for.
        ids: ids of the videos, in the order they were found; one that has several clips occurs several times.
        read_from: column or field, in words.
    """

    name: str
    ids: tuple[str, ...]
    read_from: str


def read_video_list(asked: str, field: str | None = None, characters: int | None = None) -> VideoList:
    """Read the videos of a data set or of a list file.

    Of a data set, the video of an item is its source, or its own id where the table has none. Of a list file (csv with
    a header, jsonl, jsonl.gz, or one id per line) it is the first of the fields `FIELDS` that the rows have; of a path,
    as in the lists of HowTo100M, the last part counts.

    Args:
        asked: folder of a data set, or a list file; followed by ":SPLIT" or ":SPLIT+SPLIT", only items of these splits,
            or rows whose field "split" is one of them. Without it, all of them.
        field: field of a list file that holds the videos; None: as above. Has no meaning for a data set.
        characters: compare the first so many characters of every id: 11 makes videos of the ids of YouCook2's clips.

    Raises:
        DataError: nothing is there, or rows lack the field.
        ConfigError: there is no such split, or no character is left.
    """
    path, splits = _place(asked)
    if path.is_dir():
        dataset = Dataset.open(path)
        found = split_videos(dataset, *(splits or dataset.spec.splits))
        read_from = "the items' ids" if dataset.source is None else "the column source"
    else:
        listed = _rows_of(read_list(path), splits)
        name = _field(listed, field)
        found = [_last_part(value) if name == "path" else value for value in map(str, listed.column(name))]
        read_from = f"the field {name}"
    if characters is not None:
        if characters < 1:
            raise ConfigError(f"at least one character of an id is compared, got {characters}")
        found, read_from = [video[:characters] for video in found], f"{read_from}, first {characters} characters"
    return VideoList(asked, tuple(found), read_from)


def look_like_clips(training: Iterable[str], evaluated: Iterable[str]) -> int:
    """Return how many videos two lists share if ids such as GLd3aX16zBg_90_102 are clips of GLd3aX16zBg."""
    learnt, measured = ({_video_of(name) for name in names} for names in (training, evaluated))
    return len(learnt & measured)


def _place(asked: str) -> tuple[Path, tuple[str, ...]]:
    """Split "PATH:SPLIT"; a path that exists as it is written is taken so."""
    before, colon, after = asked.rpartition(":")
    if not colon or Path(asked).exists():
        return Path(asked), ()
    if not after or not before:
        raise ConfigError(f"a split is named after the colon, as in DIR:train; got {asked!r}")
    return Path(before), tuple(after.split("+"))


def _rows_of(listed: ListFile, splits: tuple[str, ...]) -> ListFile:
    if not splits:
        return _without_heading(listed)
    found = listed.column(SPLIT)
    unknown = [split for split in splits if split not in found]
    if unknown:
        known = sorted(set(map(str, found)))
        raise ConfigError(f"{listed.file}: there is no split {unknown[0]!r}; {nearest(unknown[0], known)}")
    return ListFile(listed.file, [row for row, split in zip(listed.rows, found, strict=True) if split in splits])


def _without_heading(listed: ListFile) -> ListFile:
    """A list of one path per line may begin with the word "path", as those of HowTo100M do."""
    if listed.rows[0] != {"id": "path"} or len(listed.rows) == 1:
        return listed
    return ListFile(listed.file, [{"path": row["id"]} for row in listed.rows[1:]])


def _field(listed: ListFile, asked: str | None) -> str:
    known = sorted({key for row in listed.rows for key in row})
    if asked is not None:
        if asked not in known:
            raise DataError(f"there is no field {asked!r}", file=listed.file, remedy=nearest(asked, known))
        return asked
    named = [name for name in FIELDS if name in known]
    if not named:
        raise DataError(
            f"no field names videos; fields: {', '.join(known)}", file=listed.file, remedy="say which one (--field)"
        )
    return named[0]


def _last_part(path: str) -> str:
    return PurePosixPath(path).name


def _video_of(name: str) -> str:
    clip = _YOUTUBE_CLIP.fullmatch(name)
    return name if clip is None else clip[1]
