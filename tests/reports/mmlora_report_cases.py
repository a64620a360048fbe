"""Makes reports on MMLoRA by hand: numbers that look like those of a study, and verdicts as asked."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trichord.metrics.bootstrap import Estimate
from trichord.reports.mmlora.answers import write_answers
from trichord.reports.mmlora.record import (
    ClassLine,
    Cost,
    Edge,
    Family,
    MethodRow,
    MMLoRAReport,
    Paired,
    RankEffect,
    RankPoint,
    UnderTraining,
)

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
GENRES = ("drama", "comedy", "romance", "thriller", "crime", "documentary")
WORDS = tuple(f"word {number:02d}" if number % 3 else "abcdefghijklmnopq"[number // 3] for number in range(51))
LETTERS = {"video": "V", "audio": "A", "text": "T"}
RANKS = (1, 4, 8, 16, 32, 64)
HALF = 3.8
LEVELS: dict[str, float] = {
    "linear probe on all": 49.1,
    "ensemble": 52.8,
    "classifier alone": 52.2,
    "MMLoRA on video": 54.4,
    "MMLoRA on audio": 52.1,
    "MMLoRA on text": 52.6,
    "MMLoRA on all": 53.5,
    "joint": 53.6,
    "joint with teachers (UMT)": 53.9,
    "ensemble of LoRA experts": 51.7,
    "MMLoRA on all over LoRA experts": 52.9,
}
SETTINGS: dict[str, str] = {
    "ensemble": "logits, weights 0.5 and 0.5",
    "classifier alone": "learning rate 0.003",
    "joint": "learning rate 0.001",
    "joint with teachers (UMT)": "distillation weight 0.3",
    "MMLoRA on video": "rank 64",
    "MMLoRA on all": "rank 16",
}
EDGES: dict[str, Edge] = {"MMLoRA on video": "largest", "joint with teachers (UMT)": "smallest"}
CONTROLS = ("ensemble", "joint")
OWN_CONTROLS = (*CONTROLS, "classifier alone", "linear probe on all")


def estimate(value: float, half: float = HALF) -> Estimate:
    return Estimate(value, value - half, value + half)


def paired(difference: float, half: float = 2.1, holm: float = 0.48) -> Paired:
    return Paired(difference, difference - half, difference + half, min(holm, 0.2), holm)


def make_row(
    name: str,
    family: Family,
    modalities: Sequence[str],
    value: float,
    classes: Sequence[str],
    metrics: Sequence[str],
    *,
    trainable: int,
    before: float = 0.0,
    confused: bool = True,
    without: Mapping[str, float] | None = None,
) -> MethodRow:
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    recalls = np.clip(generator.normal(value, 18, len(classes)), 0, 100)
    lines = [
        ClassLine(name, 32, float(min(100, recall + 3.3)), float(recall), float(min(100, recall + 1.1)))
        for name, recall in zip(classes, recalls, strict=True)
    ]
    table = []
    for place, recall in enumerate(recalls):
        rest = generator.dirichlet([0.25] * len(classes)) if len(classes) > 1 else np.zeros(1)
        rest[place] = 0.0
        shares = (100 - recall) * rest / max(rest.sum(), 1e-9)
        shares[place] = recall
        table.append(tuple(map(float, shares)))
    several = len(modalities) > 1
    adapted = tuple(modalities) if name.endswith(("all", "experts")) else tuple(m for m in modalities if m in name)
    return MethodRow(
        name=name,
        family=family,
        modalities=tuple(modalities),
        adapted=adapted if family == "mmlora" else (),
        setting=SETTINGS.get(name, "rank 8" if family == "mmlora" else ""),
        tries=6 if several and family not in ("probe", "expert") else 1,
        at_edge=EDGES.get(name, "") if several else "",
        validation=value + 1.3,
        metrics={metrics[0]: estimate(value), metrics[1]: estimate(value - 1.9)},
        against={},
        without={name: estimate(left) for name, left in (without or {}).items()},
        cost=Cost(trainable, 86_152, 16 * trainable, None, 80 if before else 40, 2.4 + trainable / 1e5, before),
        classes=tuple(lines),
        confusion=tuple(table) if confused else (),
    )


def make_mmlora_report(
    modalities: Sequence[str] = ("video", "audio"),
    classes: Sequence[str] = EMOTIONS,
    *,
    several: bool = False,
    best: str = "MMLoRA on video",
    differences: Mapping[tuple[str, str], Paired] | None = None,
    behind: Mapping[str, Paired] | None = None,
    levels: Mapping[str, float] | None = None,
    effects: Mapping[str, Paired] | None = None,
    **changes: Any,
) -> MMLoRAReport:
    """Make a report, its answers written from its figures.

    Args:
        modalities, classes: of the data; one modality has its expert and, as `best`, its MMLoRA alone.
        several: whether items have several labels.
        best: which row of MMLoRA validation prefers.
        differences: (row, control) -> difference, for those that are not told from the levels.
        behind: modality -> probe less expert under joint, for those that are not level.
        levels: row -> deciding measure, beside `LEVELS`.
        effects: placement -> chosen rank less the smallest, for those that are not level.
        changes: fields of the report that are set at last; the answers know them.
    """
    metrics = ("micro F1", "macro F1") if several else ("accuracy", "macro F1")
    known = {**LEVELS, **(levels or {})}
    common: dict[str, Any] = {"classes": classes, "metrics": metrics, "confused": not several}
    rows = []
    for place, one in enumerate(modalities):
        value = known.get(f"expert {one}", 42.4 - 9.3 * place)
        rows.append(make_row(f"linear probe, {one}", "probe", (one,), value - 3, **common, trainable=288 * (place + 1)))
        rows.append(make_row(f"expert {one}", "expert", (one,), value, **common, trainable=22_024 + 41_000 * place))
    if len(modalities) > 1:
        left = {one: 24.0 + 7 * place for place, one in enumerate(modalities)}
        placements = [f"MMLoRA on {one}" for one in (*modalities, "all")]
        names: list[tuple[str, Family, int]] = [("linear probe on all", "probe", 2_360), ("ensemble", "ensemble", 0)]
        names.append(("classifier alone", "head", 1_032))
        names += [(name, "mmlora", 7_168 if name.endswith("all") else 3_424) for name in placements]
        names += [("joint", "joint", 86_152), ("joint with teachers (UMT)", "teacher", 86_152)]
        names += [("ensemble of LoRA experts", "ensemble", 9_216), ("MMLoRA on all over LoRA experts", "mmlora", 7_168)]
        for name, family, trainable in names:
            before = 5.1 if family in ("head", "mmlora", "ensemble", "teacher") else 0.0
            row = make_row(
                name, family, modalities, known[name], **common, trainable=trainable, before=before, without=left
            )
            against = {
                control: (differences or {}).get((name, control), paired(known[name] - known[control]))
                for control in (OWN_CONTROLS if family == "mmlora" else CONTROLS)
                if control != name and (name, control) != CONTROLS
            }
            rows.append(replace(row, against=against))
    elif best:
        row = make_row(best, "mmlora", modalities, known[best], **common, trainable=3_424, before=5.1)
        rows.append(replace(row, tries=len(RANKS)))
    adapted = [row for row in rows if row.family == "mmlora"]
    points = [
        RankPoint(
            row.name,
            rank,
            estimate(row.validation - 2.0 + 0.3 * place),
            estimate(row.metrics[metrics[0]].value - 1.1 + 0.2 * place),
            400 * rank,
            row.setting == f"rank {rank}",
        )
        for row in adapted
        for place, rank in enumerate(RANKS)
    ]
    found_effects = [
        RankEffect(row.name, int(row.setting.split()[1]), RANKS[0], (effects or {}).get(row.name, paired(0.6)))
        for row in adapted
        if row.setting != f"rank {RANKS[0]}"
    ]
    probes = [
        UnderTraining(
            one,
            method,
            estimate(40.0 - 8 * place + found.difference),
            estimate(40.0 - 8 * place),
            found,
            found.holm < 0.05 and found.difference < 0,
        )
        for method in ("joint", "joint with teachers (UMT)")
        for place, one in enumerate(modalities)
        for found in [(behind or {}).get(one, paired(-0.4)) if method == "joint" else paired(0.2)]
        if len(modalities) > 1
    ]
    report = MMLoRAReport(
        title="MMLoRA on invented",
        dataset="invented",
        fingerprint="0123456789abcdef",
        label="emotion",
        several=several,
        classes=tuple(classes),
        modalities={one: LETTERS[one] for one in modalities},
        encoders=dict.fromkeys(modalities, "perceptron of 128 and 128 units on 35 features"),
        fit_splits=("train",),
        validation="val",
        split="test",
        items={"train": 960, "val": 240, "test": 240},
        sources=24,
        seeds=(0, 1, 2, 3, 4),
        metrics=metrics,
        chance=dict.fromkeys(metrics, 13.3) | {"macro F1": 2.9},
        methods=tuple(rows),
        ranks=tuple(points),
        rank_effects=tuple(found_effects),
        under_training=tuple(probes),
        best=best if adapted else "",
        flags=("Validation chose the learning rate at the end of its range.",),
        notes=("Experts learn 40 epochs; joint learning and the teacher 80.",),
        seconds=201.0,
        workers=2,
        folders={"runs": "studies/invented/runs"},
    )
    report = replace(report, **changes)
    return report if "answers" in changes else replace(report, answers=write_answers(report))
