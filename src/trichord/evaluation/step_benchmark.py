"""Step localisation under a name: the primary tasks of CrossTask, and which of the numbers the name means."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from trichord.data import Dataset
from trichord.data.packing import read_quarantine
from trichord.errors import ConfigError, nearest
from trichord.evaluation.crosstask import StepEvaluationConfig, evaluate_steps
from trichord.evaluation.embed import Progress
from trichord.evaluation.named import NamedProtocol
from trichord.evaluation.second_vectors import AudioWindowConfig
from trichord.evaluation.settings import EvaluationConfig
from trichord.evaluation.step_layout import read_step_layout
from trichord.evaluation.step_result import StepRecall, StepResult, StepScores
from trichord.metrics.localisation import DECODERS

AVERAGINGS = ("mean of videos", "pooled")


@dataclass(frozen=True, kw_only=True)
class StepBenchmark(NamedProtocol):
    """What is located under a name; what is not explained here is explained by `NamedProtocol`.

    All decoders and both averagings are always measured; a number that is given without them is this one of each.

    Args:
        num_tasks: tasks over which recalls are averaged.
        num_videos: videos in which steps occur; None: not stated by the publication.
        steps_split, split: splits that hold the steps and the videos.
        windows: how audio is cut around a second.
        decoder: the decoder that is meant, one of `metrics.localisation.DECODERS`.
        averaging: the averaging that is meant: "mean of videos" (MCN) or "pooled" (Zhukov et al. 2019).

    Raises:
        ConfigError: there is no such decoder or averaging.
    """

    num_tasks: int
    num_videos: int | None = None
    steps_split: str = "steps"
    split: str = "test"
    windows: AudioWindowConfig = AudioWindowConfig()
    decoder: str = "ordered"
    averaging: str = "mean of videos"

    def __post_init__(self) -> None:
        for field, known in (("decoder", DECODERS), ("averaging", AVERAGINGS)):
            value = getattr(self, field)
            if value not in known:
                raise ConfigError(f"StepBenchmark.{field} is one of {known}, got {value!r}; {nearest(value, known)}")

    @property
    def counted(self) -> str:
        """What is counted, in words."""
        videos = "the videos" if self.num_videos is None else f"{self.num_videos:,} videos"
        return (
            f"the steps that occur in {videos} of {self.num_tasks} tasks, second by second; decoder {self.decoder!r}, "
            f"{self.averaging} of a task, then the mean over tasks"
        )

    @property
    def misses(self) -> str:
        """What counts as a miss, in words."""
        return (
            "every step of a video that lacks all modalities of the gallery; a video in which no step occurs is left "
            "out of recalls, and counted"
        )

    def number(self, scores: StepScores) -> StepRecall:
        """Return the recall that the name means, of the decoder and averaging that are meant."""
        found = scores.decoders[self.decoder]
        return found.mean_of_videos if self.averaging == "mean of videos" else found.pooled


CROSSTASK_STEPS = StepBenchmark(
    name="crosstask-steps",
    dataset="crosstask",
    num_tasks=18,
    training="none of CrossTask: zero-shot",
    description="18 primary tasks, each step named by its text, one vector per second (MCN; Zhukov et al. 2019)",
)


def step_deviations(dataset: Dataset, benchmark: StepBenchmark) -> tuple[str, ...]:
    """Say in words how a data set differs from what a benchmark demands.

    Raises:
        ProtocolError: the data set is another one.
        DataError: the annotation breaks a rule of the layout.
        ConfigError: a split or a label is not there.
    """
    benchmark.require(dataset)
    videos = [v for v in read_step_layout(dataset, benchmark.steps_split, benchmark.split).videos if v.truth.any()]
    found = []
    num_tasks = len({video.task for video in videos})
    if num_tasks != benchmark.num_tasks:
        found.append(f"{num_tasks} tasks with steps, where the benchmark has {benchmark.num_tasks}")
    if benchmark.num_videos not in (None, len(videos)):
        found.append(f"{len(videos):,} videos with steps, where the benchmark has {benchmark.num_videos:,}")
    lost = sorted({entry.id for entry in read_quarantine(dataset.path)} - set(dataset.ids))
    if lost:
        found.append(f"{len(lost):,} videos of the list were left out on import ({', '.join(lost[:3])})")
    return tuple(found)


def evaluate_step_benchmark(
    model: nn.Module,
    dataset: Dataset,
    benchmark: StepBenchmark,
    scoring: EvaluationConfig,
    *,
    tasks: tuple[str, ...] | None = None,
    seconds_at_once: int = 64,
    progress: Progress | None = None,
) -> StepResult:
    """Measure a model on a benchmark of step localisation.

    Args:
        model: see `evaluate_steps`.
        dataset: its data.
        benchmark: the benchmark.
        scoring: similarity and fusion; a step is asked for by its only text.
        tasks: some of its tasks; None: all whose modalities the data set has.
        seconds_at_once, progress: see `evaluate_steps`.

    Returns:
        The result; its protocols bear the benchmark's name, and the deviations where there are any.
    """
    deviations = step_deviations(dataset, benchmark)
    letters = {modality.letter for modality in dataset.modalities}
    chosen = benchmark.check_tasks(tasks) if tasks else benchmark.tasks_of(letters)
    config = StepEvaluationConfig(
        galleries=tuple(task.partition(">")[2] for task in chosen),
        steps_split=benchmark.steps_split,
        split=benchmark.split,
        evaluation=replace(scoring, captions="first"),
        windows=benchmark.windows,
        seconds_at_once=seconds_at_once,
    )
    name = benchmark.with_deviations(deviations)
    return evaluate_steps(model, dataset, config, benchmark=name, progress=progress)
