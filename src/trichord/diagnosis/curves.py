"""What each stage of a run did, from its configuration, its status and its metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trichord.config import difference
from trichord.data import Dataset
from trichord.diagnosis.facts import StageFacts
from trichord.metrics.retrieval import chance_counts, score_queries, summarise
from trichord.runs.directory import RunDirectory, RunRecord


def read_stages(
    directory: RunDirectory, record: RunRecord, dataset: Dataset, usual: Mapping[str, Any]
) -> tuple[StageFacts, ...]:
    """Read every stage that has begun.

    Args:
        directory: the run.
        record: its config.json.
        dataset: the data it was trained on, for the size of its validation split.
        usual: dotted path -> value that the recipe, or a run compared with, has in place of this run's.
    """
    finished = dict(enumerate(directory.status().get("stages", [])))
    lines = directory.metrics()
    found = []
    for number in range(len(record.config.stages)):
        of_stage = [line for line in lines if line["stage"] == number]
        if of_stage or number in finished:
            chance = validation_chance(record, dataset)
            found.append(_read_stage(record, number, of_stage, finished.get(number), usual, chance))
    return tuple(found)


def _read_stage(
    record: RunRecord,
    number: int,
    lines: Sequence[Mapping[str, Any]],
    finished: Mapping[str, Any] | None,
    usual: Mapping[str, Any],
    chance: float | None,
) -> StageFacts:
    stage, selection = record.config.stages[number], record.config.selection
    steps = [line for line in lines if line["kind"] == "step"]
    points = [line for line in lines if line["kind"] == "validation"]
    done = stage.last_epoch if finished is not None else max([0, *(line["epoch"] for line in lines)])
    kept = done or None
    if stage.keep == "best" and points:
        best = max(points, key=lambda line: (line["metrics"]["selection"], -line["epoch"]))
        kept = int(best["epoch"])
    per_epoch = finished["steps_per_epoch"] if finished is not None else max([0, *(s["step"] + 1 for s in steps)])
    return StageFacts(
        name="_".join(record.config.order.split("_")[: number + 1]),
        train=stage.train,
        epochs=stage.last_epoch,
        epochs_done=done,
        stopped_early=stage.stop_epoch is not None,
        steps_per_epoch=per_epoch or None,
        learning_rate=stage.optimizer.learning_rate,
        warmup_steps=stage.optimizer.warmup_steps,
        usual_epochs=usual.get(f"stages.{number}.epochs"),
        usual_learning_rate=usual.get(f"stages.{number}.optimizer.learning_rate"),
        losses=tuple(float(line["loss"]) for line in steps),
        gradient_norms=tuple(float(line["gradient_norm"]) for line in steps),
        loss_epochs=tuple(int(line["epoch"]) + 1 for line in steps),
        validates=selection.split is not None,
        validation_epochs=tuple(int(line["epoch"]) for line in points),
        validation=tuple(float(line["metrics"]["selection"]) for line in points),
        validation_metric=selection.metric,
        validation_chance=chance,
        kept_epoch=kept,
        keep=stage.keep,
    )


def validation_chance(record: RunRecord, dataset: Dataset) -> float | None:
    """Return what random ranking scores on the validation split, every item taken to hold every modality once."""
    split = record.config.selection.split
    if split is None or split not in dataset.spec.splits:
        return None
    number = dataset.spec.splits[split]
    counts = chance_counts(np.ones(number, np.int64), number)
    return summarise(score_queries(counts)).named()[record.config.selection.metric]


def usual_settings(record: RunRecord, other: RunRecord | None) -> dict[str, Any]:
    """Return dotted path -> value of the recipe for what was overridden, and of the other run for what differs."""
    of_other = {} if other is None else {path: b for path, (_, b) in difference(record.config, other.config).items()}
    return of_other | {path: before for path, (before, _) in record.changes.items()}
