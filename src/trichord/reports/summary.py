"""The result in plain sentences: who wins which task, by how much, whether that is more than chance, what to doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trichord.metrics.retrieval import HIGHER_IS_BETTER
from trichord.reports.curves import StageVerdict
from trichord.reports.numbers import listed, show, show_difference
from trichord.reports.table import PairedRow, Row, Table, Winners, winners

PREFERRED = "R@10"


@dataclass(frozen=True)
class Summary:
    """A report in words.

    Args:
        metric: the metric the sentences are about.
        headline: who wins how many tasks.
        tasks: task -> its sentence.
        convergence: one sentence per stage that had not converged, or one saying that all had.
        baselines: one sentence per baseline.
        warnings: flags of the results.
    """

    metric: str
    headline: str
    tasks: dict[str, str]
    convergence: tuple[str, ...]
    baselines: tuple[str, ...]
    warnings: tuple[str, ...]


def primary_metric(table: Table) -> str:
    """The metric that figures and sentences are about: R@10 where the table has it, its first metric otherwise."""
    return PREFERRED if PREFERRED in table.metrics else table.metrics[0]


def summarise_table(table: Table) -> Summary:
    """Put a table into words."""
    metric = primary_metric(table)
    return Summary(
        metric=metric,
        headline=headline(table, metric),
        tasks={task: task_sentence(table, task, metric) for task in table.tasks},
        convergence=convergence_sentences(table),
        baselines=tuple(
            baseline_sentence(table, label, metric) for label, kind in table.kinds.items() if kind == "baseline"
        ),
        warnings=table.flags,
    )


def headline(table: Table, metric: str) -> str:
    """Say who has the best value on which tasks, and of whom the best is significantly ahead there."""
    led: dict[tuple[str, ...], list[Winners]] = {}
    for task in table.tasks:
        outcome = winners(table, task, metric)
        led.setdefault(outcome.best, []).append(outcome)
    parts = []
    for labels, outcomes in sorted(led.items(), key=lambda entry: -len(entry[1])):
        verb = "has" if len(labels) == 1 else "share"
        names, tasks = listed([_name(table, label) for label in labels]), listed([each.task for each in outcomes])
        parts.append(f"{names} {verb} the best {metric} on {tasks} ({_lead(outcomes)})")
    phrase = "; ".join(parts)
    return f"{_capitalised(phrase)}."


def _lead(outcomes: Sequence[Winners]) -> str:
    """Say of whom the best of several columns is significantly ahead."""
    if any(outcome.untested for outcome in outcomes):
        return "not tested against every rival"
    level = list(dict.fromkeys(label for outcome in outcomes for label in outcome.level))
    beaten = {label for outcome in outcomes for label in outcome.beats} - set(level)
    if not level and not beaten:
        return "there is no rival"
    if not level:
        return "significantly ahead of every rival"
    if beaten:
        return f"significantly ahead of all but {listed(level)}"
    some = any(outcome.beats for outcome in outcomes)
    return "significantly ahead of some rivals on some tasks" if some else "not significantly ahead of any rival"


def task_sentence(table: Table, task: str, metric: str) -> str:
    """Say who is best on a task, whom it beats, and with whom it is level."""
    outcome = winners(table, task, metric)
    column = {row.label: row for row in table.column(task, metric)}
    best = column[outcome.best[0]]
    parts = [f"{_named(table, outcome.best)} {_score(best)}"]
    if outcome.beats:
        parts.append(f"significantly better than {_ahead(table, outcome.beats, best)}")
    if outcome.level:
        parts.append(f"not significantly different from {_ahead(table, outcome.level, best)}")
    if outcome.untested:
        parts.append(f"not tested against {listed(outcome.untested)}")
    if best.kind == "baseline":
        parts.append(_best_order(table, column, metric))
    return "; ".join(part for part in parts if part) + "."


def convergence_sentences(table: Table) -> tuple[str, ...]:
    """Say which stages had not converged; one sentence when all of them had."""
    every = [verdict for these in table.verdicts.values() for verdict in these]
    if not every:
        return ("The entries carry no learning curves, so nothing can be said about convergence.",)
    lines = verdict_lines(table, only_doubtful=True)
    return lines or ("Every stage of every run had converged: its validation curve was flat at the end.",)


def verdict_lines(table: Table, *, only_doubtful: bool = False) -> tuple[str, ...]:
    """One line per order and stage with the verdicts of its seeds: "AV_T, stage 2 (AV_T): ... (2 of 3 seeds)"."""
    lines = []
    for label, verdicts in table.verdicts.items():
        stages = dict.fromkeys(verdict.stage for verdict in verdicts)
        for number, stage in enumerate(stages, 1):
            mine = [verdict for verdict in verdicts if verdict.stage == stage]
            if not only_doubtful or any(verdict.verdict != "flat" for verdict in mine):
                lines.append(f"{label}, stage {number} of {len(stages)} ({stage}): {_tally(mine)}.")
    return tuple(lines)


def baseline_sentence(table: Table, label: str, metric: str) -> str:
    """Say where a baseline is the best, where it is level with the best, and where it is beaten."""
    won: list[str] = []
    level: list[str] = []
    beaten: list[str] = []
    for task in table.tasks:
        outcome = winners(table, task, metric)
        for group, labels in ((won, outcome.best), (level, outcome.level), (beaten, outcome.beats)):
            if label in labels:
                group.append(task)
    parts = [
        f"{words} {listed(tasks)}"
        for words, tasks in (
            ("has the best value on", won),
            ("is not significantly worse than the best on", level),
            ("is significantly worse than the best on", beaten),
        )
        if tasks
    ]
    return f"The baseline {label} {'; it '.join(parts) if parts else 'was not compared with the others'}."


def _tally(verdicts: Sequence[StageVerdict]) -> str:
    sentences = dict.fromkeys(verdict.sentence for verdict in verdicts)
    if len(sentences) == 1:
        extent = "" if len(verdicts) == 1 else f" ({len(verdicts)} of {len(verdicts)} seeds)"
        return f"{next(iter(sentences))}{extent}"
    parts = []
    for sentence in sentences:
        seeds = [str(verdict.seed) for verdict in verdicts if verdict.sentence == sentence]
        parts.append(f"{sentence} (seed{'s' if len(seeds) > 1 else ''} {listed(seeds)})")
    return "; ".join(parts)


def _named(table: Table, labels: Sequence[str]) -> str:
    names = [_name(table, label) for label in labels]
    phrase = listed(names)
    return f"{_capitalised(phrase)} {'is best' if len(names) == 1 else 'share the first place'}"


def _name(table: Table, label: str) -> str:
    return f"the baseline {label}" if table.kinds[label] == "baseline" else label


def _capitalised(phrase: str) -> str:
    """Begin a sentence; a label that begins it stays as it is spelled."""
    return f"T{phrase[1:]}" if phrase.startswith("the baseline ") else phrase


def _score(row: Row) -> str:
    interval = f"95 % interval {show(row.metric, row.low)} to {show(row.metric, row.high)}"
    return f"with {row.metric} {show(row.metric, row.mean)} ({interval}; chance {show(row.metric, row.chance)})"


def _ahead(table: Table, labels: Sequence[str], best: Row) -> str:
    phrases = []
    for label in labels:
        pair = find_pair(table, best.label, label, best.task, best.metric)
        phrases.append(label if pair is None else f"{label} ({show_difference(pair, best.label)})")
    return listed(phrases)


def _best_order(table: Table, column: dict[str, Row], metric: str) -> str:
    orders = [row for row in column.values() if row.kind == "trained"]
    if not orders:
        return ""
    sign = 1 if HIGHER_IS_BETTER[metric] else -1
    top = max(orders, key=lambda row: sign * row.mean)
    return f"the best order is {top.label} with {show(metric, top.mean)}"


def find_pair(table: Table, a: str, b: str, task: str, metric: str) -> PairedRow | None:
    """The comparison of two entries, whichever way round it was made."""
    for pair in table.paired:
        if (pair.task, pair.metric) == (task, metric) and {pair.a, pair.b} == {a, b}:
            return pair
    return None
