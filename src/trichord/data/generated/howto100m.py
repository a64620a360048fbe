"""HowTo100M in the published format: a list of videos, a tree of archives, and what is said when."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trichord.config import Config
from trichord.data.generated.clips import check_range
from trichord.data.generated.containers import write_npz, write_pickle
from trichord.data.generated.names import video_ids
from trichord.data.generated.phrasing import caption
from trichord.data.generated.presets import YOUCOOK2
from trichord.data.generated.signal import Moments, SignalConfig, draw_moments
from trichord.data.generated.timeline import Timeline, draw_timeline, render_video
from trichord.data.generated.visual import STREAMS
from trichord.errors import ConfigError
from trichord.files import write_text
from trichord.randomness import numpy_generator

LIST_FILE, CAPTIONS_FILE = "videopaths.csv", "caption.pickle"


@dataclass(frozen=True, kw_only=True)
class HowTo100MConfig(Config):
    """Settings of generated HowTo100M files.

    Args:
        signal: what the segments mean.
        seed: seed of the videos.
        num_videos: number of videos; published: 1.2 million.
        seconds: shortest and longest video; published: 390 s on average.
        segment: shortest and longest segment that is spoken about in one caption, in seconds.
        pause: chance that nothing is shown or said for about a segment.
        topic: share of the variance of every attribute that the segments of one video have in common.
        categories: names from which the first folder of a path is drawn.
        uncategorised: share of the videos listed as None/..., whose path starts with the second folder.
        num_folders: number of second folders, video_0 and so on.
        feature_type: type of the numbers in 2D and 3D features; published: float16.
        compressed: compress the archives.
        protocol: pickle protocol of the captions.
    """

    signal: SignalConfig = YOUCOOK2
    seed: int = 0
    num_videos: int = 20
    seconds: tuple[int, int] = (60, 120)
    segment: tuple[float, float] = (2.0, 6.0)
    pause: float = 0.2
    topic: float = 0.2
    categories: tuple[str, ...] = ("Food_and_Entertaining", "Home_and_Garden", "Hobbies_and_Crafts")
    uncategorised: float = 0.5
    num_folders: int = 4
    feature_type: Literal["float16", "float32"] = "float16"
    compressed: bool = False
    protocol: int = 4

    def __post_init__(self) -> None:
        check_range("seconds", self.seconds)
        check_range("segment", self.segment, least=0.1)
        if self.num_videos < 1 or self.num_folders < 1 or not self.categories:
            raise ConfigError("there is a video, a folder and a category at least")
        if not all(0 <= share < 1 for share in (self.pause, self.topic)) or not 0 <= self.uncategorised <= 1:
            raise ConfigError("pause and topic lie in [0, 1), uncategorised in [0, 1]")
        if not 2 <= self.protocol <= 5:
            raise ConfigError(f"protocol is a pickle protocol from 2 to 5, got {self.protocol}")


@dataclass(frozen=True)
class WrittenVideo:
    """One video.

    Args:
        id: its name, the last part of its path.
        path: its folder below the features.
        timeline: when its segments are; each has a caption.
        attributes: group -> (segments, attributes) true values.
    """

    id: str
    path: str
    timeline: Timeline
    attributes: dict[str, np.ndarray]


@dataclass(frozen=True)
class WrittenHowTo100M:
    """What was written: the list, the captions, and the videos in the order of the list."""

    list_file: Path
    captions_file: Path
    videos: tuple[WrittenVideo, ...]


def write_howto100m(folder: str | Path, config: HowTo100MConfig) -> WrittenHowTo100M:
    """Write list, captions and archives; a function of the configuration. A video does not depend on their number.

    The list's first line is `path`, the others `None/video_1/ID` or `CATEGORY/video_1/ID`; a video's archives are
    {path without None}/{ID}_2d.npz and _3d.npz (`features`, seconds x 2048 and 1.5 seconds x 2048) and _spec.npz
    (`arr_0`, 40 x 100 seconds, float16). The captions are a dictionary from id to lists `start`, `end`, `text`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    captions: dict[str, dict[str, list[Any]]] = {}
    lines, videos = ["path"], []
    for number, name in enumerate(video_ids(config.num_videos, config.seed, "howto100m")):
        generator = numpy_generator(config.seed, "generated/howto100m/video", number)
        category = str(generator.choice(config.categories))
        below = f"video_{generator.integers(config.num_folders)}/{name}"
        listed = "None" if generator.random() < config.uncategorised else category
        path = below if listed == "None" else f"{listed}/{below}"
        seconds = int(generator.integers(config.seconds[0], config.seconds[1] + 1))
        timeline = draw_timeline(generator, seconds, config.segment, config.pause)
        owners = np.zeros(len(timeline.start), np.int64)
        moments = draw_moments(config.signal, config.seed, f"howto100m/{number}", owners, topic=config.topic)
        _write_archives(folder / path / name, timeline, moments, config, generator)
        said = [caption(values, config.signal.phrasing, generator) for values in moments.text[:, 0]]
        captions[name] = {"start": timeline.start.tolist(), "end": timeline.end.tolist(), "text": said}
        lines.append(f"{listed}/{below}")
        videos.append(WrittenVideo(name, path, timeline, dict(moments.attributes)))
    write_text(folder / LIST_FILE, "\n".join(lines) + "\n")
    write_pickle(folder / CAPTIONS_FILE, captions, config.protocol)
    return WrittenHowTo100M(folder / LIST_FILE, folder / CAPTIONS_FILE, tuple(videos))


def _write_archives(
    stem: Path, timeline: Timeline, moments: Moments, config: HowTo100MConfig, generator: np.random.Generator
) -> None:
    video = render_video(timeline, moments, config.signal, generator)
    stem.parent.mkdir(parents=True, exist_ok=True)
    for stream in STREAMS:
        rows = {"features": video.rows[stream].astype(config.feature_type)}
        write_npz(stem.with_name(f"{stem.name}_{stream}.npz"), rows, compressed=config.compressed)
    heard = {"arr_0": video.audio.astype(np.float16)}
    write_npz(stem.with_name(f"{stem.name}_spec.npz"), heard, compressed=config.compressed)
