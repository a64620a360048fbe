"""The record of a study of MMLoRA. Measures are in percent; every setting was chosen on validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from trichord.evaluation.class_results import ClassLine
from trichord.metrics.bootstrap import Estimate

Family = Literal["probe", "expert", "ensemble", "head", "mmlora", "joint", "teacher"]
"""What kind of method a row is; "head": all experts frozen, no matrices, only the classifier on top learns anew."""
Edge = Literal["", "largest", "smallest"]
"""Which end of the settings that were tried was chosen; "" for neither, or where there was one setting or none."""


@dataclass(frozen=True)
class Paired:
    """A difference of the deciding measure, a - b, on the same items: positive where a is better.

    Args:
        difference, low, high: in points, with a 95 % interval over items and seeds.
        p_value: of a two-sided paired test; never zero.
        holm: the same, adjusted over all comparisons of its kind: with controls, of ranks, of encoders.
    """

    difference: float
    low: float
    high: float
    p_value: float
    holm: float


@dataclass(frozen=True)
class Cost:
    """What a method takes to train.

    Args:
        trainable: parameters that learn in its last stage.
        parameters: parameters that are used to answer.
        training_bytes: weights, gradients and optimizer state of its last stage, counted; activations come on top.
        device_bytes: most memory that was in use on the GPU; None where it ran on a CPU.
        epochs: passes over the fitting splits that lead to it, all stages counted, modalities side by side once.
        seconds: training time of its last stage, mean over seeds.
        seconds_before: of the stages it rests on.
    """

    trainable: int
    parameters: int
    training_bytes: int
    device_bytes: int | None
    epochs: int
    seconds: float
    seconds_before: float


@dataclass(frozen=True)
class MethodRow:
    """One line of the table.

    Args:
        name: "MMLoRA on video", "joint", "ensemble"; unique.
        family: what kind of method it is.
        modalities: what it looks at.
        adapted: modalities that have matrices.
        setting: what was chosen for it on validation, in words: "rank 16"; "" where there was nothing to choose.
        tries: settings that it was chosen from.
        at_edge: whether validation chose the largest or the smallest of several settings, so that one beyond might be
            better.
        validation: deciding measure on validation, mean over seeds.
        metrics: measure -> value on the reported split, with interval over items and seeds.
        against: name of a control -> difference from it: "ensemble" and "joint" for every method of several
            modalities, and for MMLoRA "classifier alone" (what the matrices add) and "linear probe on all" too.
        without: removed modality -> deciding measure without it; {} for methods of one modality.
        cost: what it takes.
        classes: a line per class.
        confusion: rows: true class, columns: answer; share in percent of the true class's items; () with several
            labels per item.
    """

    name: str
    family: Family
    modalities: tuple[str, ...]
    adapted: tuple[str, ...]
    setting: str
    tries: int
    at_edge: Edge
    validation: float
    metrics: Mapping[str, Estimate]
    against: Mapping[str, Paired]
    without: Mapping[str, Estimate]
    cost: Cost
    classes: tuple[ClassLine, ...]
    confusion: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class RankPoint:
    """One rank at one placement.

    Args:
        method: name of the method without its rank, "MMLoRA on video".
        rank: of the matrices.
        validation, test: deciding measure, over seeds.
        trainable: parameters that learn.
        chosen: whether the method's row in the table has this rank.
    """

    method: str
    rank: int
    validation: Estimate
    test: Estimate
    trainable: int
    chosen: bool


@dataclass(frozen=True)
class RankEffect:
    """What the chosen rank of one placement is worth: the chosen rank less the smallest, on the reported split.

    Args:
        method: name of the method without its rank, "MMLoRA on video".
        rank: chosen on validation; larger than `smallest`.
        smallest: the smallest rank that was tried.
        paired: the difference on the same items, of the same seeds; Holm over the placements.
    """

    method: str
    rank: int
    smallest: int
    paired: Paired


@dataclass(frozen=True)
class UnderTraining:
    """What joint learning left of one modality: the same linear probe on the vectors of two encoders.

    Args:
        modality: whose encoder.
        method: "joint" or "joint with teachers (UMT)".
        probe: deciding measure of a linear classifier on the vectors of that method's encoder.
        expert: the same on the vectors of the expert's encoder.
        difference: probe less expert.
        under_trained: whether it is below, beyond chance (Holm over modalities and methods).
    """

    modality: str
    method: str
    probe: Estimate
    expert: Estimate
    difference: Paired
    under_trained: bool


@dataclass(frozen=True)
class MMLoRAReport:
    """A finished study.

    Args:
        title: of the page.
        dataset, fingerprint: the data.
        label: label column.
        several: whether items may have several classes.
        classes: names of the classes.
        modalities: name -> letter.
        encoders: modality -> what its encoder is, in words.
        fit_splits, validation, split: learnt from, chosen on, reported.
        items: split -> number of items.
        sources: number of sources (speakers, recordings) of the reported split; None where the data name none.
        seeds: the seeds.
        metrics: names of the measures; the first decides: "accuracy" and "macro F1", or "micro F1" and "macro F1".
        chance: measure -> what always naming the most frequent class of the fitting splits scores.
        methods: the rows, in reading order.
        ranks: the rank curve.
        rank_effects: a line per placement whose chosen rank is not the smallest that was tried.
        under_training: joint learning held against the experts.
        best: name of the MMLoRA row that validation prefers; never one over experts that learnt with matrices
            themselves, which is a control.
        answers: what was found, in sentences.
        flags: warnings in words.
        notes: what a reader must know.
        seconds: wall time of the study; of a study that was interrupted, of its last sitting.
        workers: runs at once.
    """

    title: str
    dataset: str
    fingerprint: str
    label: str
    several: bool
    classes: tuple[str, ...]
    modalities: Mapping[str, str]
    encoders: Mapping[str, str]
    fit_splits: tuple[str, ...]
    validation: str
    split: str
    items: Mapping[str, int]
    sources: int | None
    seeds: tuple[int, ...]
    metrics: tuple[str, ...]
    chance: Mapping[str, float]
    methods: tuple[MethodRow, ...]
    ranks: tuple[RankPoint, ...]
    rank_effects: tuple[RankEffect, ...]
    under_training: tuple[UnderTraining, ...]
    best: str
    answers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    workers: int = 1
    folders: Mapping[str, str] = field(default_factory=dict)

    def method(self, name: str) -> MethodRow:
        """Return a row by its name."""
        return next(row for row in self.methods if row.name == name)
