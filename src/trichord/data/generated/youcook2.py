"""YouCook2 in the published format: `youcook_train_audio.pkl` and `youcook_val_audio.pkl`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trichord.data.generated.clips import ClipFilesConfig, WrittenSplit, check_range, render_clips
from trichord.data.generated.containers import write_pickle
from trichord.data.generated.names import video_ids
from trichord.data.generated.presets import YOUCOOK2
from trichord.data.generated.signal import SignalConfig, draw_moments
from trichord.data.generated.visual import STREAMS, pool_rows
from trichord.errors import ConfigError
from trichord.randomness import numpy_generator


@dataclass(frozen=True, kw_only=True)
class YouCook2Config(ClipFilesConfig):
    """Settings of generated YouCook2 files.

    Args:
        num_clips: "train" and "val" -> number of clips; published: 9,586 and 3,350.
        clips_of_video: fewest and most clips that are cut from one video.
        topic: share of the variance of every attribute that clips of one video have in common.
    """

    signal: SignalConfig = YOUCOOK2
    num_clips: dict[str, int] = field(default_factory=lambda: {"train": 1200, "val": 300})
    clips_of_video: tuple[int, int] = (3, 12)
    topic: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("clips_of_video", self.clips_of_video)
        if set(self.num_clips) != {"train", "val"} or min(self.num_clips.values()) < 1:
            raise ConfigError(f"num_clips gives train and val one clip or more, got {self.num_clips}")
        if not 0 <= self.topic < 1:
            raise ConfigError(f"topic lies in [0, 1), got {self.topic}")


def write_youcook2(folder: str | Path, config: YouCook2Config) -> dict[str, WrittenSplit]:
    """Write both files; a function of the configuration.

    Every entry: `id` (11 characters of the video, underscore, number of the clip), `2d` and `3d` (2048, float32,
    pooled, not negative, unit length), `audio` (torch, 40 x T), `caption` (str).

    Returns:
        "train" and "val" -> what was written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    most = max(config.num_clips.values())
    names = video_ids(2 * most, config.seed, "youcook2")
    videos = {"train": names[:most], "val": names[most:]}
    return {split: _write(folder, config, split, videos[split]) for split in ("train", "val")}


def _write(folder: Path, config: YouCook2Config, split: str, videos: list[str]) -> WrittenSplit:
    purpose, number = f"youcook2/{split}", config.num_clips[split]
    sizes = numpy_generator(config.seed, f"generated/{purpose}/videos").integers(
        config.clips_of_video[0], config.clips_of_video[1] + 1, number
    )
    owners = np.repeat(np.arange(number), sizes)[:number]
    places = np.concatenate([np.arange(size) for size in sizes])[:number]
    ids = [f"{videos[owner]}_{place}" for owner, place in zip(owners, places, strict=True)]
    moments = draw_moments(config.signal, config.seed, purpose, owners, topic=config.topic)
    entries = [
        {
            "id": name,
            **{stream: pool_rows(clip.rows[stream]) for stream in STREAMS},
            "audio": clip.audio,
            "caption": clip.captions[0],
        }
        for name, clip in zip(ids, render_clips(moments, config, purpose), strict=True)
    ]
    file = folder / f"youcook_{split}_audio.pkl"
    write_pickle(file, entries, config.protocol)
    return WrittenSplit(file, tuple(ids), moments.attributes)
