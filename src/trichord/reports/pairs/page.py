"""The report as one self-contained HTML file that loads nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trichord.files import write_text
from trichord.reports.modalities.page import heading, render_section
from trichord.reports.numbers import counted, listed, show_p
from trichord.reports.pairs.convergence import convergence_brief, verdict_table
from trichord.reports.pairs.effects import find_effect, find_effects, rivals_of, told_metric
from trichord.reports.pairs.figures import entry_styles, plot_effects, plot_rivals
from trichord.reports.pairs.heatmap import cell_difference, chosen_adapters, matrix_adapters, plot_matrix
from trichord.reports.pairs.marks import MEANINGS, explain_marks, is_best, mark
from trichord.reports.pairs.report import METRIC, ROUTED, PairsReport
from trichord.reports.plot_style import BASELINE, VARIABLES
from trichord.reports.template import render

RECALLS_PER_BLOCK, OTHERS_PER_BLOCK = 12, 8
"""Columns of numbers that stand beside each other on a page; other measures have more digits."""


def write_pairs_page(path: str | Path, report: PairsReport) -> None:
    """Write the page, atomically.

    Raises:
        TrichordError: matplotlib or jinja2 is not installed.
    """
    write_text(path, render_pairs_page(report))


def render_pairs_page(report: PairsReport) -> str:
    """Return the page as HTML. Every text is escaped: labels, routes and paths are foreign."""
    anchors = {f"modalities-{number}": modality for number, modality in enumerate(report.modalities)}
    figures = {
        "rivals": plot_rivals(report),
        "effects": plot_effects(report),
        "matrix": plot_matrix(report),
        **{anchor: render_section(modality, anchor) for anchor, modality in anchors.items()},
    }
    context = _context(report, list(anchors))
    return render("pairs/page.html", title=report.title, figures=figures, **context)


def _context(report: PairsReport, anchors: Sequence[str]) -> dict[str, Any]:
    metric = told_metric(report.comparisons, report.rows)
    convergence, unconverged = convergence_brief(report.verdicts)
    effects = find_effects(report.tasks, report.comparisons, report.rows, metric)
    return {
        "report": report,
        "subtitle": _subtitle(report),
        "sections": _sections(report, anchors),
        "anchors": anchors,
        "routed": ROUTED,
        "metric": metric,
        "matrix_metric": METRIC,
        "rivals": rivals_of(report.labels, report.comparisons),
        "look": _look(report),
        "blocks": _blocks(report),
        "task_runs": _split(report.tasks, OTHERS_PER_BLOCK),
        "chances": {(row.task, row.metric): row.chance for row in report.rows},
        "legend": explain_marks(report, "Bold:"),
        "is_best": lambda row: is_best(report, row),
        "mark": lambda row: mark(report, row),
        "meanings": MEANINGS,
        "against": lambda rival, task: find_effect(ROUTED, rival, task, metric, report.comparisons, report.rows),
        "effects": [effect for effect in effects if effect.fusion or effect.adapters or effect.both],
        "untested": any(
            found is not None and found.verdict == "untested"
            for of in effects
            for found in (of.fusion, of.adapters, of.both)
        ),
        "adapters": matrix_adapters(report),
        "chosen": chosen_adapters(report),
        "cell_difference": lambda adapter, task: cell_difference(report, adapter, task),
        "convergence": convergence,
        "unconverged": unconverged,
        "verdicts": verdict_table(report.verdicts),
        "protocol": _protocol(report),
        "show_p": show_p,
    }


def _subtitle(report: PairsReport) -> str:
    pairs = len({adapter.name for adapter in report.adapters if not adapter.mixture})
    return " · ".join(
        [
            f"data: {report.dataset}, split {report.split}",
            f"everything chosen on split {report.validation}",
            counted(len(report.tasks), "task"),
            counted(pairs, "adapter"),
            counted(len(report.seeds), "seed"),
        ]
    )


def _sections(report: PairsReport, anchors: Sequence[str]) -> list[tuple[str, str]]:
    every: list[tuple[str, str, object]] = [
        ("routes", "Routes", report.routes),
        ("entries", "All numbers", report.rows),
        ("effects", "Two effects", report.rows),
        ("differences", "Paired differences", rivals_of(report.labels, report.comparisons)),
        ("matrix", "Adapters × tasks", report.matrix),
        ("learning", "Adapters", report.adapters or report.ways),
        *((anchor, heading(modality), True) for anchor, modality in zip(anchors, report.modalities, strict=True)),
        ("convergence", "Convergence", report.verdicts),
        ("protocol", "Protocol", True),
    ]
    return [(anchor, words) for anchor, words, there in every if there]


def _blocks(report: PairsReport) -> list[tuple[Sequence[str], Sequence[str]]]:
    """(tasks, metrics) of every table of numbers: recalls first, other measures apart, because they are read apart."""
    recalls = [metric for metric in report.metrics if metric.startswith("R@")]
    others = [metric for metric in report.metrics if metric not in recalls]
    return [
        (tasks, metrics)
        for metrics, room in ((recalls, RECALLS_PER_BLOCK), (others, OTHERS_PER_BLOCK))
        if metrics
        for tasks in _split(report.tasks, room // len(metrics))
    ]


def _split(tasks: Sequence[str], most: int) -> list[Sequence[str]]:
    """Cut tasks into runs of much the same length, each of at most a number (at least one)."""
    runs = max(1, -(-len(tasks) // max(1, most)))
    length = max(1, -(-len(tasks) // runs))
    return [tasks[start : start + length] for start in range(0, len(tasks), length)]


def _look(report: PairsReport) -> dict[str, tuple[str, bool]]:
    """Label -> variable of its colour, and whether its mark is a square, as those of baselines are."""
    return {
        label: (VARIABLES.get(style["color"], VARIABLES[BASELINE]), style["color"] == BASELINE)
        for label, style in entry_styles(report).items()
    }


def _protocol(report: PairsReport) -> list[tuple[str, str]]:
    counts: dict[int, list[str]] = {}
    for task, number in report.num_queries.items():
        counts.setdefault(number, []).append(task)
    seeds = listed([str(seed) for seed in report.seeds])
    return [
        ("Data", f"{report.dataset}, fingerprint {report.fingerprint}"),
        ("Reported", f"split {report.split}, measured once"),
        ("Chosen", f"on split {report.validation}: routes, weights, and the way of learning"),
        ("Seeds", seeds),
        *[("Queries", f"{number} on {listed(tasks)}") for number, tasks in counts.items()],
    ]
