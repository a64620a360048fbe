"""Retrieval of whole videos under a name: the validation videos of YouCook2, and which way of asking is meant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from torch import nn

from trichord.data import Dataset
from trichord.errors import ConfigError, nearest
from trichord.evaluation.embed import Progress, embed_split
from trichord.evaluation.named import NamedProtocol
from trichord.evaluation.settings import EvaluationConfig, EvaluationSet, evaluation_set
from trichord.evaluation.whole_video import WholeVideoResult, evaluate_whole_videos
from trichord.metrics.whole_video import WAYS
from trichord.modality import parse_task


@dataclass(frozen=True, kw_only=True)
class WholeVideoBenchmark(NamedProtocol):
    """What is measured under a name; what is not explained here is explained by `NamedProtocol`.

    All four ways of asking are always measured; a number that is given without one is of `way`.

    Args:
        num_videos: source videos, which are asked for.
        num_items: their clips.
        split: split of the data set.
        captions: "first" or "all" captions of a clip ask.
        way: the way of asking that is meant, one of `metrics.whole_video.WAYS`.

    Raises:
        ConfigError: there is no such way.
    """

    num_videos: int
    num_items: int
    split: str = "test"
    captions: Literal["first", "all"] = "first"
    way: str = "caption average"

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            raise ConfigError(f"WholeVideoBenchmark.way is one of {WAYS}, got {self.way!r}; {nearest(self.way, WAYS)}")

    @property
    def counted(self) -> str:
        """What is counted, in words."""
        asked = "first caption" if self.captions == "first" else "captions"
        return (
            f"{self.num_videos:,} videos made of {self.num_items:,} clips of the split {self.split!r}, asked for by "
            f"the {asked} of their clips: {self.way}"
        )

    @property
    def misses(self) -> str:
        """What counts as a miss, in words."""
        return "a video of which no clip has the gallery side, or no clip has a caption"


YOUCOOK2_WHOLE_VIDEO = WholeVideoBenchmark(
    name="youcook2-whole-video",
    dataset="youcook2",
    num_videos=436,
    num_items=3350,
    training="9,586 training clips",
    description="the videos of the validation list, each found by the captions of its clips (MCN)",
)


@dataclass(frozen=True)
class WholeVideoItems:
    """A benchmark's clips in a data set.

    Args:
        evaluated: the clips.
        deviations: how the data differ from the benchmark, in words; numbers then do not bear its name.
    """

    evaluated: EvaluationSet
    deviations: tuple[str, ...]


def whole_video_items(dataset: Dataset, benchmark: WholeVideoBenchmark) -> WholeVideoItems:
    """Find the clips of a benchmark and say how they differ from what it demands.

    Raises:
        ProtocolError: the data set is another one.
        ConfigError: it lacks the split.
    """
    benchmark.require(dataset)
    evaluated = evaluation_set(dataset, benchmark.split)
    sources = dataset.source or [None] * len(dataset)
    num_videos = len({sources[item] for item in evaluated.items.tolist()} - {None})
    deviations = []
    if num_videos != benchmark.num_videos:
        deviations.append(f"{num_videos:,} videos, where the benchmark has {benchmark.num_videos:,}")
    if len(evaluated.items) != benchmark.num_items:
        deviations.append(f"{len(evaluated.items):,} clips, where the benchmark has {benchmark.num_items:,}")
    named = replace(evaluated, benchmark=benchmark.with_deviations(deviations))
    return WholeVideoItems(named, tuple(deviations))


def evaluate_whole_video_benchmark(
    model: nn.Module,
    dataset: Dataset,
    benchmark: WholeVideoBenchmark,
    scoring: EvaluationConfig,
    *,
    tasks: tuple[str, ...] | None = None,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> dict[str, WholeVideoResult]:
    """Measure a model on a benchmark of whole videos.

    Args:
        model: see `embed_split`.
        dataset: its data.
        benchmark: the benchmark.
        scoring: similarity and fusion; captions are the benchmark's.
        tasks: some of its tasks; None: all whose modalities the data set has.
        batch_size, progress: see `embed_split`.

    Returns:
        Task -> result, whose protocol bears the benchmark's name, and the deviations where there are any.

    Raises:
        DataError: the data set does not say which video a clip is part of.
    """
    evaluated = whole_video_items(dataset, benchmark).evaluated
    letters = {modality.letter for modality in dataset.modalities}
    chosen = benchmark.check_tasks(tasks) if tasks else benchmark.tasks_of(letters)
    parsed = {task: parse_task(task, dataset.modalities) for task in chosen}
    needed = {name for task in parsed.values() for name in (*task.query, *task.gallery)}
    names = [modality.name for modality in dataset.modalities if modality.name in needed]
    tables = embed_split(model, dataset, evaluated.items, modalities=names, batch_size=batch_size, progress=progress)
    config = replace(scoring, captions=benchmark.captions)
    sources = dataset.source
    return {
        spelled: evaluate_whole_videos(tables, task, evaluated, sources, config) for spelled, task in parsed.items()
    }
