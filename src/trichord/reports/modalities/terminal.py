"""The reports on the terminal: the answer, then every way with its interval and its difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from trichord.reports.console import make_console
from trichord.reports.modalities.page import describe_changes, heading, mean_spaces, show_plain
from trichord.reports.modalities.report import METRIC, Difference, ModalityReport
from trichord.reports.numbers import show, show_p, show_signed


def print_modalities(reports: Sequence[ModalityReport], console: Console | None = None) -> None:
    """Print reports one below the other."""
    console = console or make_console()
    for report in reports:
        console.print(Group(*_report(report)))


def _report(report: ModalityReport) -> Iterator[RenderableType]:
    yield Text(f"\n{heading(report)}", style="bold")
    yield Text(report.answer)
    for way in report.ways:
        yield from (Text(f"{way.name}: {flag}", style="bold red") for flag in way.flags)
    yield _ways(report)
    yield Text(describe_changes(report))
    yield _spaces(report)
    yield from (Text(note, style="dim") for note in report.notes)


def _ways(report: ModalityReport) -> Grid:
    first = report.ways[0].name
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    for name in ("", "R@1", METRIC, "95 %", "MRR", f"{METRIC} against {first}"):
        grid.add_column(name, no_wrap=True)
    for way in report.ways:
        top = way.estimates[METRIC]
        grid.add_row(
            Text(way.name),
            show("R@1", way.estimates["R@1"].value),
            Text(show(METRIC, top.value), style="bold"),
            f"{show(METRIC, top.low)}–{show(METRIC, top.high)}",
            show("MRR", way.estimates["MRR"].value),
            Text("" if way.name == first else _difference(report.difference(way.name, first))),
        )
    grid.add_row("chance", show("R@1", report.chance["R@1"]), show(METRIC, report.chance[METRIC]), style="dim")
    return grid


def _difference(found: Difference | None) -> str:
    if found is None:
        return "the same"
    value, low, high = (show_signed(found.metric, v) for v in (found.difference, found.low, found.high))
    return f"{value} [{low}, {high}], {show_p(found.p_holm)}"


def _spaces(report: ModalityReport) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    for name in ("pair", "adapter", "gap", "alignment (others)", "uniformity", "hub skewness → ←"):
        grid.add_column(name, no_wrap=True)
    for pair, space in mean_spaces(report):
        hubs = [found for found in (space.left_to_right, space.right_to_left) if found is not None]
        grid.add_row(
            Text(pair),
            Text(space.adapter),
            show_plain(space.gap),
            f"{show_plain(space.alignment)} ({show_plain(space.chance_alignment)})",
            f"{show_plain(space.left_uniformity)}, {show_plain(space.right_uniformity)}",
            ", ".join(show_plain(found.skewness) for found in hubs) or "–",
        )
    return grid
