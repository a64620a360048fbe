"""`trichord import crosstask`: features, annotations and step names of CrossTask, as MCN's evaluation reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from trichord.data.importers.clips import PublishedImport
from trichord.data.importers.entries import NUM_MELS, STREAM_DIM, Parts, check_mel, is_text
from trichord.data.importers.lists import read_list
from trichord.data.npy import open_npy
from trichord.data.packing import PackedItem, Packer, PackReport, Quarantined, Record
from trichord.data.readers import read_array
from trichord.data.specification import Header, ModalityHeader
from trichord.errors import DataError
from trichord.files import read_json
from trichord.modality import AUDIO, TEXT, VIDEO
from trichord.shapes import Float

VIDEOS_FILE, STEPS_FILE = "cvpr19_test.csv", "step.json"


@dataclass(frozen=True, kw_only=True)
class CrossTaskImport(PublishedImport):
    """CrossTask: the steps of every task, and videos second by second.

    Splits: "steps": one item per step of a task, its name as caption, labels task and step (from 1); "test": one item
    per video, with one video vector per second (2D and 3D rows brought to as many as there are annotated seconds by
    their maximum, each of length one), the log-mel of the whole video, and the labels task, step_numbers and
    step_seconds: step k is annotated at second s.

    Args:
        videos: list of videos, csv with the columns video_id and task; None: cvpr19_test.csv beside the features.
        steps: step.json, task -> names of its steps in order; None: beside the features.
        audio: folder of ID.npz; None: that of the features.
        annotations: folder of TASK_ID.npy, seconds x steps of 0 and 1; None: that of the features.
        max_array_bytes: largest array of an npz file once unpacked.
    """

    videos: Path | None = None
    steps: Path | None = None
    audio: Path | None = None
    annotations: Path | None = None
    max_array_bytes: int = 2**31


def import_crosstask(config: CrossTaskImport) -> PackReport:
    """Import CrossTask; a video that cannot be scored second by second is left out and listed.

    Raises:
        DataError: the list or the steps cannot be read, or too many videos are unusable.
        ConfigError: `out` exists.
    """
    videos_file = config.videos or config.features / VIDEOS_FILE
    listed = read_list(videos_file)
    pairs = list(zip(listed.distinct("video_id"), map(str, listed.column("task")), strict=True))
    steps_file = config.steps or config.features / STEPS_FILE
    steps = read_steps(steps_file)
    strange = [video for video, task in pairs if {"/", "\\"} & {*video, *task}]
    if strange:
        raise DataError(
            "a video and its task are names, not paths", file=videos_file, row=strange[0], remedy="mend the list"
        )
    unknown = sorted({task for _, task in pairs} - set(steps))
    if unknown:
        raise DataError(
            f"the tasks {unknown} have no steps", file=videos_file, remedy="give the step.json of this list"
        )
    wording = config.wording
    words, dim = wording.describe()
    header = Header(
        "crosstask",
        (
            ModalityHeader(VIDEO, "pooled", 2 * STREAM_DIM),
            ModalityHeader(AUDIO, "sequence", NUM_MELS),
            ModalityHeader(TEXT, "words", dim, words=words),
        ),
        description="CrossTask, primary tasks, second by second",
    )
    dtypes = {VIDEO.name: np.dtype(np.float32), AUDIO.name: np.dtype(config.audio_dtype)}
    identity = config.identity([videos_file, steps_file, config.words])
    with Packer(config.out, header, dtypes, wording, identity, overwrite=config.overwrite) as packer:
        records: list[Record | tuple[str, str]] = [*step_records(steps, {task for _, task in pairs}), *pairs]
        for entry in tqdm(records[packer.done :], "videos", disable=None if config.progress else True):
            if isinstance(entry, Record):
                packer.add(entry)
            else:
                video, task = entry
                packer.add(video_record(video, task, len(steps[task]), config))
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


def video_record(video: str, task: str, num_steps: int, config: CrossTaskImport) -> Record:
    """Read a video's annotation and features; without a usable annotation or video features it is left out."""
    parts = Parts(video)
    file = (config.annotations or config.features) / f"{task}_{video}.npy"
    annotation = parts.take("annotation", _annotation, file, num_steps)
    vectors = None
    if annotation is not None:
        vectors = parts.take("video", _per_second, config.features, video, len(annotation))
    if annotation is None or vectors is None:
        return Record(video, quarantined=parts.quarantined)
    seconds, numbers = np.nonzero(annotation)
    frames = parts.take("audio", _mel, (config.audio or config.features) / f"{video}.npz", config)
    features: dict[str, list[np.ndarray]] = {VIDEO.name: list(vectors)}
    features |= {} if frames is None else {AUDIO.name: [frames]}
    columns = _columns(video, task, [], None, (numbers + 1).tolist(), seconds.tolist())
    if not len(seconds):
        parts.quarantined.append(Quarantined(video, "no step occurs in it; it counts in no average"))
    return Record(video, [PackedItem(video, "test", columns, features)], quarantined=parts.quarantined)


def adaptive_maximum(rows: Float[np.ndarray, "time dim"], seconds: int) -> Float[np.ndarray, "seconds dim"]:
    """Bring rows to a number of seconds, each the maximum over its share of the rows."""
    pooled = functional.adaptive_max_pool1d(torch.from_numpy(rows.T.astype(np.float32))[None], seconds)
    values: np.ndarray = pooled[0].numpy().T
    return values


def _per_second(folder: Path, video: str, seconds: int) -> np.ndarray:
    parts = []
    for stream in ("2d", "3d"):
        file = folder / f"{video}_{stream}.npy"
        rows = open_npy(file)
        if rows.ndim != 2 or rows.shape[1] != STREAM_DIM or not len(rows) or rows.dtype.kind != "f":
            raise DataError(f"{file.name} is time x {STREAM_DIM}, found {rows.dtype} of {rows.shape}", remedy="mend it")
        pooled = adaptive_maximum(np.asarray(rows), seconds)
        if not np.isfinite(pooled).all():
            raise DataError(f"{file.name} holds NaN or infinity", remedy="extract it again")
        parts.append(pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), np.float32(1e-12)))
    return np.concatenate(parts, axis=1)


def _mel(file: Path, config: CrossTaskImport) -> np.ndarray:
    return check_mel(read_array(file, "arr_0", config.max_array_bytes), "arr_0", np.dtype(config.audio_dtype))


def _annotation(file: Path, num_steps: int) -> np.ndarray:
    values = open_npy(file)
    if values.ndim != 2 or values.shape[1] != num_steps or not len(values) or not np.isin(values, (0, 1)).all():
        raise DataError(
            f"{file.name} is seconds x {num_steps} steps of 0 and 1, found {values.dtype} of shape {values.shape}",
            remedy="mend it",
        )
    if len(values) < num_steps:
        raise DataError(
            f"{file.name} has {len(values)} seconds for {num_steps} steps, each of which takes one", remedy="mend it"
        )
    return np.asarray(values)


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


CrossTaskImport.target = import_crosstask
