"""One self-contained HTML file: summary, figures, tables, tests, settings, protocol. It loads nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trichord.config import leaves
from trichord.errors import RunError
from trichord.files import write_text
from trichord.reports import numbers
from trichord.reports.against import Standing, stand_against
from trichord.reports.curves import StageVerdict
from trichord.reports.entries import Entry
from trichord.reports.outcomes import find_pair
from trichord.reports.plot_curves import plot_curves
from trichord.reports.plot_numbers import plot_differences, plot_forest
from trichord.reports.plot_ranks import plot_ranks
from trichord.reports.plot_style import BASELINE, VARIABLES, styles
from trichord.reports.remarks import change_lines, legend, protocol_lines, show_value
from trichord.reports.summary import order_winners, primary_metric, summarise_table
from trichord.reports.table import Row, Table
from trichord.reports.template import render

TASKS_PER_BLOCK = 4


@dataclass(frozen=True)
class Outcome:
    """One line of the table of winners.

    Args:
        task: the task.
        best: the best orders; more than one only when they are exactly equal.
        row: the number of the first of them.
        beats, level: (label, words) of the other orders, beaten and not.
        baselines: how every baseline stands against the best order; None where there is no comparison.
    """

    task: str
    best: tuple[str, ...]
    row: Row
    beats: tuple[tuple[str, str], ...]
    level: tuple[tuple[str, str], ...]
    baselines: tuple[Standing | None, ...]


def write_page(path: str | Path, table: Table, entries: Sequence[Entry], title: str) -> None:
    """Write the report of a table and the entries it was built from, atomically.

    Raises:
        RunError: the entries are not those of the table.
        TrichordError: matplotlib or jinja2 is not installed.
    """
    write_text(path, render_page(table, entries, title))


def render_page(table: Table, entries: Sequence[Entry], title: str) -> str:
    """Return the report as HTML. Every text is escaped: labels, ids and paths are foreign."""
    if tuple(entry.label for entry in entries) != table.labels:
        raise RunError(
            f"the table holds {list(table.labels)}, the entries are {[entry.label for entry in entries]}; "
            "pass the entries the table was built from"
        )
    return render("page.html", title=title, figures=draw_figures(table, entries), **_context(table, entries))


def draw_figures(table: Table, entries: Sequence[Entry]) -> dict[str, str | None]:
    """Draw every figure of the report as SVG; one for which there is nothing to draw is None."""
    metric = primary_metric(table)
    tested = _tested_metric(table)
    return {
        "forest": plot_forest(table, metric),
        "differences": None if tested is None else plot_differences(table, tested),
        "curves": plot_curves(entries),
        "ranks": plot_ranks(entries, table.tasks),
    }


def _tested_metric(table: Table) -> str | None:
    tested = [pair.metric for pair in table.paired]
    metric = primary_metric(table)
    return metric if metric in tested else tested[0] if tested else None


def _context(table: Table, entries: Sequence[Entry]) -> dict[str, Any]:
    summary = summarise_table(table)
    recalls = [metric for metric in table.metrics if metric.startswith("R@")]
    return {
        "table": table,
        "summary": summary,
        "convergence": _convergence(table),
        "subtitle": _subtitle(table),
        "sections": _sections(table, entries),
        "outcomes": [_outcome(table, task, summary.metric) for task in table.tasks],
        "colours": _colours(table),
        "groups": _groups(table),
        "trained": [label for label in table.labels if table.kinds[label] == "trained"],
        "verdict_groups": _verdict_groups(table),
        "blocks": _blocks(table.tasks),
        "recalls": recalls or list(table.metrics),
        "others": [metric for metric in table.metrics if metric not in recalls] if recalls else [],
        "rival_baselines": _rival_baselines(table),
        "legend": legend(table, "Bold:", "Bold italic, grey:"),
        "difference_metric": _tested_metric(table),
        "differences": _differences(table),
        "changes": change_lines(table),
        "baseline_leaves": {label: list(leaves(data)) for label, data in table.baseline_settings.items()},
        "protocol_lines": protocol_lines(table),
        "protocols": _protocols(table),
        "environment": _environment(entries),
        "folders": [str(folder) for entry in entries for folder in entry.folders],
    }


def _convergence(table: Table) -> str:
    """Head the verdicts on convergence; curves that are too short to judge are no evidence that training was."""
    found = {verdict.verdict for these in table.verdicts.values() for verdict in these}
    if found & {"rising", "falling"}:
        return "Not everything had converged"
    if found == {"flat"}:
        return "Converged"
    return "Convergence partly unknown" if "flat" in found else "Convergence unknown"


def _subtitle(table: Table) -> str:
    trained = [label for label in table.labels if table.kinds[label] == "trained"]
    counts = sorted({len(table.seeds[label]) for label in trained})
    seeds = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1]))) if counts else ""
    data = sorted({str(protocol.settings["dataset"]) for protocol in table.protocols.values()})
    parts = [
        numbers.counted(len(trained), "order") + (f", {seeds} seed{'' if seeds == '1' else 's'} each" if seeds else ""),
        numbers.counted(len(table.labels) - len(trained), "baseline"),
        numbers.counted(len(table.tasks), "retrieval task"),
        f"data: {numbers.listed(data)}",
    ]
    return " · ".join(parts)


def _sections(table: Table, entries: Sequence[Entry]) -> list[tuple[str, str]]:
    optional = {"paired": bool(table.paired), "curves": any(any(entry.curves) for entry in entries)}
    every = [
        ("forest", "At a glance"),
        ("tables", "All numbers"),
        ("paired", "Paired tests"),
        ("curves", "Learning curves"),
        ("ranks", "Rank plots"),
        ("settings", "Settings"),
        ("protocol", "Protocol"),
        ("environment", "Environment"),
    ]
    return [(anchor, heading) for anchor, heading in every if optional.get(anchor, True)]


def _outcome(table: Table, task: str, metric: str) -> Outcome:
    outcome = order_winners(table, task, metric)
    best = outcome.best[0]
    row = table.row(best, task, metric)
    assert row is not None

    def words(label: str) -> str:
        pair = find_pair(table, best, label, task, metric)
        return "" if pair is None else numbers.show_difference(pair, best)

    return Outcome(
        task,
        outcome.best,
        row,
        tuple((label, words(label)) for label in outcome.beats),
        tuple((label, words(label)) for label in (*outcome.level, *outcome.untested)),
        tuple(stand_against(table, label, task, metric) for label in _rival_baselines(table)),
    )


def _rival_baselines(table: Table) -> list[str]:
    """Baselines that stand beside orders; none in a table of baselines alone, where they are the contenders."""
    if "trained" not in table.kinds.values():
        return []
    return [label for label in table.labels if table.kinds[label] == "baseline"]


def _colours(table: Table) -> dict[str, str]:
    look = styles([(label, table.kinds[label]) for label in table.labels])
    return {label: VARIABLES.get(style["color"], VARIABLES[BASELINE]) for label, style in look.items()}


def _groups(table: Table) -> list[dict[str, Any]]:
    kinds = ("trained", "baseline")
    groups = [
        {"kind": kind, "labels": [label for label in table.labels if table.kinds[label] == kind]} for kind in kinds
    ]
    return [group for group in groups if group["labels"]]


def _verdict_groups(table: Table) -> list[tuple[str, list[StageVerdict]]]:
    """(label, verdicts) for every stage; seeds of the same verdict together."""
    groups: dict[tuple[str, str, str], list[StageVerdict]] = {}
    for label, verdicts in table.verdicts.items():
        stages = list(dict.fromkeys(verdict.stage for verdict in verdicts))
        for verdict in sorted(verdicts, key=lambda verdict: stages.index(verdict.stage)):
            groups.setdefault((label, verdict.stage, verdict.verdict), []).append(verdict)
    return [(label, group) for (label, _, _), group in groups.items()]


def _blocks(tasks: Sequence[str]) -> list[Sequence[str]]:
    return [tasks[start : start + TASKS_PER_BLOCK] for start in range(0, len(tasks), TASKS_PER_BLOCK)]


def _differences(table: Table) -> list[dict[str, Any]]:
    asked = [difference for difference in table.settings if not difference.by_nature]
    natural = [difference for difference in table.settings if difference.by_nature]
    return [
        {"caption": "Differ, although they need not", "differences": asked},
        {"caption": "Differ because the orders do", "differences": natural},
    ]


def _protocols(table: Table) -> list[dict[str, Any]]:
    """Full protocols as leaves, tasks that share one together."""
    groups: dict[str, dict[str, Any]] = {}
    for task, protocol in table.protocols.items():
        group = groups.setdefault(protocol.fingerprint, {"tasks": [], "leaves": []})
        group["tasks"].append(task)
        group["leaves"] = [("fingerprint", protocol.fingerprint), *leaves(protocol.settings)]
    return list(groups.values())


def _environment(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Every fact about where the runs ran; where runs differ, all their values."""
    facts: dict[str, list[str]] = {}
    for entry in entries:
        for environment in entry.environments:
            for path, value in leaves(environment):
                if value not in (None, [], ()):
                    facts.setdefault(path, []).append(show_value(value))
    return [(path, ", ".join(dict.fromkeys(values))) for path, values in facts.items()]
