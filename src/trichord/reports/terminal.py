"""A table on the terminal: blocks of as many tasks as its width allows, orders above, baselines and chance below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from trichord.reports.console import make_console
from trichord.reports.numbers import show, show_half_width
from trichord.reports.remarks import change_lines, legend, protocol_brief, setting_line
from trichord.reports.summary import summarise_table, verdict_lines
from trichord.reports.table import Row, Table

SHOWN = ("R@1", "R@5", "R@10")
CELL = 12
"""Columns a number takes with its interval and the space beside it, without its marks."""


def print_table(table: Table, console: Console | None = None) -> None:
    """Print a table and everything that must be known to read it."""
    console = console or make_console()
    console.print(render_terminal(table, console.width))


def render_terminal(table: Table, width: int = 100) -> RenderableType:
    """Lay a table out for a terminal of the given width."""
    metrics = tuple(metric for metric in SHOWN if metric in table.metrics) or table.metrics[:3]
    margin = max(len(label) for label in (*table.labels, "chance")) + 2
    shown = [row for row in table.rows if row.metric in metrics]
    cell = CELL + max([1, *(len(_marks(row)) for row in shown)])
    tasks_per_block = max(1, (width - margin) // (cell * len(metrics)))
    blocks: list[RenderableType] = []
    for start in range(0, len(table.tasks), tasks_per_block):
        blocks += [] if start == 0 else [Text("")]
        blocks.append(_block(table, table.tasks[start : start + tasks_per_block], metrics, margin, cell))
    return Group(*blocks, *_sections(table))


def _block(table: Table, tasks: Sequence[str], metrics: Sequence[str], margin: int, cell: int) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    grid.add_column("\n", min_width=margin - 2, no_wrap=True)
    for task in tasks:
        for number, metric in enumerate(metrics):
            heading = Text(f"{task if number == 0 else ''}\n{metric}")
            grid.add_column(heading, justify="left", min_width=cell - 2, no_wrap=True)
    for kind in ("trained", "baseline"):
        for label in (label for label in table.labels if table.kinds[label] == kind):
            cells = [_cell(table.row(label, task, metric), cell - CELL) for task in tasks for metric in metrics]
            grid.add_row(Text(label), *cells)
        if kind == "trained":
            grid.add_section()
    chances = [f"{show(metric, table.column(task, metric)[0].chance):>5}" for task in tasks for metric in metrics]
    grid.add_row("chance", *chances, style="dim")
    return grid


def _marks(row: Row) -> str:
    first = "*" if row.best_order else "°" if row.reaches_best else ""
    return first + ("†" if row.level_with_best else "")


def _cell(row: Row | None, room: int) -> Text:
    """Write a number, its marks in `room` columns, and half the width of its interval."""
    if row is None:
        return Text("–", style="dim")
    style = "bold" if row.best_order else "bold italic" if row.reaches_best else ""
    value = Text(f"{show(row.metric, row.mean):>5}{_marks(row):<{room}}", style=style)
    return value + Text(show_half_width(row), style="dim")


def _sections(table: Table) -> Iterator[RenderableType]:
    summary = summarise_table(table)
    yield Text(f"\n{legend(table)} ± half the width of the 95 % interval.", style="dim")
    yield from _section("In words", [summary.headline, *summary.baselines])
    yield from _section("Warnings", list(table.flags), style="bold red")
    yield from _section("Convergence", list(verdict_lines(table, brief=True)) or list(summary.convergence))
    alike = [label for label in table.labels if "#" in label]
    yield from _section("Entries", [f"{label}: {', '.join(table.folders.get(label, ()))}" for label in alike])
    asked = [setting_line(difference) for difference in table.settings if not difference.by_nature]
    yield from _section("Settings that differ", asked or ["none but those that make the orders what they are"])
    yield from _section("Changed from the recipe", list(change_lines(table)))
    facts = " ".join(note.fact for note in table.notes)
    yield from _section("Notes", [f"{protocol_brief(table)} {facts}"])


def _section(title: str, lines: Sequence[str], style: str = "bold") -> Iterator[RenderableType]:
    if lines:
        yield Text(f"\n{title}", style=style)
        for line in lines:
            yield Padding(Text(line), (0, 0, 0, 2))
