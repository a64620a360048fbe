"""A tree of narrated videos in the published layout, and the data set that trichord's importer makes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.narrated_baseline import KINDS, PublishedTree
from trichord.data import Dataset
from trichord.data.generated import (
    YOUCOOK2,
    HowTo100MConfig,
    VisualConfig,
    WordVectorsConfig,
    write_howto100m,
    write_word_vectors,
)
from trichord.data.generated.containers import write_pickle
from trichord.data.importers.howto100m import HowTo100MImport, import_howto100m
from trichord.data.word2vec import read_vocabulary
from trichord.foreign import read_pickle

# Few zeros (one in twenty), as in features pooled over all places of a frame; the default of generated files has 70 %.
DENSE = replace(YOUCOOK2, visual=VisualConfig(threshold=-1.8))
# As long as the ids of published videos.
ID_FORMAT = "{:011d}"


@dataclass(frozen=True)
class NarratedSize:
    """Sizes of the corpus.

    Args:
        num_videos: videos of the list.
        num_drawn: different ones among them; the archives of the others are hard links to these.
        seconds: length of every video.
    """

    num_videos: int = 200
    num_drawn: int = 16
    seconds: int = 600

    def describe(self) -> str:
        """Return the sizes in words."""
        return f"{self.num_videos} videos of {self.seconds} s"


@dataclass(frozen=True)
class NarratedCorpus:
    """The same videos thrice.

    Args:
        compressed: the tree, its archives packed as by `np.savez_compressed`.
        stored: the tree, its archives not packed.
        dataset: what was imported of it; every item is learnt from.
    """

    compressed: PublishedTree
    stored: PublishedTree
    dataset: Dataset


def write_narrated(folder: Path, size: NarratedSize) -> NarratedCorpus:
    """Write everything; takes `num_drawn` videos of time and the disk space of `num_videos` of them."""
    seconds = (size.seconds, size.seconds)
    drawn = HowTo100MConfig(signal=DENSE, num_videos=size.num_drawn, seconds=seconds, compressed=True)
    written = write_howto100m(folder / "drawn", drawn)
    said = read_pickle(written.captions_file)
    words = write_word_vectors(folder / "words.bin", WordVectorsConfig())
    paths, captions, originals = [], {}, {}
    for number in range(size.num_videos):
        video = written.videos[number % size.num_drawn]
        name = ID_FORMAT.format(number)
        paths.append(f"Food_and_Entertaining/video_{number % 4}/{name}")
        captions[name] = said[video.id]
        originals[paths[-1]] = folder / "drawn" / video.path / video.id
    compressed, stored = folder / "compressed", folder / "stored"
    for path, original in originals.items():
        for kind in KINDS:
            _link(Path(f"{original}_{kind}.npz"), _archive(compressed, path, kind))
            _link(_unpacked(Path(f"{original}_{kind}.npz")), _archive(stored, path, kind))
    (compressed / "videopaths.csv").write_text("\n".join(["path", *paths]) + "\n")
    write_pickle(compressed / "caption.pickle", captions, protocol=4)
    config = HowTo100MImport(
        features=compressed,
        videos=compressed / "videopaths.csv",
        words=words.file,
        out=folder / "dataset",
        validation=0,
        test=0,
        progress=False,
    )
    dataset = import_howto100m(config).dataset
    vocabulary = read_vocabulary(words.file, set(words.words))
    vectors = dict(zip(vocabulary.words, vocabulary.vectors, strict=True))
    trees = [PublishedTree(root, tuple(paths), captions, vectors) for root in (compressed, stored)]
    return NarratedCorpus(*trees, dataset)


def bytes_of_videos(tree: PublishedTree) -> int:
    """Return the bytes of all archives of a tree, hard links counted as files of their own."""
    return sum(_archive(tree.root, path, kind).stat().st_size for path in tree.paths for kind in KINDS)


def bytes_of_dataset(dataset: Dataset) -> int:
    """Return the bytes of all files of a data set."""
    return sum(file.stat().st_size for file in _files(dataset.path))


def _files(folder: Path) -> Iterator[Path]:
    yield from (file for file in folder.iterdir() if file.is_file())


def _archive(root: Path, path: str, kind: str) -> Path:
    return root / path / f"{Path(path).name}_{kind}.npz"


def _link(original: Path, name: Path) -> None:
    name.parent.mkdir(parents=True, exist_ok=True)
    os.link(original, name)


def _unpacked(archive: Path) -> Path:
    """Write an archive's arrays anew beside it, not compressed, unless that was done."""
    target = archive.with_name(f"stored_{archive.name}")
    if not target.exists():
        with np.load(archive, allow_pickle=False) as arrays:
            np.savez(target, **arrays)
    return target
