"""Loading a batch of clips: memory-mapped arrays through `collate`, beside npz files opened for every item."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.clip_baseline import cut, load_clip, open_video
from benchmarks.clip_corpus import Corpus, CorpusSize, write_corpus
from benchmarks.outcome import Outcome, compared
from benchmarks.timing import in_turns, spread
from trichord.batch import Batch
from trichord.data.batching import collate

FULL, QUICK = CorpusSize(), CorpusSize(num_videos=8, seconds=120)


def clip_loading(quick: bool) -> Outcome:
    """Compare batches of clips of different videos; say also what kinder conditions give the baseline."""
    size = QUICK if quick else FULL
    rounds = 3 if quick else 7
    # One clip of every video, so that no file is opened twice for the batch; and all clips of one video.
    apart, shared = np.arange(size.num_videos) * size.clips_per_video, np.arange(size.clips_per_video)
    with tempfile.TemporaryDirectory() as name:
        packed = write_corpus(Path(name) / "compressed", size, compressed=True)
        stored = write_corpus(Path(name) / "stored", size, compressed=False)
        times = in_turns(
            {
                "plain": lambda: load_plainly(packed, apart),
                "ours": lambda: load_ours(packed, apart),
                "plain, stored": lambda: load_plainly(stored, apart),
                "plain, shared": lambda: load_sharing(packed, shared),
                "ours, shared": lambda: load_ours(packed, shared),
            },
            rounds + 1,
        )
    # The first round reads the files from disk and is left out: both sides then read from memory.
    plain, ours, plain_stored, plain_shared, ours_shared = (found[1:] for found in times.values())
    extra = (
        f"{spread(plain, ours)}; with npz files that are not compressed, {spread(plain_stored, ours)}; with all "
        f"{len(shared)} clips of a batch cut from one video opened once, {spread(plain_shared, ours_shared)}; files in "
        "the page cache"
    )
    setting = f"batch of {len(apart)} clips, each of another video; {size.describe()}, compressed npz, float16"
    return compared("clip loading", setting, median(plain), median(ours), 20.0, extra)


def load_ours(corpus: Corpus, items: np.ndarray) -> Batch:
    """Read the items of the data set."""
    return collate(corpus.dataset, items, ("video", "audio"))


def load_plainly(corpus: Corpus, items: np.ndarray) -> dict[str, torch.Tensor]:
    """Open and cut, item by item, then stack."""
    loaded = [load_clip(corpus.folder, corpus.clips[item]) for item in items.tolist()]
    return {
        "video": torch.from_numpy(np.stack([one.video for one in loaded])),
        "audio": torch.from_numpy(np.stack([one.audio for one in loaded])).float(),
        "frames": torch.tensor([one.num_frames for one in loaded]),
    }


def load_sharing(corpus: Corpus, items: np.ndarray) -> dict[str, torch.Tensor]:
    """Open the one video of all items, cut every item, then stack."""
    clips = [corpus.clips[item] for item in items.tolist()]
    whole = open_video(corpus.folder, clips[0].video)
    loaded = [cut(whole, clip) for clip in clips]
    return {
        "video": torch.from_numpy(np.stack([one.video for one in loaded])),
        "audio": torch.from_numpy(np.stack([one.audio for one in loaded])).float(),
    }
