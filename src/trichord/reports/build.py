"""Building a table from entries: one protocol per task, means with intervals, pairs compared, the best marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trichord.errors import ConfigError, ProtocolError, RunError, nearest
from trichord.evaluation.compare import average_seeds
from trichord.evaluation.protocol import require_same
from trichord.evaluation.result import RetrievalResult
from trichord.metrics.retrieval import HIGHER_IS_BETTER, METRICS
from trichord.reports.entries import Entry
from trichord.reports.notes import collect_flags, write_notes
from trichord.reports.outcomes import leaders
from trichord.reports.paired import PAIRED_METRICS, Effort, compare_pairs
from trichord.reports.settings import setting_differences
from trichord.reports.table import PairedRow, Protocol, Row, Table


def build_table(
    entries: Sequence[Entry],
    tasks: Sequence[str] | None = None,
    metrics: Sequence[str] = METRICS,
    paired_metrics: Sequence[str] = PAIRED_METRICS,
    effort: Effort | None = None,
) -> Table:
    """Build a table.

    Args:
        entries: its rows; their labels are distinct.
        tasks: spelled tasks, in the order of the columns; None takes every task that some entry was measured on.
        metrics: names of the measures.
        paired_metrics: those of them on which every pair of entries is compared.
        effort: how much is drawn.

    Raises:
        ProtocolError: results of one task were measured under unlike protocols; the message names the difference.
        ConfigError: an unknown task or metric.
        RunError: no entry, two of one label, or an entry whose seeds were not measured on the same tasks.
    """
    effort = effort or Effort()
    _check_entries(entries)
    _check_metrics(metrics)
    chosen = _choose_tasks(entries, tasks)
    for task in chosen:
        check_protocols(entries, task)
    paired = compare_pairs(entries, chosen, [metric for metric in paired_metrics if metric in metrics], effort)
    rows = [row for entry in entries for task in chosen for row in entry_rows(entry, task, metrics, effort)]
    results = {task: [result for entry in entries for result in entry.of_task(task)] for task in chosen}
    return Table(
        labels=tuple(entry.label for entry in entries),
        kinds={entry.label: entry.kind for entry in entries},
        seeds={entry.label: entry.seeds for entry in entries},
        tasks=chosen,
        metrics=tuple(metrics),
        rows=mark_best(rows, paired),
        paired=paired,
        baseline_settings={entry.label: entry.settings for entry in entries if entry.kind == "baseline"},
        protocols={
            task: Protocol(of[0].protocol.fingerprint(), of[0].protocol.to_dict()) for task, of in results.items()
        },
        num_queries={task: of[0].num_queries for task, of in results.items()},
        num_missing={task: max(result.num_missing for result in of) for task, of in results.items()},
        settings=setting_differences({entry.label: entry.settings for entry in entries if entry.kind == "trained"}),
        changes={entry.label: entry.changes for entry in entries if entry.changes},
        verdicts={
            e.label: tuple(verdict for seed in e.verdicts for verdict in seed) for e in entries if any(e.verdicts)
        },
        flags=collect_flags(entries, chosen),
        notes=write_notes(entries, chosen, paired, effort),
        folders={entry.label: tuple(map(str, entry.folders)) for entry in entries},
    )


def check_protocols(entries: Sequence[Entry], task: str) -> None:
    """Raise `ProtocolError` naming the difference and the two entries when results of a task are not comparable."""
    reference: tuple[Entry, RetrievalResult] | None = None
    for entry in entries:
        for result in entry.of_task(task):
            if reference is None:
                reference = (entry, result)
            try:
                require_same(reference[1].protocol, result.protocol)
            except ProtocolError as error:
                raise ProtocolError(f"{reference[0].name} and {entry.name}, task {task}: {error}") from error


def entry_rows(entry: Entry, task: str, metrics: Sequence[str], effort: Effort) -> list[Row]:
    """Means of an entry on a task with their intervals; empty where it was not measured on the task."""
    results = entry.of_task(task)
    if not results:
        return []
    estimates = average_seeds(results, num_resamples=effort.num_resamples)
    return [
        Row(
            label=entry.label,
            kind=entry.kind,
            task=task,
            metric=metric,
            mean=estimates[metric].value,
            low=estimates[metric].low,
            high=estimates[metric].high,
            per_seed={seed: result.metrics[metric].value for seed, result in zip(entry.seeds, results, strict=True)},
            chance=results[0].chance[metric],
        )
        for metric in metrics
    ]


def mark_best(rows: Sequence[Row], paired: Sequence[PairedRow]) -> tuple[Row, ...]:
    """Mark in every column the best, the best order, the baselines that reach it, and those found no different from it.

    Where no trained entry was measured, the best baseline stands in for the best order.
    """
    columns: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        columns.setdefault((row.task, row.metric), []).append(row)
    no_different: dict[tuple[str, str, str], set[str]] = {}
    for pair in paired:
        if pair.winner is None:
            for label, other in ((pair.a, pair.b), (pair.b, pair.a)):
                no_different.setdefault((label, pair.task, pair.metric), set()).add(other)
    marked = {
        (row.label, row.task, row.metric): row
        for column in columns.values()
        for row in _mark_column(column, no_different)
    }
    return tuple(marked[row.label, row.task, row.metric] for row in rows)


def _mark_column(column: Sequence[Row], no_different: Mapping[tuple[str, str, str], set[str]]) -> list[Row]:
    best = leaders(column)
    trained = [row for row in column if row.kind == "trained"]
    first = leaders(trained or column)
    height = next(row.mean for row in column if row.label in first)
    marked = []
    for row in column:
        ahead = row.mean >= height if HIGHER_IS_BETTER[row.metric] else row.mean <= height
        level = no_different.get((row.label, row.task, row.metric), set()) & set(first)
        marked.append(
            replace(
                row,
                best=row.label in best,
                best_order=row.kind == "trained" and row.label in first,
                reaches_best=row.kind == "baseline" and ahead,
                level_with_best=row.label not in first and bool(level),
            )
        )
    return marked


def _choose_tasks(entries: Sequence[Entry], tasks: Sequence[str] | None) -> tuple[str, ...]:
    measured = tuple(dict.fromkeys(task for entry in entries for task in entry.results[0]))
    for task in tasks or ():
        if task not in measured:
            raise ConfigError(f"no entry was measured on {task!r}; {nearest(task, measured)}")
    return tuple(measured if tasks is None else dict.fromkeys(tasks))


def _check_metrics(metrics: Sequence[str]) -> None:
    if not metrics or len(set(metrics)) != len(metrics):
        raise ConfigError(f"a table needs at least one metric, each once, got {list(metrics)}")
    for metric in metrics:
        if metric not in METRICS:
            raise ConfigError(f"no metric named {metric!r}; {nearest(metric, METRICS)}")


def _check_entries(entries: Sequence[Entry]) -> None:
    labels = [entry.label for entry in entries]
    if not labels or len(set(labels)) != len(labels):
        raise RunError(f"a table needs entries of distinct labels, got {labels}")
    for entry in entries:
        if any(set(results) != set(entry.results[0]) for results in entry.results):
            held = "; ".join(f"seed {seed}: {', '.join(r)}" for seed, r in zip(entry.seeds, entry.results, strict=True))
            raise RunError(
                f"{entry.label}: its seeds were not measured on the same tasks ({held}); evaluate them again"
            )
