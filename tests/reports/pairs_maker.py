"""Makes reports on adapters and routes by hand: numbers that look like those of a study, and comparisons as asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from trichord.adapters.settings import BASE
from trichord.metrics.bootstrap import Estimate
from trichord.modality import STANDARD, parse_task
from trichord.reports.curves import StageVerdict
from trichord.reports.modalities import ModalityReport, Question
from trichord.reports.modalities.changes import Changes, QueryChange
from trichord.reports.modalities.report import SHOWN, Difference, WayRow
from trichord.reports.modalities.weights import FittedWeights, WeightCurve
from trichord.reports.pairs import AdapterLine, PairsReport, RouteLine, WayLine
from trichord.reports.pairs.answers import write_answers
from trichord.reports.pairs.report import OWN_FUSION, ROUTED
from trichord.reports.table import PairedRow, Row

EIGHT = ("T>V", "V>T", "T>A", "A>T", "V>A", "A>V", "T>VA", "VA>T")
METRICS = ("R@1", "R@5", "R@10", "MRR")
RIVALS = (BASE, OWN_FUSION, "AV_T", "VT_A", "specialists")
SPECIALISTS = "specialists"
LEVEL = {"T>V": 38.2, "V>T": 37.4, "T>A": 14.1, "A>T": 13.8, "V>A": 12.9, "A>V": 13.5, "T>VA": 39.9, "VA>T": 38.8}
SHARES = {"R@1": 0.25, "R@5": 0.7, "R@10": 1.0}


def pair(
    value: float, low: float, high: float, p: float, task: str = "T>V", rival: str = BASE, a: str = ROUTED
) -> PairedRow:
    """Make a comparison of R@10."""
    return PairedRow(a, rival, task, "R@10", value, low, high, p, p)


def number(label: str, task: str, metric: str, mean: float, spread: float = 1.4) -> Row:
    """Make a number with two seeds."""
    seeds = {0: mean - spread / 4, 1: mean + spread / 4}
    chance = 0.02 if metric == "MRR" else 100 * int(metric[2:]) / 400
    return Row(label, "trained", task, metric, mean, mean - spread, mean + spread, seeds, chance)


def make_rows(labels: Sequence[str], tasks: Sequence[str]) -> tuple[Row, ...]:
    """Make the numbers of all entries; the specialists, a model per pair, have none of tasks of three modalities.

    On tasks of two modalities nothing is fused, so that the base is its own fusion; the route of T>A takes no adapter.
    """
    generator = np.random.default_rng(4)
    rows: list[Row] = []
    for label in labels:
        for task in tasks:
            shift = generator.normal(0, 0.8) + (1.2 if label == ROUTED else 0.0)
            copied = BASE if label == OWN_FUSION and len(task) == 3 else OWN_FUSION
            if label in (OWN_FUSION, ROUTED) and (copied == BASE or (label == ROUTED and task == "T>A")):
                rows += [replace(row, label=label) for row in rows if (row.label, row.task) == (copied, task)]
                continue
            if label != SPECIALISTS or len(task) == 3:
                level = LEVEL[task] + shift - (6.0 if label == BASE and len(task) > 3 else 0.0)
                rows += [number(label, task, metric, level * share) for metric, share in SHARES.items()]
                row = number(label, task, "MRR", level / 180, spread=0.011)
                rows.append(row)
    return tuple(rows)


def make_comparisons(rows: Sequence[Row], rivals: Sequence[str]) -> tuple[PairedRow, ...]:
    """Compare by the means: significant from 2 points on; what is no fusion, and no adapter, is exactly the same."""
    means = {(row.label, row.task, row.metric): row.mean for row in rows}
    found = []
    sides = [(ROUTED, rival) for rival in rivals]
    sides += [(OWN_FUSION, BASE)] if {OWN_FUSION, BASE} <= set(rivals) else []
    for a, b in sides:
        for (label, task, metric), mean in means.items():
            if label != a or metric not in ("R@10", "MRR") or (b, task, metric) not in means:
                continue
            difference = mean - means[b, task, metric]
            unit = 1.0 if metric == "R@10" else 0.006
            p = 0.0004 if abs(difference) > 2 * unit else 0.31
            low, high = difference - 1.7 * unit, difference + 1.7 * unit
            if difference == 0:
                low, high, p = 0.0, 0.0, 1.0
            found.append(PairedRow(a, b, task, metric, difference, low, high, p / 2 if p < 1 else p, p))
    return tuple(found)


def make_matrix(adapters: Sequence[str], tasks: Sequence[str], serves: Mapping[str, Sequence[str]]) -> tuple[Row, ...]:
    generator = np.random.default_rng(9)
    rows = []
    for adapter in (BASE, *adapters):
        for task in tasks:
            own = 1.6 if task in serves.get(adapter, ()) else -0.8
            shift = 0.0 if adapter == BASE else own + generator.normal(0, 0.9)
            rows.append(number(adapter, task, "R@10", LEVEL[task] + shift))
    return tuple(rows)


def make_routes(tasks: Sequence[str]) -> tuple[RouteLine, ...]:
    words = {
        "T>V": ("adapter VT", "single", True, ("VT",)),
        "V>T": ("0.5 x V>T under base + 0.5 x V>T under VT, weighted scores", "blend", True, (BASE, "VT")),
        "T>A": ("base", "single", False, (BASE,)),
        "A>T": ("adapter AT", "single", True, ("AT",)),
        "V>A": ("adapter VT+VA", "single", True, ("VT+VA",)),
        "A>V": ("adapter VA", "single", True, ("VA",)),
        "T>VA": ("0.7 x T>V under VT + 0.3 x T>A under base, weighted scores", "weighted scores", True, ("VT", BASE)),
        "VA>T": ("adapter T-VA, sum of video and audio", "sum", True, ("T-VA",)),
    }
    lines = []
    for place, task in enumerate(tasks):
        description, kind, adapted, names = words[task]
        mrr = LEVEL[task] / 170
        base = mrr if not adapted else mrr - 0.004
        lines.append(
            RouteLine(task, description, kind, adapted, mrr, mrr + 0.0015, base, "base", 9 + 20 * place, names)
        )
    return tuple(lines)


def make_modality(task: str = "T>VA", gain: float = 2.3) -> ModalityReport:
    """Make a report on a task of two modalities on one side."""
    question = Question(parse_task(task, STANDARD), STANDARD)
    estimates = {
        metric: Estimate(value, value - spread, value + spread)
        for metric, value, spread in zip(
            SHOWN, (11.2, 29.4, 40.4, 17.0, 0.213), (0.9, 1.2, 1.4, 2.0, 0.011), strict=True
        )
    }
    names = (("V", "alone"), ("A", "alone"), ("V+A sum", "sum"), ("V+A weighted scores", "weighted"))
    ways = (
        *(WayRow(name, kind, f"{task} made of {name}", estimates, {0: 40.1, 1: 40.7}, ()) for name, kind in names),  # type: ignore[arg-type]
        WayRow("V+A fused ranks", "ranks", f"{task} by ranks", estimates, {0: 40.1, 1: 40.7}, ()),
    )
    differences = tuple(
        Difference(name, "V", metric, gain * scale, (gain - 1) * scale, (gain + 1) * scale, 0.002, 0.008)
        for name in ("A", "V+A sum", "V+A weighted scores", "V+A fused ranks")
        for metric, scale in (("R@10", 1.0), ("MRR", 0.005))
    )
    curve = WeightCurve("audio", (0.0, 0.3, 1.0), (0.21, 0.23, 0.08), 0.3)
    fitted = FittedWeights({"video": 0.7, "audio": 0.3}, (curve,))
    change = QueryChange("item 7", 0, "a <b>dog</b> barks", 12.0, 3.0, 0.25)
    return ModalityReport(
        label="routed",
        question=question,
        dataset="invented",
        fingerprint="00c0ffee00c0ffee",
        split="test",
        validation="val",
        protocol="0123456789abcdef",
        seeds=(0, 1),
        folders=("runs/0", "runs/1"),
        adapters=("VT",),
        num_items=400,
        num_queries=400,
        lacking={"video": 0, "audio": 12},
        ways=ways,
        chance=dict.fromkeys(SHOWN, 2.5),
        best_alone="V",
        weights={"scores": fitted, "ranks": fitted},
        differences=differences,
        changes=Changes((change,), (), 399, 1, 0),
        captions_stored=True,
        space=(),
        answer=f"Adding audio to video (weight 0.30, fitted on val) changes R@10 by {gain:+.1f} points: told.",
        notes=("Weights were chosen on split val.",),
    )


def make_report(
    tasks: Sequence[str] = EIGHT,
    rivals: Sequence[str] = RIVALS,
    *,
    mixtures: Sequence[str] = ("VT+VA", "VT+VA+half"),
    modalities: tuple[ModalityReport, ...] | None = None,
) -> PairsReport:
    """Make a report.

    Args:
        tasks: some of `EIGHT`.
        rivals: what the routed model is compared with.
        mixtures: adapters made of others.
        modalities: reports; None makes one for every task of several modalities.
    """
    labels = (*rivals[:2], ROUTED, *rivals[2:]) if rivals else (ROUTED,)
    rows = make_rows(labels, tasks)
    comparisons = make_comparisons(rows, rivals)
    pairs = {"VT": ("T>V", "V>T"), "VA": ("V>A", "A>V"), "AT": ("T>A", "A>T"), "T-VA": ("T>VA", "VA>T")}
    own = {name: these for name, these in pairs.items() if set(these) & set(tasks)}
    if modalities is None:
        modalities = tuple(make_modality(task) for task in tasks if len(task) > 3)
    adapters = [*own, *mixtures]
    return PairsReport(
        title="A LoRA per modality pair on invented",
        dataset="invented",
        fingerprint="00c0ffee00c0ffee",
        split="test",
        validation="val",
        seeds=(0, 1),
        tasks=tuple(tasks),
        metrics=METRICS,
        labels=labels,
        about={
            ROUTED: "the base with its adapters, every task by the route that validation chose",
            BASE: "one model of all modalities, sides of several added",
            OWN_FUSION: "the base by the best way without adapters that validation finds",
            "AV_T": "learns audio and video together, then brings in text",
            "VT_A": "learns video and text together, then brings in audio",
            SPECIALISTS: "a model of its own for every pair, trained fully",
        },
        rows=rows,
        routes=make_routes(tasks),
        comparisons=comparisons,
        matrix=make_matrix(adapters, tasks, own),
        serves={BASE: (), **own},
        ways=(WayLine("after the base", 0.1873, False), WayLine("together with the base", 0.1902, True)),
        adapters=(
            *(AdapterLine(name, "together with the base", "both sides", 41_216, 0.0312) for name in own),
            *(AdapterLine(name, "concatenation of VT and VA", "both sides", 82_432, 0.0624, True) for name in mixtures),
        ),
        modalities=modalities,
        chance=dict.fromkeys(tasks, 2.5),
        num_queries=dict.fromkeys(tasks, 400),
        verdicts={
            BASE: tuple(StageVerdict(seed, "AVT", "flat", "validation flat: converged", 31, 60) for seed in (0, 1)),
            "AV_T": (
                StageVerdict(0, "AV_T", "rising", "validation still rising: too few epochs", 59, 60),
                StageVerdict(1, "AV_T", "flat", "validation flat: converged", 44, 60),
            ),
        },
        answers=write_answers(labels, tasks, comparisons, rows, modalities),
        flags=("T>A: 3 queries have two equal best rows",),
        notes=(
            "Intervals: 95 %, percentile bootstrap over items and seeds. p adjusted by Holm's rule over the tasks.",
        ),
        folders=("studies/pairs/base/seed-0", "studies/pairs/base/seed-1"),
    )
