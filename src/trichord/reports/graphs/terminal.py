"""The report on the terminal: what was found, the final comparison, what fresh seeds left, how the search went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from trichord.metrics.bootstrap import Estimate
from trichord.reports.console import make_console
from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.graphs.verdict import find_answer
from trichord.reports.graphs.warnings import find_warnings
from trichord.reports.graphs.words import (
    GRAPH_FILE,
    deciding_metric,
    describe_trials,
    metric_name,
    show_seconds,
    train_command,
)
from trichord.reports.numbers import counted, show, show_p, show_signed


def print_graph_study(
    report: GraphStudyReport, console: Console | None = None, *, graph: str | Path = GRAPH_FILE
) -> None:
    """Print a report.

    Args:
        report: the study.
        console: where to; None: standard output.
        graph: file of the best graph, for the command that trains it.
    """
    console = console or make_console()
    for part in _report(report, str(graph)):
        console.print(part, soft_wrap=isinstance(part, Text) and bool(part.no_wrap))


def _report(report: GraphStudyReport, graph: str) -> Iterator[RenderableType]:
    answer = find_answer(report)
    yield Text(f"\n{report.title}", style="bold")
    if report.conclusion:
        yield Text(report.conclusion)
    yield Text(f"{answer.heading}.", style="bold green" if answer.gain else "bold")
    for warning in find_warnings(report):
        yield Text(warning, style="yellow")
    if report.contenders:
        yield Text(f"\nFinal comparison on {report.report_split}, {counted(report.seeds, 'seed')}", style="bold")
        yield _contenders(report)
        yield Text("± half the width of the 95 % interval. Difference: best graph less the entry, paired.", style="dim")
    yield Text("\nThe best graph", style="bold")
    yield Padding(Text(report.best_text), (0, 0, 0, 2))
    yield Text(train_command(report, graph), style="dim", no_wrap=True)  # a broken line could not be copied
    metric = metric_name(report, report.metric)
    yield Text(f"\nThe search ({metric} on {report.selection_split})", style="bold")
    yield Padding(
        Text(f"{describe_trials(report)}. Target alone: {show(report.metric, report.reference)}."), (0, 0, 0, 2)
    )
    yield Padding(Text(report.optimism.sentence), (0, 0, 0, 2))
    if report.ranked:
        yield _ranked(report)


def _contenders(report: GraphStudyReport) -> Grid:
    """Lay out every contender by the measure that decides; the page has them all."""
    metric = deciding_metric(report)
    grid = _grid(("", metric_name(report, metric), "best graph less it", "p (Holm)", "verdict", "networks", "time"))
    for contender in report.contenders:
        number = _number(metric, contender.metrics.get(metric))
        cost = (str(contender.networks), show_seconds(contender.seconds))
        grid.add_row(Text(contender.name), number, *_difference(report, contender.name, metric), *cost)
    return grid


def _number(metric: str, found: Estimate | None) -> Text:
    if found is None:
        return Text("–", style="dim")
    half = show(metric, (found.high - found.low) / 2)
    return Text(show(metric, found.value)) + Text(f"±{half}", style="dim")


def _difference(report: GraphStudyReport, rival: str, metric: str) -> tuple[Text, str, Text]:
    """Return the difference with its interval, p, and what may be said of the best graph."""
    found = report.comparison(rival, metric)
    if found is None:
        return Text("–", style="dim"), "", Text()
    values = (found.comparison.difference, found.comparison.low, found.comparison.high)
    middle, low, high = (show_signed(metric, value) for value in values)
    claimed = found.told != "no difference shown"
    style = "bold" if claimed else ""
    said = Text(found.told if claimed else "not shown", style=style or "dim")
    return (
        Text(f"{middle} [{low}, {high}]", style=style),
        show_p(found.holm).removeprefix("p ").removeprefix("= "),
        said,
    )


def _ranked(report: GraphStudyReport) -> Grid:
    grid = _grid(("place", "trial", "in the search", "fresh seeds", "95 % interval", "change"))
    for one in report.ranked:
        values = (show(report.metric, one.found), show(report.metric, one.mean))
        change = show_signed(report.metric, one.mean - one.found)
        interval = f"[{show(report.metric, one.low)}, {show(report.metric, one.high)}]"
        style = "bold" if one.place == 1 else ""
        grid.add_row(str(one.place), str(one.trial), *values, interval, change, style=style)
    return grid


def _grid(headings: Sequence[str]) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    for heading in headings:
        grid.add_column(Text(heading), no_wrap=True)
    return grid
