"""The result in plain sentences: who wins which task, by how much, whether that is more than chance, what to doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trichord.reports.against import baseline_sentence, stand_against
from trichord.reports.curves import StageVerdict
from trichord.reports.numbers import listed, show, show_difference
from trichord.reports.outcomes import Winners, contenders, find_pair, winners
from trichord.reports.table import Row, Table

PREFERRED, SMOOTH = "R@10", "MRR"
LARGEST_CHANCE = 50.0
BRIEF = {
    "rising": "still rising",
    "flat": "converged",
    "falling": "falling at the end",
    "unknown": "too few points to tell",
}
"""Verdicts on convergence in few words."""


@dataclass(frozen=True)
class Summary:
    """A report in words.

    Args:
        metric: the metric the sentences are about.
        headline: which order wins which tasks.
        tasks: task -> its sentence.
        convergence: one short line per order and stage that had not converged, or one saying that all had.
        baselines: one sentence per baseline: how it stands against the best order of every task.
        warnings: flags of the results.
    """

    metric: str
    headline: str
    tasks: dict[str, str]
    convergence: tuple[str, ...]
    baselines: tuple[str, ...]
    warnings: tuple[str, ...]


def primary_metric(table: Table) -> str:
    """The metric that figures and sentences are about.

    R@10; MRR where the galleries are so small that chance alone reaches half of R@10; the first metric of a table that
    has neither.
    """
    telling = all(row.chance < LARGEST_CHANCE for row in table.rows if row.metric == PREFERRED)
    wanted = [PREFERRED, SMOOTH] if telling else [SMOOTH, PREFERRED]
    return next((metric for metric in wanted if metric in table.metrics), table.metrics[0])


def summarise_table(table: Table) -> Summary:
    """Put a table into words."""
    metric = primary_metric(table)
    orders = [label for label, kind in table.kinds.items() if kind == "trained"]
    baselines = [label for label, kind in table.kinds.items() if kind == "baseline"]
    return Summary(
        metric=metric,
        headline=headline(table, metric),
        tasks={task: task_sentence(table, task, metric) for task in table.tasks},
        convergence=convergence_sentences(table),
        baselines=tuple(baseline_sentence(table, label, metric) for label in baselines) if orders else (),
        warnings=table.flags,
    )


def order_winners(table: Table, task: str, metric: str) -> Winners:
    """Return the outcome of a column among the orders; among the baselines where no order was measured."""
    return winners(table, task, metric, contenders(table, task))


def headline(table: Table, metric: str) -> str:
    """Say which order wins which tasks, and whether it is significantly ahead of every other order there."""
    orders = [label for label, kind in table.kinds.items() if kind == "trained"]
    if len(orders) == 1:
        rows = [table.row(orders[0], task, metric) for task in table.tasks]
        scores = listed([f"{show(metric, row.mean)} on {row.task}" for row in rows if row is not None])
        return f"By {metric}, {orders[0]} reaches {scores}; there is no other order to compare it with."
    led: dict[tuple[str, ...], list[Winners]] = {}
    for task in table.tasks:
        outcome = order_winners(table, task, metric)
        led.setdefault(outcome.best, []).append(outcome)
    groups = sorted(led.values(), key=lambda outcomes: -len(outcomes))
    if not all(_is_clear(outcome) for outcomes in groups for outcome in outcomes):
        return f"By {metric}, {'; '.join(_led_by(table, outcomes) for outcomes in groups)}."
    phrase = "; ".join(f"{_names(table, outcomes[0])} {_wins(outcomes)}" for outcomes in groups)
    return f"By {metric}, {phrase} ({'each ' if len(groups) > 1 else ''}{_lead(table, groups[0][0])})."


def _led_by(table: Table, outcomes: Sequence[Winners]) -> str:
    """Say what one winner wins, tasks of equal lead together: "A wins T>V (...) and is best on V>T (...)"."""
    same: dict[str, list[Winners]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: not _is_clear(outcome)):
        same.setdefault(_lead(table, outcome), []).append(outcome)
    parts = [f"{_wins(these)} ({lead})" for lead, these in same.items()]
    return f"{_names(table, outcomes[0])} {listed(parts)}"


def _is_clear(outcome: Winners) -> bool:
    return bool(outcome.beats) and not outcome.level and not outcome.untested


def _lead(table: Table, outcome: Winners) -> str:
    """Say of whom the best of a column is significantly ahead."""
    other = f"other {'baseline' if table.kinds[outcome.best[0]] == 'baseline' else 'order'}"
    if outcome.untested:
        return f"not tested against {listed(outcome.untested)}"
    if not outcome.level:
        return f"significantly ahead of every {other}" if outcome.beats else f"there is no {other}"
    if outcome.beats:
        return f"significantly ahead of every {other} but {listed(outcome.level)}"
    return f"not significantly ahead of {listed(outcome.level) if len(outcome.level) == 1 else f'any {other}'}"


def task_sentence(table: Table, task: str, metric: str) -> str:
    """Say which order is best on a task, whom it beats, with whom it is level, and how the baselines stand."""
    outcome = order_winners(table, task, metric)
    best = table.row(outcome.best[0], task, metric)
    assert best is not None
    kind = "baseline" if best.kind == "baseline" else "order"
    place = f"is the best {kind}" if len(outcome.best) == 1 else "share the first place"
    parts = [f"{listed(outcome.best)} {place} {_score(best)}"]
    if outcome.beats:
        parts.append(f"significantly better than {_ahead(table, outcome.beats, best)}")
    if outcome.level:
        parts.append(f"not significantly different from {_ahead(table, outcome.level, best)}")
    if outcome.untested:
        parts.append(f"not tested against {listed(outcome.untested)}")
    for label in table.labels:
        standing = stand_against(table, label, task, metric) if table.kinds[label] == "baseline" else None
        if standing is not None:
            parts.append(f"the baseline {label} has {standing.words}")
    return f"{task}: {'; '.join(parts)}."


def convergence_sentences(table: Table) -> tuple[str, ...]:
    """Say which stages had not converged, a short line each; one sentence when all of them had."""
    every = [verdict for these in table.verdicts.values() for verdict in these]
    if not every:
        return ("The entries carry no learning curves, so nothing can be said about convergence.",)
    lines = verdict_lines(table, brief=True, only_doubtful=True)
    return lines or ("Every stage of every run had converged: its validation curve was flat at the end.",)


def verdict_lines(table: Table, *, brief: bool = False, only_doubtful: bool = False) -> tuple[str, ...]:
    """One line per order and stage with the verdicts of its seeds: "AV_T, stage 2 of 2 (AV_T): ... (seeds 1 and 2)".

    Args:
        table: where the verdicts are.
        brief: take the words of `BRIEF` instead of whole sentences.
        only_doubtful: leave out stages that converged under every seed.
    """
    lines = []
    for label, verdicts in table.verdicts.items():
        stages = dict.fromkeys(verdict.stage for verdict in verdicts)
        for number, stage in enumerate(stages, 1):
            mine = [verdict for verdict in verdicts if verdict.stage == stage]
            if not only_doubtful or any(verdict.verdict != "flat" for verdict in mine):
                end = "" if brief else "."
                lines.append(f"{label}, stage {number} of {len(stages)} ({stage}): {_tally(mine, brief=brief)}{end}")
    return tuple(lines)


def _tally(verdicts: Sequence[StageVerdict], *, brief: bool) -> str:
    said: dict[str, list[str]] = {}
    for verdict in verdicts:
        words = BRIEF.get(verdict.verdict, verdict.sentence) if brief else verdict.sentence
        said.setdefault(words, []).append(str(verdict.seed))
    if len(said) == 1:
        extent = "" if len(verdicts) == 1 else f" ({len(verdicts)} of {len(verdicts)} seeds)"
        return f"{next(iter(said))}{extent}"
    parts = [f"{words} (seed{'s' if len(seeds) > 1 else ''} {listed(seeds)})" for words, seeds in said.items()]
    return (", " if brief else "; ").join(parts)


def _wins(outcomes: Sequence[Winners]) -> str:
    """Say what is won, for outcomes of equal winner and lead; only who is ahead of every other is said to win."""
    tasks = listed([outcome.task for outcome in outcomes])
    if len(outcomes[0].best) > 1:
        return f"share the first place on {tasks}"
    return f"{'wins' if _is_clear(outcomes[0]) else 'is best on'} {tasks}"


def _names(table: Table, outcome: Winners) -> str:
    return listed([f"the baseline {label}" if table.kinds[label] == "baseline" else label for label in outcome.best])


def _score(row: Row) -> str:
    interval = f"95 % interval {show(row.metric, row.low)} to {show(row.metric, row.high)}"
    return f"with {row.metric} {show(row.metric, row.mean)} ({interval}; chance {show(row.metric, row.chance)})"


def _ahead(table: Table, labels: Sequence[str], best: Row) -> str:
    phrases = []
    for label in labels:
        pair = find_pair(table, best.label, label, best.task, best.metric)
        phrases.append(label if pair is None else f"{label} ({show_difference(pair, best.label)})")
    return listed(phrases)
