"""What happened in each stage of a run: its validation curve, its loss, its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class StageCurve:
    """The course of one stage of one run.

    Args:
        name: the order up to and including the stage: "AV", then "AV_T".
        number: number of the stage, from 0.
        epochs, values: validation points; epochs done, and the metric that chose the weights.
        loss_epochs, losses: mean training loss of each epoch, and the number of the epoch, from 1.
        best_epoch: epoch of the best validation point; None without validation.
    """

    name: str
    number: int
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    loss_epochs: tuple[int, ...]
    losses: tuple[float, ...]
    best_epoch: int | None


@dataclass(frozen=True)
class StageVerdict:
    """Whether one stage of one run had converged.

    Args:
        seed: seed of the run.
        stage: the order up to and including the stage.
        verdict: rising, flat, falling or unknown.
        sentence: the verdict in words.
        best_epoch: epoch of the best validation point; None without validation.
        epochs: epochs of the stage.
    """

    seed: int
    stage: str
    verdict: str
    sentence: str
    best_epoch: int | None
    epochs: int


def read_curves(stages: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]]) -> tuple[StageCurve, ...]:
    """Collect the curves of a run from the stages of its status.json and the lines of its metrics.jsonl."""
    return tuple(_read_curve(number, stage, lines) for number, stage in enumerate(stages))


def _read_curve(number: int, stage: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> StageCurve:
    mine = [line for line in lines if line["stage"] == number]
    points = [line for line in mine if line["kind"] == "validation"]
    losses: dict[int, list[float]] = {}
    for line in mine:
        if line["kind"] == "step":
            losses.setdefault(line["epoch"] + 1, []).append(line["loss"])
    return StageCurve(
        name=str(stage["name"]),
        number=number,
        epochs=tuple(point["epoch"] for point in points),
        values=tuple(point["metrics"]["selection"] for point in points),
        loss_epochs=tuple(sorted(losses)),
        losses=tuple(float(np.mean(losses[epoch])) for epoch in sorted(losses)),
        best_epoch=stage["best_epoch"],
    )


def read_verdicts(seed: int, stages: Sequence[Mapping[str, Any]]) -> tuple[StageVerdict, ...]:
    """Collect the verdicts of a run from the stages of its status.json."""
    return tuple(
        StageVerdict(seed, stage["name"], stage["verdict"], stage["sentence"], stage["best_epoch"], stage["epochs"])
        for stage in stages
    )
