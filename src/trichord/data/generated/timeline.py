"""What happens when in a long video: segments one after the other, with pauses, and features sampled over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trichord.data.generated.signal import Moments, SignalConfig
from trichord.data.generated.sound import FRAMES_PER_SECOND, patterns, render_log_mel
from trichord.data.generated.visual import STREAMS, mixing_matrix, render_rows
from trichord.modality import AUDIO, VIDEO
from trichord.shapes import Float, Int

ROWS_PER_SECOND = {"2d": 1.0, "3d": 1.5}


@dataclass(frozen=True)
class Timeline:
    """Segments of a video, in order and without overlap.

    Args:
        seconds: length of the video.
        start, end: (segments,) seconds.
    """

    seconds: int
    start: Float[np.ndarray, " segments"]
    end: Float[np.ndarray, " segments"]

    def segment_at(self, times: Float[np.ndarray, " times"]) -> Int[np.ndarray, " times"]:
        """Return the segment each time lies in, -1 in a pause."""
        found = np.searchsorted(self.start, times, side="right") - 1
        inside = (found >= 0) & (times < self.end[np.maximum(found, 0)])
        return np.where(inside, found, -1)


def draw_timeline(
    generator: np.random.Generator, seconds: int, length: tuple[float, float], pause: float, decimals: int = 2
) -> Timeline:
    """Draw segments until the video is full; there is one at least, which a very short video cuts off.

    Args:
        generator: draws.
        seconds: length of the video.
        length: shortest and longest segment, in seconds.
        pause: chance that a pause, as long as a segment, comes before a segment.
        decimals: decimals that times are rounded to.
    """
    starts, ends, now = list[float](), list[float](), 0.0
    while not starts or now < seconds:
        drawn, wait = generator.uniform(length[0], length[1], 2).round(decimals)
        now += float(wait) if generator.random() < pause and now + wait < seconds else 0.0
        starts.append(round(now, decimals))
        ends.append(round(min(now + float(drawn), float(seconds)), decimals))
        now = ends[-1]
    return Timeline(seconds, np.array(starts), np.array(ends))


@dataclass(frozen=True)
class LongVideo:
    """A rendered video.

    Args:
        rows: stream -> (seconds * rows per second, dim) float32, every row of unit length.
        audio: (mels, 100 * seconds) log-mel, float32.
    """

    rows: dict[str, np.ndarray]
    audio: Float[np.ndarray, "mels frames"]


def render_video(
    timeline: Timeline, moments: Moments, signal: SignalConfig, generator: np.random.Generator
) -> LongVideo:
    """Render a video whose segments show the moments; in a pause nothing but noise is seen and heard."""

    def sampled(seen: np.ndarray, rate: float) -> np.ndarray:
        number = int(timeline.seconds * rate)
        at = timeline.segment_at((np.arange(number) + 0.5) / rate)
        return np.where((at >= 0)[:, None], seen[np.maximum(at, 0)], 0.0)

    rows = {}
    for stream in STREAMS:
        mixing = mixing_matrix(stream, signal.width(VIDEO.name), signal.visual.dim, signal.seed)
        rows[stream] = render_rows(sampled(moments.video, ROWS_PER_SECOND[stream]), mixing, signal.visual, generator)
    sounds = patterns(signal.sound, signal.width(AUDIO.name), signal.seed)
    heard = sampled(moments.audio, FRAMES_PER_SECOND)
    return LongVideo(rows, render_log_mel(heard, sounds, signal.sound, generator))
