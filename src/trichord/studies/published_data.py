"""Folders of published files as data sets: imported once beside the study, and opened where that was done before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trichord.data import Dataset
from trichord.data.dataset import HEADER_FILE
from trichord.data.importers.clips import Language, PublishedImport
from trichord.data.importers.howto100m import CAPTIONS_FILE, HowTo100MImport, import_howto100m, read_videos
from trichord.data.importers.lsmdc import TEST_FILE as LSMDC_TEST_FILE
from trichord.data.importers.lsmdc import TRAIN_FILE as LSMDC_TRAIN_FILE
from trichord.data.importers.lsmdc import LsmdcImport, import_lsmdc
from trichord.data.importers.msrvtt import LIST_FILE as MSRVTT_LIST_FILE
from trichord.data.importers.msrvtt import TEST_FILE as MSRVTT_TEST_FILE
from trichord.data.importers.msrvtt import TRAIN_FILES, MsrvttImport, import_msrvtt
from trichord.data.importers.youcook2 import TEST_FILE as YOUCOOK2_TEST_FILE
from trichord.data.importers.youcook2 import TRAIN_FILE as YOUCOOK2_TRAIN_FILE
from trichord.data.importers.youcook2 import YouCook2Import, import_youcook2
from trichord.data.packing import IMPORT_FILE, PackReport
from trichord.errors import DataError
from trichord.files import read_json

WORDS_FILE = "GoogleNews-vectors-negative300.bin"
# Of narrated video, about so many videos are held out for validation and as many for a test, within these shares.
HELD_OUT_VIDEOS, SHARE_AT_LEAST, SHARE_AT_MOST = 20, 0.001, 0.15
_TRAIN_FILES = {
    "youcook2": {"": YOUCOOK2_TRAIN_FILE},
    "msrvtt": {key: TRAIN_FILES[key] for key in ("7k", "9k")},
    "lsmdc": {"": LSMDC_TRAIN_FILE},
}
_NEEDED_FILES = {
    "youcook2": (YOUCOOK2_TEST_FILE,),
    "msrvtt": (MSRVTT_TEST_FILE, MSRVTT_LIST_FILE),
    "lsmdc": (LSMDC_TEST_FILE,),
    "howto100m": (CAPTIONS_FILE,),
}
LIST_FILES = ("HowTo100M_1166_videopaths.txt", "HowTo100M_336_videopaths.txt", "videopaths.csv")


@dataclass(frozen=True)
class PublishedFolders:
    """Where the published files of a study lie.

    Args:
        folders: name of a data set ("youcook2", "msrvtt", "lsmdc", "howto100m") -> its folder, of published files or
            already imported.
        words: file of word vectors; None: GoogleNews-vectors-negative300.bin in one of the folders or beside them.
        videos: training list of HowTo100M; None: a list of a published name in its folder.
        language: how captions are cut into words.
    """

    folders: Mapping[str, Path]
    words: Path | None = None
    videos: Path | None = None
    language: Language = "english"


@dataclass(frozen=True)
class OpenedFolder:
    """A data set, and what was not there when it was imported, in sentences."""

    dataset: Dataset
    missing: tuple[str, ...]


def open_folders(published: PublishedFolders, out: Path, *, progress: bool = True) -> dict[str, OpenedFolder]:
    """Open or import every folder.

    All folders are looked at before anything is imported.

    Args:
        published: the folders.
        out: where data sets are made: out/NAME.
        progress: show progress bars.

    Raises:
        DataError: a folder or a file in it is missing or broken, or a data set in `out` was made from other files.
    """
    for name, folder in published.folders.items():
        if not folder.is_dir():
            raise DataError("the folder does not exist", file=folder, remedy=f"check the path given as --{name}")
    raw = {name: folder for name, folder in published.folders.items() if not (folder / HEADER_FILE).exists()}
    words = find_words(published, raw) if raw else None
    for name in published.folders.keys() - raw.keys():
        _ready(name, published.folders[name])
    plans = {} if words is None else {name: _plan(name, published, words, out, progress) for name in raw}
    opened = {}
    for name, folder in published.folders.items():
        if name in plans:
            opened[name] = plans[name].open()
        else:
            opened[name] = OpenedFolder(_ready(name, folder), ())
    return opened


def _ready(name: str, folder: Path) -> Dataset:
    """Open a data set that was imported before; raise `DataError` where it is another one."""
    dataset = Dataset.open(folder)
    if dataset.spec.name != name:
        raise DataError(f"this is the data set {dataset.spec.name!r}", file=folder, remedy=f"give that of {name}")
    return dataset


def find_words(published: PublishedFolders, raw: Mapping[str, Path]) -> Path:
    """Return the file of word vectors: the one that is named, or that of the published name in or beside a folder."""
    if published.words is not None:
        return published.words
    looked = list(dict.fromkeys(place for folder in raw.values() for place in (folder, folder.resolve().parent)))
    for place in looked:
        if (place / WORDS_FILE).is_file():
            return place / WORDS_FILE
    raise DataError(
        f"no word vectors: there is no {WORDS_FILE} in {', '.join(map(str, looked))}",
        remedy="put the file there, or name it with --words",
    )


@dataclass(frozen=True)
class _Plan:
    """An import that is to be done unless it was done before, from the same files and with the same settings."""

    config: PublishedImport
    run: Callable[[], PackReport]
    missing: tuple[str, ...] = ()

    def open(self) -> OpenedFolder:
        out = self.config.out
        if not (out / HEADER_FILE).exists():
            self.run()
        changed = _changes(self.config)
        if changed:
            raise DataError(
                f"this data set was made otherwise than it would be now ({changed})",
                file=out,
                remedy="choose another --out, or remove this folder so that it is imported anew",
            )
        return OpenedFolder(Dataset.open(out), self.missing)


def _changes(config: PublishedImport) -> str:
    """Say in what an import differs from the one that made the data set at its place; "" where it does not."""
    if not (config.out / IMPORT_FILE).exists():
        return "nothing says how it was made"
    made = read_json(config.out / IMPORT_FILE)
    files = {Path(name): stamp for name, stamp in made.pop("files").items()}
    other = [file for file in files if not file.exists() or _stamp(file) != files[file]]
    if other:
        return f"{other[0]} is another file now"
    settings = {key: value for key, value in config.identity([]).items() if key not in ("files", "out")}
    made.pop("out", None)
    unlike = [key for key in {*settings, *made} if settings.get(key) != made.get(key)]
    return ", ".join(f"{key}: {made.get(key)} there, {settings.get(key)} now" for key in sorted(unlike))


def _stamp(file: Path) -> list[int]:
    return [file.stat().st_size, file.stat().st_mtime_ns]


def _plan(name: str, published: PublishedFolders, words: Path, out: Path, progress: bool) -> _Plan:
    folder, target = published.folders[name], out / name
    absent = [file for file in (words, *(folder / file for file in _NEEDED_FILES[name])) if not file.is_file()]
    if absent:
        raise DataError("the file does not exist", file=absent[0], remedy=f"put the published file of {name} there")
    common: dict[str, Any] = {
        "features": folder,
        "out": target,
        "words": words,
        "language": published.language,
        "progress": progress,
    }
    if name == "howto100m":
        videos = published.videos or _find_list(folder)
        share = min(SHARE_AT_MOST, max(SHARE_AT_LEAST, HELD_OUT_VIDEOS / len(read_videos(videos))))
        narrated = HowTo100MImport(videos=videos, validation=share, test=share, **common)
        return _Plan(narrated, lambda: import_howto100m(narrated))
    train = _TRAIN_FILES[name]
    there = [key for key, file in train.items() if (folder / file).is_file()]
    missing = () if there else (f"{folder} holds none of {', '.join(train.values())}: nothing is trained on {name}",)
    if name == "msrvtt":
        training: Literal["9k", "7k", "none"] = "none" if not there else "7k" if there[0] == "7k" else "9k"
        clips = MsrvttImport(train=training, **common)
        return _Plan(clips, lambda: import_msrvtt(clips), missing)
    if name == "youcook2":
        cooking = YouCook2Import(test_only=not there, **common)
        return _Plan(cooking, lambda: import_youcook2(cooking), missing)
    movies = LsmdcImport(test_only=not there, **common)
    return _Plan(movies, lambda: import_lsmdc(movies), missing)


def _find_list(folder: Path) -> Path:
    for name in LIST_FILES:
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"there is no training list; looked for {', '.join(LIST_FILES)}", file=folder, remedy="name it with --videos"
    )
