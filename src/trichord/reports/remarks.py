"""The lines below a table: how to read it, how it was measured, what differs between its entries."""

from __future__ import annotations

from typing import Any

from trichord.reports.numbers import listed, show
from trichord.reports.settings import SettingDifference
from trichord.reports.summary import primary_metric
from trichord.reports.table import Table


def legend(table: Table, best: str = "*", reached: str = "°") -> str:
    """Explain the marks of a table.

    Args:
        table: what is marked.
        best: how the best order of a column is marked.
        reached: how a baseline is marked that does at least as well.
    """
    kinds = set(table.kinds.values())
    parts = [f"{best} best order of the column." if "trained" in kinds else f"{reached} best of the column."]
    if len(kinds) > 1:
        parts.append(f"{reached} a baseline that does at least as well.")
    tested = list(dict.fromkeys(pair.metric for pair in table.paired))
    rival = "the best order" if "trained" in kinds else "the best"
    parts.append(
        f"† not significantly different from {rival} (paired test, Holm-adjusted p ≥ 0.05; {listed(tested)} only)."
        if tested
        else "No differences were tested."
    )
    return " ".join(parts)


def protocol_lines(table: Table) -> tuple[str, ...]:
    """One line per protocol: "T>V: 500 queries against 500 items of split test, first caption, ..."."""
    metric = primary_metric(table)
    tasks_of: dict[str, list[str]] = {}
    for task in table.tasks:
        row = table.column(task, metric)[0]
        settings = table.protocols[task].settings
        line = (
            f"{table.num_queries[task]} queries against {settings['num_items']} items of split {settings['split']}"
            f"{_captions(settings)}, chance {metric} {show(metric, row.chance)}, "
            f"missing counted as misses: {table.num_missing[task]}"
        )
        tasks_of.setdefault(line, []).append(task)
    return tuple(f"{', '.join(tasks)}: {line}" for line, tasks in tasks_of.items())


def protocol_brief(table: Table) -> str:
    """Say in one sentence what `protocol_lines` says in full, without chance, which stands in the table."""
    tasks_of: dict[str, list[str]] = {}
    for task in table.tasks:
        settings = table.protocols[task].settings
        missing = f", {table.num_missing[task]} missing counted as misses" if table.num_missing[task] else ""
        line = (
            f"{table.num_queries[task]} queries against {settings['num_items']} items of split {settings['split']}"
            f"{_captions(settings)}{missing}"
        )
        tasks_of.setdefault(line, []).append(task)
    if len(tasks_of) == 1:
        return f"{next(iter(tasks_of))}."
    return "; ".join(f"{', '.join(tasks)}: {line}" for line, tasks in tasks_of.items()) + "."


def _captions(settings: dict[str, Any]) -> str:
    used = {settings["query_captions"], settings["gallery_captions"]} - {"one per item"}
    return "".join(f", {use} caption{'s' if use == 'all' else ''}" for use in sorted(used))


def setting_line(difference: SettingDifference) -> str:
    """Write a difference of settings: "stages.0.epochs: 30 (AV_T); 40 (VT_A, AT_V)"."""
    holders: dict[str, list[str]] = {}
    for label, value in difference.values.items():
        holders.setdefault(show_value(value), []).append(label)
    return f"{difference.path}: " + "; ".join(f"{value} ({', '.join(labels)})" for value, labels in holders.items())


def change_lines(table: Table) -> tuple[str, ...]:
    """One line per overridden field: "epochs of the recipe 30, here 10 (AV_T, VT_A)"."""
    holders: dict[str, list[str]] = {}
    for label, changes in table.changes.items():
        for path, (before, after) in changes.items():
            line = f"{path}: {show_value(before)} in the recipe, {show_value(after)} here"
            holders.setdefault(line, []).append(label)
    return tuple(f"{line} ({', '.join(labels)})" for line, labels in holders.items())


def show_value(value: Any) -> str:
    """Write a setting; a float as short as it can be told apart."""
    return f"{value:g}" if isinstance(value, float) else str(value)
