"""Step localisation as on CrossTask: at which second of a video is each step of its task, asked in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from trichord.config import Config
from trichord.data.dataset import Dataset
from trichord.errors import ConfigError, ProtocolError
from trichord.evaluation.embed import EmbeddingTable, Progress, embed_split
from trichord.evaluation.second_vectors import AudioWindowConfig, embed_audio_seconds, embed_video_seconds
from trichord.evaluation.settings import EvaluationConfig
from trichord.evaluation.sides import build_side
from trichord.evaluation.step_layout import AnnotatedVideo, StepLayout, read_step_layout
from trichord.evaluation.step_result import StepProtocol, StepResult, summarise_steps
from trichord.files import hash_bytes
from trichord.metrics.collapse import describe_collapse
from trichord.metrics.ranks import check_vectors
from trichord.modality import AUDIO, TEXT, VIDEO, Task, spell_task, unspell


@dataclass(frozen=True, kw_only=True)
class StepEvaluationConfig(Config):
    """Choices of step localisation; those that change numbers become part of the protocol.

    Args:
        galleries: what is known of a second, spelled; each is scored: "V", "A" or "VA". Published for MCN: "VA".
        steps_split, split: splits that hold the steps and the videos.
        evaluation: similarity, fusion, resamples and seed; published are dot products of sums of vectors as the model
            gives them. A step has one text, so captions "all" is refused; `chunk` has no use here.
        windows: how audio is cut around a second.
        seconds_at_once: seconds encoded at once; bounds memory, changes no number beyond rounding.
    """

    galleries: tuple[str, ...] = ("VA",)
    steps_split: str = "steps"
    split: str = "test"
    evaluation: EvaluationConfig = EvaluationConfig()
    windows: AudioWindowConfig = AudioWindowConfig()
    seconds_at_once: int = 64

    def __post_init__(self) -> None:
        if not self.galleries or self.seconds_at_once < 1:
            raise ConfigError(
                f"StepEvaluationConfig: at least one gallery and one second at once, got {self.galleries} and "
                f"{self.seconds_at_once}"
            )
        if self.evaluation.captions != "first":
            raise ConfigError(
                f"StepEvaluationConfig: a step is asked for by its first text; got captions "
                f"{self.evaluation.captions!r}"
            )


def evaluate_steps(
    model: nn.Module,
    dataset: Dataset,
    config: StepEvaluationConfig | None = None,
    *,
    benchmark: str = "none",
    progress: Progress | None = None,
) -> StepResult:
    """Locate the steps of every video's task in the video and score what was found.

    Text vectors of the task's own steps are scored against one vector per second: the second's video instance, the
    audio around it, or their sum. Videos are encoded one after another and only scores are kept, so memory is that of
    one video's vectors. A video without audio is represented by its video in "VA", and is a miss in "A".

    Args:
        model: called as `model(features, batch_size)`, returns `Embeddings`.
        dataset: laid out as `read_step_layout` says; audio, where there is any, is one sequence per video.
        config: choices; None takes the defaults of `StepEvaluationConfig`.
        benchmark: name that the protocol bears, see `trichord.evaluation.step_benchmark`.
        progress: called with (videos done, videos in all) after each video.

    Raises:
        DataError: the annotation breaks a rule of the layout.
        ConfigError: a gallery names a modality that the data set lacks, or anything but video and audio.
        ProtocolError: an embedding is zero or not finite, or no step occurs anywhere.
    """
    config = StepEvaluationConfig() if config is None else config
    tasks = _tasks(dataset, config.galleries)
    layout = read_step_layout(dataset, config.steps_split, config.split)
    queries = _step_vectors(model, dataset, layout, config)
    needed = {name for task in tasks.values() for name in task.gallery}
    scores: dict[str, list[np.ndarray | None]] = {spelled: [] for spelled in tasks}
    num_late = 0
    for place, video in enumerate(layout.videos):
        tables, late = _second_tables(model, dataset, video, needed, config)
        num_late += late
        for spelled, task in tasks.items():
            try:
                scores[spelled].append(_score(queries[video.task], tables, task.gallery, len(video.truth), config))
            except ProtocolError as error:
                raise ProtocolError(
                    f"{dataset.spec.name}, video {dataset.ids[video.item]!r}, task {spelled}: {error}"
                ) from error
        if progress is not None:
            progress(place + 1, len(layout.videos))
    galleries = {
        spelled: summarise_steps(
            layout.videos,
            found,
            _protocol(dataset, layout, tasks[spelled], spelled, config, benchmark),
            num_resamples=config.evaluation.num_resamples,
            seed=config.evaluation.seed,
        )
        for spelled, found in scores.items()
    }
    with_steps = {video.task for video in layout.videos if video.truth.any()}
    return StepResult(
        galleries=galleries,
        video_items=np.array([video.item for video in layout.videos if video.truth.any()]),
        num_without_steps=dict(Counter(video.task for video in layout.videos if not video.truth.any())),
        tasks_without_steps=tuple(sorted({video.task for video in layout.videos} - with_steps)),
        tasks_without_videos=tuple(sorted(set(layout.steps) - {video.task for video in layout.videos})),
        num_late_seconds=num_late,
        flags=_collapse(queries),
    )


def _tasks(dataset: Dataset, galleries: tuple[str, ...]) -> dict[str, Task]:
    """Return spelling -> task, text against each gallery."""
    known = dataset.modalities
    tasks = [Task((TEXT.name,), unspell(letters, known)) for letters in galleries]
    for task in tasks:
        if set(task.gallery) - {VIDEO.name, AUDIO.name}:
            raise ConfigError(
                f"a second of a video is known by video and audio, got the gallery {task.gallery}; spell it V, A or VA"
            )
    return {spell_task(task, known): task for task in tasks}


def _step_vectors(
    model: nn.Module, dataset: Dataset, layout: StepLayout, config: StepEvaluationConfig
) -> dict[str, np.ndarray]:
    """Return task -> (steps, dim) text vectors in the order of the task."""
    items = np.concatenate(list(layout.steps.values()))
    tables = embed_split(model, dataset, items, modalities=[TEXT.name])
    queries = {
        task: build_side(tables, (TEXT.name,), steps, **_choices(config)).vectors
        for task, steps in layout.steps.items()
    }
    for task, vectors in queries.items():
        check_vectors(torch.from_numpy(vectors), f"task {task!r}: step")
    return queries


def _second_tables(
    model: nn.Module, dataset: Dataset, video: AnnotatedVideo, needed: set[str], config: StepEvaluationConfig
) -> tuple[dict[str, EmbeddingTable], int]:
    """Return modality -> vectors of a video's seconds, absent where the video lacks it, and the late seconds."""
    tables: dict[str, EmbeddingTable] = {}
    late, at_once = 0, config.seconds_at_once
    if VIDEO.name in needed:
        tables[VIDEO.name] = embed_video_seconds(model, dataset, VIDEO.name, video.item, seconds_at_once=at_once)
    if AUDIO.name in needed and dataset.has(AUDIO.name)[video.item]:
        audio = embed_audio_seconds(
            model, dataset, video.item, len(video.truth), config.windows, seconds_at_once=at_once
        )
        tables[AUDIO.name], late = audio.table, audio.num_late
    return tables, late


def _score(
    queries: np.ndarray,
    tables: Mapping[str, EmbeddingTable],
    gallery: tuple[str, ...],
    num_seconds: int,
    config: StepEvaluationConfig,
) -> np.ndarray | None:
    """Return (seconds, steps) scores, or None where the video lacks all of the gallery's modalities."""
    names = tuple(name for name in gallery if name in tables)
    if not names:
        return None
    vectors = build_side(tables, names, np.arange(num_seconds), **_choices(config)).vectors
    check_vectors(torch.from_numpy(vectors), "second")
    scores: np.ndarray = vectors @ queries.T
    return scores


def _choices(config: StepEvaluationConfig) -> dict[str, str]:
    """Return the arguments of `build_side`."""
    chosen = config.evaluation
    return {"captions": chosen.captions, "fusion": chosen.fusion, "similarity": chosen.similarity}


def _protocol(
    dataset: Dataset, layout: StepLayout, task: Task, spelled: str, config: StepEvaluationConfig, benchmark: str
) -> StepProtocol:
    windows = config.windows if AUDIO.name in task.gallery else None
    steps = [dataset.ids[item] for items in layout.steps.values() for item in items.tolist()]
    return StepProtocol(
        task=spelled,
        dataset=dataset.spec.name,
        dataset_fingerprint=dataset.fingerprint(),
        steps_split=config.steps_split,
        split=config.split,
        steps_hash=hash_bytes(name.encode() for name in steps),
        items_hash=hash_bytes(dataset.ids[video.item].encode() for video in layout.videos),
        num_videos=len(layout.videos),
        num_tasks=len({video.task for video in layout.videos}),
        similarity=config.evaluation.similarity,
        fusion=config.evaluation.fusion,
        window_seconds=None if windows is None else windows.seconds,
        frames_per_second=None if windows is None else windows.frames_per_second,
        max_frames=None if windows is None else windows.max_frames,
        benchmark=benchmark,
    )


def _collapse(queries: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Return a sentence when the steps' text vectors have collapsed."""
    verdict = describe_collapse(torch.from_numpy(np.concatenate(list(queries.values()))))
    return () if verdict is None else (f"collapsed: text of the steps: {verdict}",)
