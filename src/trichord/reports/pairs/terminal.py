"""The report on the terminal: what was found, the routes, every entry on every task, the two effects, notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from trichord.reports.console import make_console
from trichord.reports.numbers import show, show_half_width, show_p, show_signed
from trichord.reports.pairs.convergence import convergence_brief
from trichord.reports.pairs.effects import Effect, find_effects, told_metric
from trichord.reports.pairs.marks import explain_marks, is_best, mark
from trichord.reports.pairs.report import METRIC, PairsReport
from trichord.reports.table import Row

BULLET = "·"


def print_pairs(report: PairsReport, console: Console | None = None) -> None:
    """Print a report."""
    console = console or make_console()
    console.print(Group(*_report(report, console.width)))


def _report(report: PairsReport, width: int) -> Iterator[RenderableType]:
    yield Text(f"\n{report.title}", style="bold")
    if report.answers:
        listing = Grid(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=False)
        for answer in report.answers:
            listing.add_row(BULLET, Text(answer))
        yield listing
    yield from (Text(flag, style="bold red") for flag in report.flags)
    if report.routes:
        yield Text(f"\nRoutes (MRR on {report.validation}, where they were chosen)", style="bold")
        yield _routes(report)
    metric = METRIC if METRIC in report.metrics or not report.metrics else report.metrics[0]
    if report.rows:
        yield Text(f"\n{metric} on {report.split}", style="bold")
        yield from _numbers(report, metric, width)
        yield Text(f"{explain_marks(report, '*')} ± half the width of the 95 % interval.", style="dim")
    told = told_metric(report.comparisons, report.rows)
    effects = find_effects(report.tasks, report.comparisons, report.rows, told)
    effects = tuple(effect for effect in effects if effect.fusion or effect.adapters)
    if effects:
        yield Text(f"\nTwo effects, apart ({told}, with 95 % interval and adjusted p)", style="bold")
        grid = _grid(("", "own fusion, no adapter", "adapters, beside that"))
        for effect in effects:
            grid.add_row(Text(effect.task), _effect(effect.fusion), _effect(effect.adapters))
        yield grid
    heading, lines = convergence_brief(report.verdicts)
    yield from _section(heading, lines)
    yield from _section("Notes", report.notes)


def _routes(report: PairsReport) -> Grid:
    grid = _grid(("task", "route", "MRR", "best", "base", "tried"), wrapped=(1,))
    for route in report.routes:
        values = (show("MRR", value) for value in (route.validation_mrr, route.best_mrr, route.base_mrr))
        style = "bold" if route.adapted else ""
        grid.add_row(Text(route.task), Text(route.description, style=style), *values, str(route.num_tried))
    return grid


def _numbers(report: PairsReport, metric: str, width: int) -> Iterator[RenderableType]:
    """Lay all tasks out, as many beside each other as there is room for."""
    labels, tasks = report.labels, report.tasks
    rows = [row for row in report.rows if row.metric == metric]
    digits = max(len(show(metric, row.mean)) for row in rows)
    signs = max(len(_signs(report, row)) for row in rows)
    cell = max([digits + signs + max(len(show_half_width(row)) for row in rows), *map(len, tasks)])
    margin = max(map(len, (*labels, "chance")))
    gap = 2 if margin + len(tasks) * (cell + 2) <= width else 1
    at_once = max(1, (width - margin) // (cell + gap))
    chances = {row.task: show(metric, row.chance) for row in rows}
    for start in range(0, len(tasks), at_once):
        shown = tasks[start : start + at_once]
        grid = _grid(("", *shown), gap=gap)
        for label in labels:
            grid.add_row(Text(label), *(_cell(report, report.row(label, t, metric), digits, signs) for t in shown))
        grid.add_row("chance", *(f"{chances.get(task, '–'):>{digits}}" for task in shown), style="dim")
        yield grid


def _signs(report: PairsReport, row: Row) -> str:
    return f"{'*' if is_best(report, row) else ''}{mark(report, row)}"


def _cell(report: PairsReport, row: Row | None, digits: int, signs: int) -> Text:
    if row is None:
        return Text(f"{'–':>{digits}}", style="dim")
    number = f"{show(row.metric, row.mean):>{digits}}{_signs(report, row):<{signs}}"
    return Text(number, style="bold" if is_best(report, row) else "") + Text(show_half_width(row), style="dim")


def _effect(effect: Effect | None) -> Text:
    if effect is None:
        return Text("–", style="dim")
    if effect.verdict == "same":
        return Text("the same", style="dim")
    value = show_signed(effect.metric, effect.difference)
    if effect.pair is None:
        return Text(f"{value}, not tested", style="dim")
    low, high = (show_signed(effect.metric, bound) for bound in (effect.pair.low, effect.pair.high))
    return Text(
        f"{value} [{low}, {high}], {show_p(effect.pair.p_holm)}", style="bold" if effect.pair.significant else ""
    )


def _grid(headings: Sequence[str], wrapped: Sequence[int] = (), gap: int = 3) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, gap - 1, 0, 0), show_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        grid.add_column(Text(heading), no_wrap=number not in wrapped)
    return grid


def _section(title: str, lines: Sequence[str]) -> Iterator[RenderableType]:
    if lines:
        yield Text(f"\n{title}", style="bold")
        yield from (Padding(Text(line), (0, 0, 0, 2)) for line in lines)
