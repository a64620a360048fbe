"""Makes reports on studies of graphs by hand: numbers that look like those of a search, and verdicts as asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trichord.graphs.graph import GraphConfig
from trichord.graphs.text import parse_graph, spell_graph
from trichord.metrics.bootstrap import Comparison, Estimate
from trichord.modality import STANDARD, Modality
from trichord.reports.graphs.lines import (
    Contender,
    GraphComparison,
    GraphVerdict,
    Importance,
    Optimism,
    RankedGraph,
    TrialLine,
)
from trichord.reports.graphs.report import GraphStudyReport

THREE = "tv: target T-V; va: peer V-A; ta: peer T-A model=linear"
CLASSES = "big: target I>digit; small: peer I>digit model=narrow; odd: peer I>digit model=wide"
TWO = "tv: target T-V; va: peer V-A"
GATES = ("cutoff", "through", "linear", "negative-linear", "correct")
RIVALS = ("independent", "mutual learning", "distillation", "ensemble")
SENTENCES = {
    "best graph": "the graph that was chosen",
    "independent": "the target alone",
    "mutual learning": "the same nodes, every edge through",
    "distillation": "the target, taught by the strongest node, which was trained before and does not learn",
    "ensemble": "the mean of as many independently trained targets as the graph has networks",
}
EFFECTS = {"cutoff": 0.3, "through": -0.8, "linear": 0.6, "negative-linear": -0.3, "correct": 0.1}
IMAGE = (Modality("image", "I"),)
FINISHED_EPOCHS = 40


def drawn_graph(
    nodes: str, generator: np.random.Generator, known: Sequence[Modality]
) -> tuple[GraphConfig, dict[str, str]]:
    """Draw a gate for every edge; the label edges of the target, and of a node that nobody teaches, stay open."""
    names = [statement.split(":")[0].strip() for statement in nodes.split(";")]
    payload = "logits" if known is IMAGE else "similarity"
    gates = {}
    for target in names:
        for source in names:
            if source != target:
                gates[f"{source} -> {target}"] = str(generator.choice(GATES))
        taught = any(gates[f"{source} -> {target}"] != "cutoff" for source in names if source != target)
        options = GATES if taught and target != names[0] else GATES[1:]
        gates[f"label -> {target}"] = str(generator.choice([gate for gate in options if gate != "correct"]))
    statements = [
        f"{edge}: {gate}" if edge.startswith("label") else f"{edge}: {payload} {gate} temperature=0.1"
        for edge, gate in gates.items()
        if gate != "cutoff"
    ]
    return parse_graph("; ".join([nodes, *statements]), known), gates


def make_trial(number: int, nodes: str, known: Sequence[Modality], scale: float, state: str | None = None) -> TrialLine:
    """Make a trial whose curve rises to a height that its gates move; a third are stopped at epochs 5 or 15."""
    generator = np.random.default_rng([number, 7])
    graph, gates = drawn_graph(nodes, generator, known)
    height = 36.9 + generator.normal(0, 0.9) + sum(0.45 * EFFECTS[gate] for gate in gates.values())
    epochs = [1, 3, 5, 10, 15, 20, 25, 30, 35, FINISHED_EPOCHS]
    curve = [(e, scale * (height * (1 - 0.8 * np.exp(-e / 6)) + generator.normal(0, 0.25))) for e in epochs]
    curve = [(epoch, float(value)) for epoch, value in curve]
    chosen = state or ("pruned" if height < 37.0 and number % 3 else "finished")
    if chosen == "pruned":
        curve = curve[: 3 if number % 2 else 5]
    if chosen == "failed":
        curve = curve[:2]
    return TrialLine(
        number=number,
        graph=graph,
        text=spell_graph(graph, known, separator="; "),
        state=chosen,  # type: ignore[arg-type]
        value=curve[-1][1] if chosen == "finished" else None,
        curve=tuple(curve),
        retry_of=None,
        seconds=0.07 * curve[-1][0],
        sampled={f"gate {edge}": gate for edge, gate in gates.items()},
    )


def make_importance(trials: Sequence[TrialLine]) -> tuple[Importance, ...]:
    edges = list(dict.fromkeys(name.removeprefix("gate ") for trial in trials for name in trial.sampled))
    lines = []
    for place, edge in enumerate(edges):
        values: dict[str, list[float]] = {}
        for trial in trials:
            if trial.state == "finished" and trial.value is not None:
                values.setdefault(trial.sampled[f"gate {edge}"], []).append(trial.value)
        means = {gate: float(np.mean(found)) for gate, found in values.items()}
        counts = {gate: len(found) for gate, found in values.items()}
        lines.append(Importance(edge, means, counts, (0.31, 0.2, 0.16, 0.11, 0.08, 0.06, 0.05, 0.02, 0.01)[place % 9]))
    return tuple(lines)


def make_ranked(trials: Sequence[TrialLine], scale: float, most: int = 5) -> tuple[RankedGraph, ...]:
    """Re-rank the best: fresh seeds take back most of what luck gave."""
    best = sorted((t for t in trials if t.value is not None), key=lambda t: -(t.value or 0.0))[:most]
    lines = []
    for trial in best:
        generator = np.random.default_rng([trial.number, 8])
        values = scale * (36.9 + 0.3 * (trial.value / scale - 36.9) + generator.normal(0, 0.5, 5))  # type: ignore[operator]
        mean, half = float(values.mean()), 1.96 * float(values.std(ddof=1)) / 5**0.5
        lines.append((trial, tuple(map(float, values)), mean, half))
    lines.sort(key=lambda line: -line[2])
    return tuple(
        RankedGraph(place, trial.number, trial.text, trial.value or 0.0, values, mean, mean - half, mean + half)
        for place, (trial, values, mean, half) in enumerate(lines, 1)
    )


def make_comparison(
    rival: str, metric: str, difference: float, half: float, holm: float, verdict: GraphVerdict
) -> GraphComparison:
    found = Comparison(difference, difference - half, difference + half, holm / 4, 400)
    return GraphComparison(rival, metric, found, holm, verdict)


def make_final(
    gains: Mapping[str, float], metrics: Sequence[str], networks: int, scale: float
) -> tuple[tuple[Contender, ...], tuple[GraphComparison, ...]]:
    """Make the final comparison: gains in points of recall; 1.5 and more excludes zero."""
    shares = {"R@1": 0.3, "R@5": 0.75, "R@10": 1.0, "MRR": 1 / 170}
    contenders, comparisons = [], []
    for name in ("best graph", *gains):
        level = 37.6 - gains.get(name, 0.0)
        found = {}
        for metric in metrics:
            value, half = level * shares[metric], 1.9 * max(shares[metric], 0.006)
            found[metric] = Estimate(value, value - half, value + half)
        cost = {"independent": 1, "ensemble": networks, "best graph": networks, "mutual learning": networks}.get(
            name, 2
        )
        contenders.append(Contender(name, SENTENCES[name], THREE, found, level * scale, cost, 1.1 * cost))
    for metric in (metric for metric in metrics if metric in ("R@1", "R@10", "MRR")):
        for rival, gain in gains.items():
            sure = abs(gain) >= 1.5
            verdict: GraphVerdict = "no difference shown" if not sure else "better" if gain > 0 else "worse"
            difference, half = gain * shares[metric], 1.3 * shares[metric]
            comparisons.append(make_comparison(rival, metric, difference, half, 0.004 if sure else 0.38, verdict))
    return tuple(contenders), tuple(comparisons)


def make_graph_report(
    *,
    gains: Mapping[str, float] | None = None,
    nodes: str = THREE,
    known: Sequence[Modality] = STANDARD,
    num_trials: int = 30,
    states: Mapping[int, str] | None = None,
    metric: str = "MRR",
    **changes: Any,
) -> GraphStudyReport:
    """Make a report.

    Args:
        gains: rival -> points that the best graph is ahead; None makes small ones, of which none is shown.
        nodes: statements of the nodes, the target first.
        known: modalities of the data.
        num_trials: trials of the search.
        states: number of a trial -> how it ended, for some of them.
        metric: what decides.
        changes: fields of the report to replace.
    """
    gains = (
        {"independent": 0.6, "mutual learning": 1.2, "distillation": 0.3, "ensemble": -0.9} if gains is None else gains
    )
    scale = 1 / 170 if metric == "MRR" else 1.0
    trials = tuple(make_trial(number, nodes, known, scale, (states or {}).get(number)) for number in range(num_trials))
    ranked = make_ranked(trials, scale)
    metrics = ("R@1",) if known is IMAGE else ("R@1", "R@5", "R@10", "MRR")
    contenders, comparisons = make_final(gains, metrics, 1 + nodes.count(";"), scale)
    values = [trial.value for trial in trials if trial.value is not None]
    best = next((trial.graph for trial in trials if ranked and trial.number == ranked[0].trial), trials[0].graph)
    apparent = max(values, default=37.0 * scale)
    optimism = Optimism(
        trials=len(values),
        apparent=apparent,
        corrected=apparent - 0.9 * scale if len(values) > 1 else None,
        expected=1.2 * scale if len(values) > 1 else 0.0,
        noise=0.6 * scale,
        sentence=f"The best of {len(values)} graphs that are all alike would be ahead of their mean by luck alone.",
    )
    report = GraphStudyReport(
        title="Transfer graphs on invented, T>V",
        dataset="invented",
        task="I>digit" if known is IMAGE else "T>V",
        metric=metric,
        selection_split="val",
        report_split="test",
        num_trials=num_trials,
        sampler="random",
        pruner="successive halving, rungs at 5 and 15 epochs",
        seeds=5,
        trials=trials,
        reference=37.1 * scale,
        ranked=ranked,
        contenders=contenders,
        comparisons=comparisons,
        optimism=optimism,
        importance=make_importance(trials),
        best=best,
        settings={"data": "data/invented", "epochs": 40, "batch_size": 256, "payloads": ["similarity"], "rate": 0.001},
        letters={modality.name: modality.letter for modality in known},
        conclusion="No gain can be shown: the best graph and the target alone score alike on split test.",
    )
    return replace(report, **changes)
