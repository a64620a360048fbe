"""CrossTask in the published format: steps of tasks, videos in which they are done, and which second shows which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trichord.config import Config
from trichord.data.generated.clips import check_range
from trichord.data.generated.containers import write_npy, write_npz
from trichord.data.generated.names import video_ids
from trichord.data.generated.phrasing import choose, plain_words, slots_of
from trichord.data.generated.presets import YOUCOOK2
from trichord.data.generated.signal import SignalConfig, draw_moments
from trichord.data.generated.timeline import Timeline, render_video
from trichord.data.generated.visual import STREAMS
from trichord.errors import ConfigError
from trichord.files import write_json, write_text
from trichord.randomness import numpy_generator

LIST_FILE, STEPS_FILE = "cvpr19_test.csv", "step.json"
_CANDIDATES = 4
_STEPS_PURPOSE = "crosstask/steps"


@dataclass(frozen=True, kw_only=True)
class CrossTaskConfig(Config):
    """Settings of generated CrossTask files.

    Args:
        signal: what the steps mean; with the signal of a training corpus, a model trained there can find them.
        seed: seed of tasks and videos.
        num_tasks: number of tasks; published: 18 primary ones.
        videos_of_task: number of videos of every task.
        steps: fewest and most steps of a task.
        step_seconds: shortest and longest step in a video, and pause between two, in seconds.
        skipped: chance that a video leaves a step out; one step is always done.
        sameness: share of the variance of every attribute that is the step's own, the same in all videos.
        step_name: pattern of a step's name, of slots and words of the signal's phrasing.
    """

    signal: SignalConfig = YOUCOOK2
    seed: int = 0
    num_tasks: int = 3
    videos_of_task: int = 4
    steps: tuple[int, int] = (4, 8)
    step_seconds: tuple[int, int] = (3, 10)
    skipped: float = 0.2
    sameness: float = 0.9
    step_name: str = "{action} the {cut} {vegetable} with {seasoning} in a {vessel} then {finish}"

    def __post_init__(self) -> None:
        check_range("steps", self.steps)
        check_range("step_seconds", self.step_seconds)
        if self.num_tasks < 1 or self.videos_of_task < 1:
            raise ConfigError("there is a task and a video at least")
        if not 0 <= self.skipped < 1 or not 0 <= self.sameness <= 1:
            raise ConfigError("skipped lies in [0, 1) and sameness in [0, 1]")
        phrasing = self.signal.phrasing
        known = set(slots_of(self.step_name)) <= set(phrasing.slots)
        if not known or not set(plain_words(self.step_name)) <= set(phrasing.plain_words):
            raise ConfigError(
                f"step_name is made of the slots {list(phrasing.slots)} and the words {list(phrasing.plain_words)}, "
                f"got {self.step_name!r}"
            )


@dataclass(frozen=True)
class WrittenCrossTask:
    """What was written.

    Args:
        list_file: csv of videos and their tasks.
        steps_file: names of the steps.
        steps: task -> names of its steps, in order.
        videos: video id -> its task, in the order of the list.
    """

    list_file: Path
    steps_file: Path
    steps: dict[str, list[str]]
    videos: dict[str, str]


def write_crosstask(folder: str | Path, config: CrossTaskConfig) -> WrittenCrossTask:
    """Write everything into one folder; a function of the configuration.

    The list has the columns video_id and task. A video of T seconds and a task of K steps has {ID}_2d.npy (T x 2048),
    {ID}_3d.npy (1.5 T x 2048), both float32, {ID}.npz (`arr_0`, 40 x 100 T, float16) and {TASK}_{ID}.npy (T x K of 0
    and 1, uint8). The steps are done in order.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = _choose_steps(config)
    steps = {task: list(found) for task, found in chosen.items()}
    assigned = [task for task in steps for _ in range(config.videos_of_task)]
    videos = dict(zip(video_ids(len(assigned), config.seed, "crosstask"), assigned, strict=True))
    for number, (name, task) in enumerate(videos.items()):
        _write_video(folder, name, task, list(chosen[task].values()), config, number)
    lines = ["video_id,task", *(f"{name},{task}" for name, task in videos.items())]
    write_text(folder / LIST_FILE, "\n".join(lines) + "\n")
    write_json(folder / STEPS_FILE, steps)
    return WrittenCrossTask(folder / LIST_FILE, folder / STEPS_FILE, steps, videos)


def _choose_steps(config: CrossTaskConfig) -> dict[str, dict[str, int]]:
    """Return task -> name of a step -> number of its attributes; of candidates with one name the first is taken."""
    generator = numpy_generator(config.seed, "generated/crosstask/tasks")
    each = _CANDIDATES * config.steps[1]
    numbers = np.arange(config.num_tasks * each)
    seen = draw_moments(config.signal, config.seed, _STEPS_PURPOSE, numbers, topic=1.0).text[:, 0]
    tasks: dict[str, dict[str, int]] = {}
    for task, label in enumerate(generator.choice(np.arange(10000, 100000), config.num_tasks, replace=False)):
        found: dict[str, int] = {}
        for number in numbers[task * each : (task + 1) * each].tolist():
            found.setdefault(config.step_name.format(**choose(seen[number], config.signal.phrasing)), number)
        wanted = int(generator.integers(config.steps[0], config.steps[1] + 1))
        if len(found) < wanted:
            raise ConfigError(f"{config.step_name!r} names too few different steps: {len(found)} of {wanted} wanted")
        tasks[str(label)] = dict(list(found.items())[:wanted])
    return tasks


def _write_video(folder: Path, name: str, task: str, numbers: list[int], config: CrossTaskConfig, place: int) -> None:
    generator = numpy_generator(config.seed, "generated/crosstask/video", place)
    done = np.flatnonzero(generator.random(len(numbers)) >= config.skipped)
    done = done if len(done) else generator.integers(len(numbers), size=1)
    lengths = generator.integers(config.step_seconds[0], config.step_seconds[1] + 1, (len(done) + 1, 2))
    edges = np.cumsum(lengths.ravel()).reshape(lengths.shape)
    timeline = Timeline(int(edges[-1, 0]), edges[:-1, 0].astype(float), edges[:-1, 1].astype(float))
    owners = np.array(numbers)[done]
    moments = draw_moments(
        config.signal, config.seed, f"crosstask/{place}", owners, topic=config.sameness, topics=_STEPS_PURPOSE
    )
    video = render_video(timeline, moments, config.signal, generator)
    shown = timeline.segment_at(np.arange(timeline.seconds) + 0.5)
    annotation = (shown[:, None] >= 0) & (done[shown][:, None] == np.arange(len(numbers)))
    for stream in STREAMS:
        write_npy(folder / f"{name}_{stream}.npy", video.rows[stream])
    write_npz(folder / f"{name}.npz", {"arr_0": video.audio.astype(np.float16)}, compressed=False)
    write_npy(folder / f"{task}_{name}.npy", annotation.astype(np.uint8))
