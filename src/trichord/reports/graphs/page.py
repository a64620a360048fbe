"""The page of a study of graphs: one self-contained HTML file that loads nothing else and needs no script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trichord.config import leaves
from trichord.files import write_text
from trichord.graphs.text import spell_graph
from trichord.modality import Modality
from trichord.reports.graphs.contest import compared_metrics, contender_styles, plot_contest
from trichord.reports.graphs.drawing import graph_svg
from trichord.reports.graphs.gate_map import FEW, gates_of, mean_value, plot_gates
from trichord.reports.graphs.history import plot_history
from trichord.reports.graphs.luck import plot_luck
from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.graphs.trial_curves import plot_trial_curves, rungs
from trichord.reports.graphs.verdict import find_answer, reservation
from trichord.reports.graphs.warnings import find_warnings
from trichord.reports.graphs.words import (
    STATES,
    count_states,
    deciding_metric,
    higher_is_better,
    last_value,
    metric_name,
    metric_title,
    show_gain,
    show_seconds,
    show_spread,
    train_command,
)
from trichord.reports.numbers import counted, show_p
from trichord.reports.plot_style import VARIABLES
from trichord.reports.template import render


def write_graph_page(path: str | Path, report: GraphStudyReport) -> None:
    """Write the page, atomically.

    Raises:
        TrichordError: matplotlib or jinja2 is not installed.
    """
    write_text(path, render_graph_page(report))


def render_graph_page(report: GraphStudyReport) -> str:
    """Return the page as HTML. Every text is escaped: names, graphs and settings are foreign."""
    known = known_modalities(report.letters)
    figures = {
        "graph": graph_svg(report.best, known),
        "contest": plot_contest(report),
        "luck": plot_luck(report),
        "history": plot_history(report) if report.trials else None,
        "curves": plot_trial_curves(report),
        "gates": plot_gates(report),
    }
    return render("graphs/page.html", title=report.title, figures=figures, **_context(report, known))


def known_modalities(letters: Mapping[str, str]) -> tuple[Modality, ...]:
    """Return the modalities of a data set from name -> letter."""
    return tuple(Modality(name, letter) for name, letter in letters.items())


def _context(report: GraphStudyReport, known: tuple[Modality, ...]) -> dict[str, Any]:
    mean = mean_value(report)
    return {
        "report": report,
        "subtitle": _subtitle(report),
        "sections": _sections(report),
        "answer": find_answer(report),
        "warnings": find_warnings(report),
        "text": spell_graph(report.best, known),
        "command": train_command(report),
        "name": lambda metric: metric_name(report, metric),
        "title_of": lambda metric: metric_title(report, metric),
        "deciding": deciding_metric(report),
        "compared": compared_metrics(report),
        "is_best": lambda contender, metric: _is_best(report, contender.name, metric),
        "look": {name: VARIABLES[style["color"]] for name, style in contender_styles(report).items()},
        "gate_names": gates_of(report.importance),
        "mean": mean,
        "few": FEW,
        "rungs": rungs(report),
        "chosen": bool(report.ranked or report.in_state("finished")),
        "states": count_states(report),
        "state_words": STATES,
        "measured": _measured(report),
        "settings": [(path, _plain(value)) for path, value in leaves(dict(report.settings)) if path],
        "last_value": last_value,
        "reservation": reservation,
        "show_gain": show_gain,
        "show_p": show_p,
        "show_seconds": show_seconds,
        "show_spread": show_spread,
    }


def _subtitle(report: GraphStudyReport) -> str:
    return " · ".join(
        [
            f"data: {report.dataset}, task {report.task}",
            f"everything chosen on split {report.selection_split}, reported on split {report.report_split}",
            counted(len(report.trials), "trial"),
            counted(report.seeds, "seed"),
        ]
    )


def _sections(report: GraphStudyReport) -> list[tuple[str, str]]:
    every: list[tuple[str, str, object]] = [
        ("graph", "The graph", True),
        ("contest", "Final comparison", report.contenders),
        ("luck", "How much was luck", True),
        ("history", "The search", report.trials),
        ("curves", "Learning curves", any(trial.curve for trial in report.trials)),
        ("gates", "Gates", report.importance),
        ("measured", "How it was measured", True),
        ("trials", "Every trial", report.trials),
    ]
    return [(anchor, words) for anchor, words, there in every if there]


def _is_best(report: GraphStudyReport, name: str, metric: str) -> bool:
    """Whether no contender does better by a measure; of a single one nothing is said."""
    values = {one.name: one.metrics[metric].value for one in report.contenders if metric in one.metrics}
    if len(values) < 2 or name not in values:
        return False
    return values[name] == (max if higher_is_better(metric) else min)(values.values())


def _measured(report: GraphStudyReport) -> list[tuple[str, str]]:
    metric = metric_name(report, report.metric)
    queries = {comparison.comparison.num_queries for comparison in report.comparisons}
    letters = ", ".join(f"{letter} = {name}" for name, letter in report.letters.items())
    lines = [
        ("Data", f"{report.dataset}; {letters}"),
        ("Task", report.task),
        ("Chosen", f"by {metric} on split {report.selection_split}: the graph, at every step"),
        ("Reported", f"split {report.report_split}, which the search never looked at"),
        ("Queries", ", ".join(str(number) for number in sorted(queries)) or "nothing was compared"),
        ("Seeds", f"{report.seeds} of the final comparison; {_fresh(report)}"),
        ("Sampler", report.sampler),
        ("Pruner", report.pruner),
        ("Trials", f"{report.num_trials} asked for: {count_states(report)}"),
    ]
    seconds = sum(trial.seconds for trial in report.trials)
    return [*lines, ("Time", f"{show_seconds(seconds)} of training in the search, all workers together")]


def _fresh(report: GraphStudyReport) -> str:
    counts = sorted({len(one.values) for one in report.ranked})
    if not counts:
        return "no graph was trained anew before it"
    number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{number} others of the re-ranking; one of the search"


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
