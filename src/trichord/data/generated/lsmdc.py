"""LSMDC in the published format: `lsmdc_train.pkl` and `lsmdc_test.pkl`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from trichord.data.generated.clips import ClipFilesConfig, WrittenSplit, render_clips
from trichord.data.generated.containers import write_pickle
from trichord.data.generated.presets import MSRVTT
from trichord.data.generated.signal import SignalConfig, draw_moments
from trichord.data.generated.visual import STREAMS, pool_rows
from trichord.errors import ConfigError

_CLIPS_OF_MOVIE = 100


@dataclass(frozen=True, kw_only=True)
class LsmdcConfig(ClipFilesConfig):
    """Settings of generated LSMDC files.

    Args:
        num_clips: "train" and "test" -> number of clips; published: about 100,000, and 1,000.
    """

    signal: SignalConfig = MSRVTT
    num_clips: dict[str, int] = field(default_factory=lambda: {"train": 1200, "test": 300})

    def __post_init__(self) -> None:
        super().__post_init__()
        if set(self.num_clips) != {"train", "test"} or min(self.num_clips.values()) < 1:
            raise ConfigError(f"num_clips gives train and test one clip or more, got {self.num_clips}")


def write_lsmdc(folder: str | Path, config: LsmdcConfig) -> dict[str, WrittenSplit]:
    """Write both files; a function of the configuration.

    Every entry: `id` (movie, start and end: "0001_Train_00.00.04.000-00.00.08.000"), `2d_pooled` and `3d_pooled`
    (torch, 2048, float32), `audio` (torch, 40 x T), `caption` (str).

    Returns:
        "train" and "test" -> what was written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return {split: _write(folder, config, split) for split in ("train", "test")}


def _write(folder: Path, config: LsmdcConfig, split: str) -> WrittenSplit:
    purpose, number = f"lsmdc/{split}", config.num_clips[split]
    ids = [_name(split, *divmod(place, _CLIPS_OF_MOVIE)) for place in range(number)]
    moments = draw_moments(config.signal, config.seed, purpose, np.arange(number))
    entries = [
        {
            "id": name,
            **{f"{stream}_pooled": torch.from_numpy(pool_rows(clip.rows[stream])) for stream in STREAMS},
            "audio": clip.audio,
            "caption": clip.captions[0],
        }
        for name, clip in zip(ids, render_clips(moments, config, purpose), strict=True)
    ]
    file = folder / f"lsmdc_{split}.pkl"
    write_pickle(file, entries, config.protocol)
    return WrittenSplit(file, tuple(ids), moments.attributes)


def _name(split: str, movie: int, place: int) -> str:
    start, end = (f"00.{second // 60:02d}.{second % 60:02d}.000" for second in (4 * place, 4 * place + 4))
    return f"{movie + 1:04d}_{split.title()}_{start}-{end}"
