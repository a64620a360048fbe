"""Training clips of narrated video: batches of the training source, beside npz files opened for every video."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.narrated_baseline import CLIPS_PER_VIDEO, PublishedTree, draw_captions, load_item, load_items
from benchmarks.narrated_corpus import NarratedCorpus, NarratedSize, bytes_of_dataset, bytes_of_videos, write_narrated
from benchmarks.outcome import Outcome, compared
from benchmarks.timing import in_turns, processor_seconds, spread
from trichord.batch import Batch
from trichord.training.source import BatchSource

FULL, QUICK = NarratedSize(), NarratedSize(num_videos=12, num_drawn=2, seconds=60)
VIDEOS_PER_BATCH = 16
MODALITIES = ("video", "audio", "text")


def narrated_clips(quick: bool) -> Outcome:
    """Compare clips per second; say also what kinder and harder conditions give the baseline."""
    size, per_batch, rounds = (QUICK, 4, 2) if quick else (FULL, VIDEOS_PER_BATCH, 5)
    with tempfile.TemporaryDirectory() as name:
        corpus = write_narrated(Path(name), size)
        sizes = (
            f"packed {bytes_of_dataset(corpus.dataset) / 1e9:.2f} GB, archives {_packing(corpus):.2f} of that "
            f"(generated features; {size.num_drawn} different videos, the others hard links to them)"
        )
        source = training_source(corpus, per_batch)
        ours_clips, plain_clips = _epoch_clips(source), per_batch * CLIPS_PER_VIDEO
        epochs = iter(range(rounds + 1))
        first = iter(range(0, 10**6, per_batch))
        times = in_turns(
            {
                "plain": lambda: load_plainly(corpus.compressed, per_batch, next(first)),
                "ours": lambda: run_epoch(source, next(epochs)),
                "plain, stored": lambda: load_plainly(corpus.stored, per_batch, next(first)),
            },
            rounds + 1,
        )
        computed = [
            processor_seconds(lambda: load_plainly(corpus.compressed, per_batch, next(first))) / plain_clips,
            processor_seconds(lambda: run_epoch(source, rounds)) / ours_clips,
        ]
        alone = in_turns({"plain, per clip": lambda: load_clips_alone(corpus.compressed, next(first))}, 2)
    # The first round reads the files from disk and is left out: both sides then read from memory. Seconds are per clip.
    plain, stored = ([t / plain_clips for t in times[key][1:]] for key in ("plain", "plain, stored"))
    ours = [t / ours_clips for t in times["ours"][1:]]
    apart = [t / CLIPS_PER_VIDEO for t in alone["plain, per clip"][1:]]
    extra = (
        f"{1 / median(plain):,.0f} clips per second against {1 / median(ours):,.0f}; {spread(plain, ours)}; with npz "
        f"files that are not compressed ({1 / median(stored):,.0f} clips per second), {spread(stored, ours)}; with the "
        f"files opened for every clip ({1 / median(apart):.1f} clips per second), {spread(apart, ours)}; ratio of "
        f"processor time {computed[0] / computed[1]:.2f}; one process each, files in the page cache; {sizes}"
    )
    batch = per_batch * CLIPS_PER_VIDEO
    setting = f"{batch} clips, {CLIPS_PER_VIDEO} of each of {per_batch} videos; {size.describe()}, compressed npz"
    return compared("narrated clips", setting, batch * median(plain), batch * median(ours), 20.0, extra)


def training_source(corpus: NarratedCorpus, per_batch: int) -> BatchSource:
    """Return what training draws its batches from: `per_batch` videos with 32 clips of each."""
    items = corpus.dataset.split("train")
    return BatchSource(
        corpus.dataset,
        items,
        MODALITIES,
        batch_size=per_batch * CLIPS_PER_VIDEO,
        seed=0,
        stage=0,
        items_per_source=CLIPS_PER_VIDEO,
    )


def run_epoch(source: BatchSource, epoch: int) -> Batch:
    """Read every batch of an epoch, as the training loop asks for them; return the last."""
    last = None
    for _, batch in source.steps(epoch):
        last = batch
    assert last is not None, "an epoch has a batch"
    return last


def load_plainly(tree: PublishedTree, num_videos: int, first: int) -> dict[str, object]:
    """Load the items of some videos one after the other, the way a worker of the reference does."""
    places = np.arange(first, first + num_videos) % len(tree.paths)
    paths = tuple(tree.paths[place] for place in places)
    return dict(load_items(tree, paths, np.random.default_rng(first)))


def load_clips_alone(tree: PublishedTree, number: int) -> dict[str, object]:
    """Load the item of one video, its files opened for every clip."""
    path = tree.paths[number % len(tree.paths)]
    seeds = draw_captions(tree, path, np.random.default_rng(number))
    return dict(load_item(tree, path, seeds, open_per_clip=True))


def _epoch_clips(source: BatchSource) -> int:
    """Return the clips of an epoch; every epoch has as many."""
    return sum(len(items) for items in source.epoch(0))


def _packing(corpus: NarratedCorpus) -> float:
    return bytes_of_videos(corpus.compressed) / bytes_of_dataset(corpus.dataset)
