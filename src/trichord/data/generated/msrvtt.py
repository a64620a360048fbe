"""MSR-VTT in the published format: two training pickles, the test pickle, and the list that names every test clip."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from trichord.data.generated.clips import Clip, ClipFilesConfig, WrittenSplit, check_range, render_clips
from trichord.data.generated.containers import write_pickle
from trichord.data.generated.presets import MSRVTT
from trichord.data.generated.signal import SignalConfig, draw_moments
from trichord.data.generated.visual import STREAMS, pool_rows
from trichord.errors import ConfigError
from trichord.files import write_text
from trichord.randomness import numpy_generator

FILES = {
    "train": "msrvtt_train.pkl",
    "1k-A_train": "msrvtt_1k-A_train.pkl",
    "test": "msrvtt_jsfusion_test.pkl",
}
TEST_LIST = "msrvtt_1kA_test.csv"


@dataclass(frozen=True, kw_only=True)
class MsrvttConfig(ClipFilesConfig):
    """Settings of generated MSR-VTT files.

    Args:
        num_train: clips of `msrvtt_train.pkl`; they are part of the larger training file, too. Published: 7,010, of
            which 6,783 have audio.
        num_train_1k_a: clips of `msrvtt_1k-A_train.pkl`; published: 9,000.
        num_test: clips the test list names; published: 1,000.
        silent: share of all clips without audio; the pickles leave them out, the test list does not. Published: 32 of
            the 1,000 test clips.
        rows: fewest and most rows of the features that are not pooled.
        num_captions: captions of a training clip; published: 20.
    """

    signal: SignalConfig = MSRVTT
    num_train: int = 900
    num_train_1k_a: int = 1200
    num_test: int = 300
    silent: float = 0.032
    rows: tuple[int, int] = (6, 12)
    num_captions: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("rows", self.rows)
        if not 1 <= self.num_train <= self.num_train_1k_a or self.num_test < 1 or self.num_captions < 1:
            raise ConfigError("every file has a clip or more, the smaller training file no more than the larger one")
        if not 0 <= self.silent < 1:
            raise ConfigError(f"silent lies in [0, 1), got {self.silent}")


@dataclass(frozen=True)
class WrittenMsrvtt:
    """What was written.

    Args:
        splits: "train", "1k-A_train", "test" -> the pickle, of clips with audio.
        test_list: the list of all test clips.
        listed: ids in the list, in its order.
        silent: ids in the list that the test pickle lacks.
    """

    splits: dict[str, WrittenSplit]
    test_list: Path
    listed: tuple[str, ...]
    silent: tuple[str, ...]


def write_msrvtt(folder: str | Path, config: MsrvttConfig) -> WrittenMsrvtt:
    """Write the three pickles and the list; a function of the configuration.

    Every entry: `id` ("video17"), `2d` and `3d` (T x 2048, float32), `2d_pooled` and `3d_pooled` (2048, float32),
    `audio` (torch, 40 x T); training: `caption` (list of str); test: `eval_caption` (str), the sentence of the list.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    total = config.num_train_1k_a + config.num_test
    numbers = numpy_generator(config.seed, "generated/msrvtt/numbers").permutation(total).tolist()
    train = _Part.draw(config, "train", sorted(numbers[: config.num_train_1k_a]), config.num_captions)
    test = _Part.draw(config, "test", numbers[config.num_train_1k_a :], 1)
    smaller = numpy_generator(config.seed, "generated/msrvtt/smaller").permutation(config.num_train_1k_a)
    inside = np.isin(np.arange(config.num_train_1k_a), smaller[: config.num_train])
    splits = {
        "train": train.write(folder, "train", config, inside),
        "1k-A_train": train.write(folder, "1k-A_train", config, np.ones_like(inside)),
        "test": test.write(folder, "test", config, np.ones(config.num_test, bool)),
    }
    rows = [
        [f"ret{place}", name.replace("video", "msr"), name, clip.captions[0]]
        for place, (name, clip) in enumerate(zip(test.ids, test.clips, strict=True))
    ]
    lines = StringIO()
    csv.writer(lines, lineterminator="\n").writerows([["key", "vid_key", "video_id", "sentence"], *rows])
    write_text(folder / TEST_LIST, lines.getvalue())
    silent = tuple(name for name, quiet in zip(test.ids, test.silent, strict=True) if quiet)
    return WrittenMsrvtt(splits, folder / TEST_LIST, tuple(test.ids), silent)


@dataclass(frozen=True)
class _Part:
    ids: list[str]
    clips: list[Clip]
    silent: np.ndarray
    attributes: dict[str, np.ndarray]

    @classmethod
    def draw(cls, config: MsrvttConfig, split: str, numbers: list[int], num_captions: int) -> _Part:
        purpose, number = f"msrvtt/{split}", len(numbers)
        owners = np.arange(number)
        moments = draw_moments(config.signal, config.seed, purpose, owners, num_captions=num_captions)
        chosen = numpy_generator(config.seed, f"generated/{purpose}/silent").permutation(number)
        silent = np.isin(owners, chosen[: round(config.silent * number)])
        clips = list(render_clips(moments, config, purpose, config.rows))
        return cls([f"video{n}" for n in numbers], clips, silent, dict(moments.attributes))

    def write(self, folder: Path, split: str, config: MsrvttConfig, inside: np.ndarray) -> WrittenSplit:
        kept = np.flatnonzero(inside & ~self.silent)
        file = folder / FILES[split]
        write_pickle(file, [_entry(self.ids[i], self.clips[i], split) for i in kept], config.protocol)
        attributes = {group: values[kept] for group, values in self.attributes.items()}
        return WrittenSplit(file, tuple(self.ids[i] for i in kept), attributes)


def _entry(name: str, clip: Clip, split: str) -> dict[str, Any]:
    worded = {"eval_caption": clip.captions[0]} if split == "test" else {"caption": clip.captions}
    pooled = {f"{stream}_pooled": pool_rows(clip.rows[stream]) for stream in STREAMS}
    return {"id": name, **clip.rows, **pooled, "audio": clip.audio, **worded}
