"""`trichord import crosstask`: features, annotations and step names of CrossTask, as MCN's evaluation reads them.

Other data sets of videos and their steps that lie on disk alike share `StepVideosImport` and `import_step_videos`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from trichord.data.importers.annotations import read_annotation
from trichord.data.importers.clips import PublishedImport
from trichord.data.importers.entries import NUM_MELS, STREAM_DIM, Parts, check_mel, is_text
from trichord.data.importers.lists import read_list
from trichord.data.npy import open_npy
from trichord.data.packing import PackedItem, Packer, PackReport, Quarantined, Record
from trichord.data.readers import read_array
from trichord.data.specification import Header, ModalityHeader
from trichord.errors import DataError
from trichord.files import is_file, read_json
from trichord.modality import AUDIO, TEXT, VIDEO
from trichord.shapes import Float

VIDEOS_FILE, STEPS_FILE = "cvpr19_test.csv", "step.json"


@dataclass(frozen=True, kw_only=True)
class StepVideosImport(PublishedImport):
    """Where videos, what happens in them and the names of their steps lie.

    Of the video ID of a task with K steps are read: the 2D features ID_2d.npy, (seconds, 2048); the 3D features
    ID_3d.npy, (time, 2048), or, where there is no such file, the array `features` of ID.npz beside them (Everything at
    Once); the log-mel `arr_0` of ID.npz in the folder of audio, (40, frames); and the annotation, see
    `trichord.data.importers.annotations`. A video that is annotated by spans is as long as its 2D features, one row per
    second; any other as long as its grid, to which the features are brought.

    Args:
        videos: list of videos, csv; None: under its published name beside the features.
        steps: task -> names of its steps in order, json; None: step.json beside the features.
        audio: folder of ID.npz; None: that of the features.
        annotations: folder of the annotations; None: that of the features.
        max_array_bytes: largest array of an npz file once unpacked.
    """

    videos: Path | None = None
    steps: Path | None = None
    audio: Path | None = None
    annotations: Path | None = None
    max_array_bytes: int = 2**31


@dataclass(frozen=True, kw_only=True)
class CrossTaskImport(StepVideosImport):
    """CrossTask: the steps of every task, and videos second by second.

    Splits: "steps": one item per step of a task, its name as caption, labels task and step (from 1); "test": one item
    per video, with one video vector per second (2D and 3D rows brought to as many as there are annotated seconds by
    their maximum, each of length one), the log-mel of the whole video, and the labels task, step_numbers and
    step_seconds: step k is annotated at second s.

    The list of videos, cvpr19_test.csv, has the columns video_id and task; annotations are TASK_ID.npy or TASK_ID.csv.
    """


@dataclass(frozen=True)
class StepVideo:
    """A video: its id, its task, and the name of its annotation without the ending."""

    id: str
    task: str
    annotation: str


@dataclass(frozen=True)
class StreamRows:
    """The 2D or 3D features of a video as they lie on disk, and the name of their file."""

    file: str
    rows: Float[np.ndarray, "time dim"]


def import_crosstask(config: CrossTaskImport) -> PackReport:
    """Import CrossTask; a video that cannot be scored second by second is left out and listed.

    Raises:
        DataError: the list or the steps cannot be read, or too many videos are unusable.
        ConfigError: `out` exists.
    """
    file = config.videos or config.features / VIDEOS_FILE
    listed = read_list(file)
    pairs = zip(listed.distinct("video_id"), map(str, listed.column("task")), strict=True)
    videos = [StepVideo(video, task, f"{task}_{video}") for video, task in pairs]
    return import_step_videos(config, "crosstask", file, videos, "CrossTask, primary tasks, second by second")


def import_step_videos(
    config: StepVideosImport, name: str, videos_file: Path, videos: Sequence[StepVideo], description: str
) -> PackReport:
    """Import videos and the steps of their tasks, laid out as `CrossTaskImport` says.

    Args:
        config: where everything lies.
        name: name of the data set.
        videos_file: the list the videos are from.
        videos: the videos, in order.
        description: for dataset.json.
    """
    steps_file = config.steps or config.features / STEPS_FILE
    steps = read_steps(steps_file)
    strange = [video.id for video in videos if {"/", "\\"} & {*video.id, *video.task}]
    if strange:
        raise DataError(
            "a video and its task are names, not paths", file=videos_file, row=strange[0], remedy="mend the list"
        )
    unknown = sorted({video.task for video in videos} - set(steps))
    if unknown:
        raise DataError(
            f"the tasks {unknown} have no steps", file=videos_file, remedy="give the step.json of this list"
        )
    wording = config.wording
    words, dim = wording.describe()
    header = Header(
        name,
        (
            ModalityHeader(VIDEO, "pooled", 2 * STREAM_DIM),
            ModalityHeader(AUDIO, "sequence", NUM_MELS),
            ModalityHeader(TEXT, "words", dim, words=words),
        ),
        description=description,
    )
    dtypes = {VIDEO.name: np.dtype(np.float32), AUDIO.name: np.dtype(config.audio_dtype)}
    identity = config.identity([videos_file, steps_file, config.words])
    with Packer(config.out, header, dtypes, wording, identity, overwrite=config.overwrite) as packer:
        records: list[Record | StepVideo] = [*step_records(steps, {video.task for video in videos}), *videos]
        for entry in tqdm(records[packer.done :], "videos", disable=None if config.progress else True):
            record = entry if isinstance(entry, Record) else video_record(entry, len(steps[entry.task]), config)
            packer.add(record)
        return packer.finish(config.max_quarantined, progress=config.progress)


def read_steps(file: Path) -> dict[str, list[str]]:
    """Read step.json: task -> names of its steps, in order."""
    steps = read_json(file)
    good = isinstance(steps, dict) and all(
        isinstance(names, list) and names and all(is_text(name) and name.strip() for name in names)
        for names in steps.values()
    )
    if not good:
        raise DataError("steps are an object from task to the names of its steps", file=file, remedy="mend it")
    return {str(task): names for task, names in steps.items()}


def step_records(steps: dict[str, list[str]], tasks: set[str]) -> Iterator[Record]:
    """Yield the step items of every task that has videos."""
    for task in sorted(tasks):
        items = [
            PackedItem(f"{task}/{number}", "steps", _columns(None, task, [name], number, [], []))
            for number, name in enumerate(steps[task], start=1)
        ]
        yield Record(f"steps of {task}", items)


def video_record(video: StepVideo, num_steps: int, config: StepVideosImport) -> Record:
    """Read a video's features and annotation; without usable video features or annotation it is left out."""
    parts = Parts(video.id)
    streams = parts.take("video", _streams, video.id, config)
    if streams is None:
        return Record(video.id, quarantined=parts.quarantined)
    folder = config.annotations or config.features
    annotation = parts.take("annotation", read_annotation, folder, video.annotation, num_steps, len(streams[0].rows))
    vectors = None if annotation is None else parts.take("video", _per_second, streams, len(annotation.truth))
    if annotation is None or vectors is None:
        return Record(video.id, quarantined=parts.quarantined)
    parts.quarantined += [Quarantined(video.id, f"annotation: {note}") for note in annotation.notes]
    seconds, numbers = np.nonzero(annotation.truth)
    frames = parts.take("audio", _mel, (config.audio or config.features) / f"{video.id}.npz", config)
    features: dict[str, list[np.ndarray]] = {VIDEO.name: list(vectors)}
    features |= {} if frames is None else {AUDIO.name: [frames]}
    columns = _columns(video.id, video.task, [], None, (numbers + 1).tolist(), seconds.tolist())
    if not len(seconds):
        parts.quarantined.append(Quarantined(video.id, "no step occurs in it; it counts in no average"))
    return Record(video.id, [PackedItem(video.id, "test", columns, features)], quarantined=parts.quarantined)


def adaptive_maximum(rows: Float[np.ndarray, "time dim"], seconds: int) -> Float[np.ndarray, "seconds dim"]:
    """Bring rows to a number of seconds, each the maximum over its share of the rows."""
    pooled = functional.adaptive_max_pool1d(torch.from_numpy(rows.T.astype(np.float32))[None], seconds)
    values: np.ndarray = pooled[0].numpy().T
    return values


def _streams(video: str, config: StepVideosImport) -> tuple[StreamRows, StreamRows]:
    """Open the 2D and the 3D features."""
    flat, deep, archive = (config.features / f"{video}{ending}" for ending in ("_2d.npy", "_3d.npy", ".npz"))
    first = _checked(flat.name, open_npy(flat))
    if is_file(deep) or not is_file(archive):
        return first, _checked(deep.name, open_npy(deep))
    try:
        rows = read_array(archive, "features", config.max_array_bytes)
    except DataError as error:
        raise DataError(f"there is no {deep.name}, and in {archive.name}: {error.rule}", remedy=error.remedy) from error
    return first, _checked(archive.name, rows)


def _checked(name: str, rows: np.ndarray) -> StreamRows:
    if rows.ndim != 2 or rows.shape[1] != STREAM_DIM or not len(rows) or rows.dtype.kind != "f":
        raise DataError(f"{name} is time x {STREAM_DIM}, found {rows.dtype} of {rows.shape}", remedy="mend it")
    return StreamRows(name, rows)


def _per_second(streams: tuple[StreamRows, StreamRows], seconds: int) -> np.ndarray:
    parts = []
    for stream in streams:
        pooled = adaptive_maximum(stream.rows, seconds)
        if not np.isfinite(pooled).all():
            raise DataError(f"{stream.file} holds NaN or infinity", remedy="extract it again")
        parts.append(pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), np.float32(1e-12)))
    return np.concatenate(parts, axis=1)


def _mel(file: Path, config: StepVideosImport) -> np.ndarray:
    return check_mel(read_array(file, "arr_0", config.max_array_bytes), "arr_0", np.dtype(config.audio_dtype))


def _columns(
    source: str | None, task: str, captions: list[str], step: int | None, numbers: list[int], seconds: list[int]
) -> dict[str, Any]:
    return {
        "source": source,
        "captions": captions,
        "task": task,
        "step": step,
        "step_numbers": numbers,
        "step_seconds": seconds,
    }


CrossTaskImport.builds = import_crosstask
