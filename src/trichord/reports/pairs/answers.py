"""What was found, in sentences that claim no more than was shown; a null result is said as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trichord.adapters.settings import BASE
from trichord.reports.modalities.page import heading
from trichord.reports.modalities.report import METRIC as MODALITY_METRIC
from trichord.reports.modalities.report import ModalityReport
from trichord.reports.numbers import listed, show, show_range, show_signed
from trichord.reports.pairs.effects import Effect, Verdict, find_effect, rivals_of, told_metric
from trichord.reports.pairs.report import OWN_FUSION, ROUTED
from trichord.reports.table import PairedRow, Row

PHRASES: Mapping[Verdict, str] = {
    "better": "significantly better",
    "worse": "significantly worse",
    "level": "not significantly different",
    "same": "the same",
    "untested": "not tested",
}
MOST_LISTED = 2
"""Tasks without a significant difference whose numbers are all told; of more, the largest difference only."""


def write_answers(
    labels: Sequence[str],
    tasks: Sequence[str],
    comparisons: Sequence[PairedRow],
    rows: Sequence[Row],
    modalities: Sequence[ModalityReport] = (),
) -> tuple[str, ...]:
    """Say what the routed model is worth: against the base, the two effects apart, the other rivals, more modalities.

    Args:
        labels, tasks, comparisons, rows: see `PairsReport`. A comparison of `OWN_FUSION` with the base, where there is
            one, is what is said about fusion; without it the means are, and said to be untested.
        modalities: reports on tasks of several modalities; without them such tasks are held beside their parts.
    """
    metric = told_metric(comparisons, rows)

    def against(a: str, b: str) -> list[Effect]:
        found = (find_effect(a, b, task, metric, comparisons, rows) for task in tasks)
        return [effect for effect in found if effect is not None]

    rivals = rivals_of(labels, comparisons)
    sentences = []
    for rival in sorted(rivals, key=lambda label: label != BASE):
        if rival != OWN_FUSION:
            lead = f"Against {rival}, the routed model's {metric} is"
            sentences.append(_stand(lead, ("the routed model", rival), against(ROUTED, rival), tasks))
    parts = [
        _stand(
            f"Adapters: beside the base with its own best fusion, the routed model's {metric} is",
            ("adapters", "the base with its own best fusion"),
            against(ROUTED, OWN_FUSION),
            tasks,
        ),
        _stand(
            f"Fusion: by its own best one, without adapters, the base's {metric} is",
            ("the base with its own best fusion", "the base with sides summed"),
            against(OWN_FUSION, BASE),
            tasks,
        ),
    ]
    place = 1 if BASE in rivals else 0
    sentences[place:place] = [part for part in parts if part]
    if not rivals:
        sentences.insert(0, _stand_alone(tasks, rows, metric))
    return (*sentences, *_several(tasks, rows, modalities, metric))


def _stand(lead: str, null: tuple[str, str], effects: Sequence[Effect], tasks: Sequence[str]) -> str:
    """Say on which tasks something is better, worse, not shown to differ, the same, not tested.

    Args:
        lead: how the sentence begins: "Against base, the routed model's R@10 is".
        null: the two sides, for where nothing differs.
        effects: one per task that both sides were measured on; none gives an empty sentence.
        tasks: all tasks; the rest are said not to be compared.
    """
    if not effects:
        return ""
    groups = {verdict: [effect for effect in effects if effect.verdict == verdict] for verdict in PHRASES}
    compared = {effect.task for effect in effects}
    left_out = [task for task in tasks if task not in compared]
    end = f" Not compared on {listed(left_out)}." if left_out else ""
    if groups["level"] and len(groups["level"]) + len(groups["same"]) == len(effects):
        return _nothing(null, groups["level"], groups["same"]) + end
    if len(groups["same"]) == len(effects):
        extent = effects[0].task if len(effects) == 1 else "any task"
        return f"Between {null[0]} and {null[1]} there is no difference at all on {extent}.{end}"
    filled = [(verdict, found) for verdict, found in groups.items() if found]
    parts = [_part(*part, len(effects), first=number == 0) for number, part in enumerate(filled)]
    return f"{lead} {listed(parts)}.{_unsure(effects)}{end}"


def _nothing(null: tuple[str, str], level: Sequence[Effect], same: Sequence[Effect]) -> str:
    largest = max(level, key=lambda effect: abs(effect.difference))
    said = f"No difference between {null[0]} and {null[1]} can be shown on"
    if len(level) + len(same) == 1:
        return f"{said} {largest.task} ({_number(largest)})."
    assert largest.pair is not None
    low, high = (show_signed(largest.metric, value) for value in (largest.pair.low, largest.pair.high))
    value = show_signed(largest.metric, largest.difference)
    alike = f"; the same on {listed([effect.task for effect in same])}" if same else ""
    return f"{said} any task (largest {value}{_unit(largest)} on {largest.task}, interval [{low}, {high}]{alike})."


def _part(verdict: Verdict, found: Sequence[Effect], total: int, *, first: bool) -> str:
    """Write "significantly better on 2 of 6 tasks (T>V +3.1 points [+1.0, +5.2] and T>A ...)"."""
    phrase = PHRASES[verdict]
    if total == 1:
        return f"{phrase} on {found[0].task} ({_number(found[0])})"
    extent = f"{len(found)} of {total} tasks" if first else str(len(found))
    if len(found) == total:
        extent = "both tasks" if total == 2 else f"all {total} tasks"
    if verdict == "same":
        told = listed([effect.task for effect in found])
    elif verdict == "level" and len(found) > MOST_LISTED:
        largest = max(found, key=lambda effect: abs(effect.difference))
        told = f"{listed([effect.task for effect in found])}; largest {_number(largest)} on {largest.task}"
    else:
        told = listed([f"{effect.task} {_number(effect)}" for effect in found])
    return f"{phrase} on {extent} ({told})"


def _number(effect: Effect) -> str:
    value = f"{show_signed(effect.metric, effect.difference)}{_unit(effect)}"
    if effect.pair is None:
        return value
    low, high = (show_signed(effect.metric, bound) for bound in (effect.pair.low, effect.pair.high))
    return f"{value} [{low}, {high}]"


def _unit(effect: Effect) -> str:
    return " points" if effect.metric.startswith("R@") else ""


def _unsure(effects: Sequence[Effect]) -> str:
    """Tell where a test says yes of these models while the interval, which holds the seeds too, does not."""
    tasks = [
        effect.task
        for effect in effects
        if effect.pair is not None and effect.pair.significant and effect.pair.low <= 0 <= effect.pair.high
    ]
    if not tasks:
        return ""
    return (
        f" On {listed(tasks)} that holds for these very models, while models of new seeds might differ: the interval "
        "includes 0."
    )


def _stand_alone(tasks: Sequence[str], rows: Sequence[Row], metric: str) -> str:
    found = {row.task: row for row in rows if (row.label, row.metric) == (ROUTED, metric)}
    if not found:
        return "The routed model was not measured, so nothing can be said about it."
    told = listed([f"{_scored(found[task])} on {task}" for task in tasks if task in found])
    return f"The routed model has {metric} {told}; it was compared with nothing."


def _several(
    tasks: Sequence[str], rows: Sequence[Row], modalities: Sequence[ModalityReport], metric: str
) -> tuple[str, ...]:
    """Say whether a further modality loses."""
    if modalities:
        asked = listed([heading(report) for report in modalities])
        losses = listed([heading(report) for report in modalities if _loses(report)])
        where = f"on {losses}" if losses else f"nowhere ({asked})"
        verdict = f"Taking a further modality in, with its fitted weight, loses significantly {where}."
        return (verdict, *(f"{heading(report)}: {report.answer}" for report in modalities))
    return _beside_parts(tasks, rows, metric)


def _loses(report: ModalityReport) -> bool:
    found = report.difference(report.way("weighted").name, report.ways[0].name, MODALITY_METRIC)
    return found is not None and found.significant and found.difference < 0


def _beside_parts(tasks: Sequence[str], rows: Sequence[Row], metric: str) -> tuple[str, ...]:
    """Hold tasks of several modalities beside the best of their parts: other tasks, so that nothing is tested."""
    mine = {row.task: row for row in rows if (row.label, row.metric) == (ROUTED, metric)}
    said: dict[str, list[str]] = {"no lower": [], "lower": []}
    for task in (task for task in tasks if task in mine):
        parts = [mine[part] for part in _parts(task) if part in mine]
        if parts:
            whole, best = mine[task], max(parts, key=lambda row: row.mean)
            numbers = f"{task} {_scored(whole)} against {best.task} {_scored(best)}"
            said["no lower" if whole.mean >= best.mean else "lower"].append(numbers)
    told = [f"{words} ({', '.join(numbers)})" for words, numbers in said.items() if numbers]
    if not told:
        return ()
    return (
        f"With a further modality, the routed model's {metric} is {listed(told)} than with the best single one; "
        "these are different tasks, so that nothing is tested.",
    )


def _scored(row: Row) -> str:
    return f"{show(row.metric, row.mean)} [{show_range(row)}]"


def _parts(task: str) -> tuple[str, ...]:
    """Spell a task with one modality of its one wide side: T>V and T>A of T>VA; nothing where it has none, or two."""
    query, _, gallery = task.partition(">")
    if len(query) > 1 and len(gallery) == 1:
        return tuple(f"{letter}>{gallery}" for letter in query)
    if len(gallery) > 1 and len(query) == 1:
        return tuple(f"{query}>{letter}" for letter in gallery)
    return ()
