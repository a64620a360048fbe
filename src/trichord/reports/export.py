"""A table as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from trichord.files import write_json, write_text
from trichord.reports.numbers import show, show_interval, show_p, show_signed
from trichord.reports.remarks import change_lines, legend, protocol_lines, setting_line
from trichord.reports.summary import summarise_table, verdict_lines
from trichord.reports.table import Row, Table

ROW_FIELDS = ("label", "kind", "task", "metric", "mean", "low", "high", "chance", "best", "best_order")
CSV_FIELDS = (*ROW_FIELDS, "seed", "seed_value")


def render_json(table: Table) -> str:
    """Return the table as JSON text; a number that is not finite is refused."""
    return json.dumps(table.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def render_csv(table: Table) -> str:
    """Return the table in long form: one line per entry, task, metric and seed, with full precision."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, CSV_FIELDS, lineterminator="\n")
    writer.writeheader()
    for row in table.rows:
        shared = {name: getattr(row, name) for name in ROW_FIELDS}
        for seed, value in row.per_seed.items():
            writer.writerow({**shared, "seed": seed, "seed_value": value})
    return buffer.getvalue()


def render_markdown(table: Table) -> str:
    """Return one Markdown table per task, the paired tests, and the remarks."""
    lines: list[str] = []
    for task in table.tasks:
        lines += [f"### {_escape(task)}", "", *_task_lines(table, task), ""]
    lines += [legend(table, "Bold:", "Bold italic:"), ""]
    if table.paired:
        lines += ["### Paired tests", "", *_pair_lines(table), ""]
    for title, remarks in _remarks(table):
        if remarks:
            lines += [f"### {title}", "", *(f"- {_escape(remark)}" for remark in remarks), ""]
    return "\n".join(lines)


def write_table(folder: str | Path, table: Table) -> None:
    """Write table.json, table.csv and table.md into a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "table.json", table.to_dict())
    write_text(folder / "table.csv", render_csv(table))
    write_text(folder / "table.md", render_markdown(table))


def _task_lines(table: Table, task: str) -> Iterator[str]:
    yield f"| | {' | '.join(table.metrics)} |"
    yield f"|---|{'---:|' * len(table.metrics)}"
    for label in table.labels:
        cells = [_cell(table.row(label, task, metric)) for metric in table.metrics]
        if any(table.row(label, task, metric) is not None for metric in table.metrics):
            name = _escape(label) if table.kinds[label] == "trained" else f"*{_escape(label)}*"
            yield f"| {name} | {' | '.join(cells)} |"
    chances = [show(metric, table.column(task, metric)[0].chance) for metric in table.metrics]
    yield f"| chance | {' | '.join(chances)} |"


def _cell(row: Row | None) -> str:
    if row is None:
        return "–"
    value = show(row.metric, row.mean)
    stars = "**" if row.best_order else "***" if row.reaches_best else ""
    return f"{stars}{value}{stars}{'†' if row.level_with_best else ''} {show_interval(row)}"


def _pair_lines(table: Table) -> Iterator[str]:
    yield "| task | metric | a | b | a − b | 95 % interval | p | p (Holm) |"
    yield "|---|---|---|---|---:|---|---:|---:|"
    for pair in table.paired:
        ends = f"[{show_signed(pair.metric, pair.low)}, {show_signed(pair.metric, pair.high)}]"
        difference = show_signed(pair.metric, pair.difference)
        yield (
            f"| {_escape(pair.task)} | {pair.metric} | {_escape(pair.a)} | {_escape(pair.b)} | {difference} | {ends} "
            f"| {show_p(pair.p)} | {show_p(pair.p_holm)} |"
        )


def _remarks(table: Table) -> Sequence[tuple[str, Sequence[str]]]:
    summary = summarise_table(table)
    return (
        ("In words", (summary.headline, *summary.tasks.values(), *summary.baselines)),
        ("Warnings", table.flags),
        ("Convergence", verdict_lines(table) or summary.convergence),
        ("Settings that differ", tuple(setting_line(difference) for difference in table.settings)),
        ("Changed from the recipe", change_lines(table)),
        ("Measured on", protocol_lines(table)),
        ("Notes", tuple(map(str, table.notes))),
    )


def _escape(text: str) -> str:
    """Keep a foreign text from being read as Markdown or HTML."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{letter}" if letter in "|*_`[]\\" else letter for letter in plain)
