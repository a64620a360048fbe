"""The report on the terminal: what was found, every method, its differences, under-training, the rank curve, notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from trichord.metrics.bootstrap import Estimate
from trichord.reports.console import make_console
from trichord.reports.graphs.words import show_seconds
from trichord.reports.mmlora.record import MethodRow, MMLoRAReport, Paired
from trichord.reports.mmlora.standing import Standing, curves, left_behind, main_controls, standing
from trichord.reports.mmlora.words import drawn_over, marked_setting
from trichord.reports.numbers import counted, show, show_p, show_signed

BULLET = "·"
SIGNS: Mapping[Standing, str] = {"better": "↑", "worse": "↓", "no difference shown": ""}
WIDE = 105
"""From so many columns on, settings have one of their own; below, they stand under the method's name."""


def print_mmlora(report: MMLoRAReport, console: Console | None = None) -> None:
    """Print a report.

    Args:
        report: the study.
        console: where to; None: standard output.
    """
    console = console or make_console()
    console.print(Group(*_report(report, console.width)))


def _report(report: MMLoRAReport, width: int) -> Iterator[RenderableType]:
    yield Text(f"\n{report.title}", style="bold")
    if report.answers:
        listing = Grid(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=False)
        for answer in report.answers:
            listing.add_row(BULLET, Text(answer))
        yield listing
    yield from (Text(flag, style="yellow") for flag in report.flags)
    yield Text(f"\nMethods on {report.split}, {counted(len(report.seeds), 'seed')}", style="bold")
    yield _methods(report, width)
    yield Text(
        f"± half the width of the 95 % interval over {drawn_over(report)}. * best MMLoRA, by {report.validation}. "
        "Time: of the last stage.",
        style="dim",
    )
    against = main_controls(report)
    if against:
        yield Text(f"\nDifferences of {report.metrics[0]} in points, with 95 % interval and p (Holm)", style="bold")
        yield _differences(report, against)
        yield Text(
            "↑ better, ↓ worse, by the adjusted test and the interval; else no difference is shown.", style="dim"
        )
    if report.under_training:
        yield Text(f"\nEncoders after joint learning: linear probes, {report.metrics[0]}", style="bold")
        yield _probes(report)
    if report.ranks:
        yield Text(f"\nRanks: {report.metrics[0]} on {report.split} ({report.validation})", style="bold")
        yield _ranks(report)
        yield Text("[ ] chosen on " + report.validation + ".", style="dim")
    if report.notes:
        yield Text("\nNotes", style="bold")
        yield from (Padding(Text(note), (0, 0, 0, 2)) for note in report.notes)


def _methods(report: MMLoRAReport, width: int) -> Grid:
    wide = width >= WIDE
    settings = ("setting",) if wide else ()
    headings = ("", *settings, report.validation, *report.metrics, "learns", "time")
    grid = _grid(headings, wrapped=(0, 1) if wide else (0,), right=range(1 + len(settings), len(headings)))
    for row in report.methods:
        best = row.name == report.best
        name = Text(f"{row.name}{'*' if best else ''}", style="bold" if best else "")
        chosen = [Text(marked_setting(row), style="dim")] if wide else []
        if row.setting and not wide:
            name = name + Text(f"\n  {marked_setting(row)}", style="not bold dim")
        numbers = [_number(metric, row.metrics.get(metric), bold=best) for metric in report.metrics]
        cost = (f"{row.cost.trainable:,}", show_seconds(row.cost.seconds))
        grid.add_row(name, *chosen, show(report.metrics[0], row.validation), *numbers, *cost)
    chances = [show(metric, report.chance[metric]) if metric in report.chance else "–" for metric in report.metrics]
    blanks = [""] * (len(settings) + 1)
    widths = [_half_width(report, metric) for metric in report.metrics]
    shown = [f"{chance}{' ' * room}" for chance, room in zip(chances, widths, strict=True)]
    grid.add_row("chance", *blanks, *shown, "", "", style="dim")
    return grid


def _number(metric: str, found: Estimate | None, *, bold: bool) -> Text:
    if found is None:
        return Text("–", style="dim")
    return Text(show(metric, found.value), style="bold" if bold else "") + Text(
        _half(metric, found), style="not bold dim"
    )


def _half(metric: str, found: Estimate) -> str:
    return f"±{show(metric, (found.high - found.low) / 2)}"


def _half_width(report: MMLoRAReport, metric: str) -> int:
    return max((len(_half(metric, row.metrics[metric])) for row in report.methods if metric in row.metrics), default=0)


def _differences(report: MMLoRAReport, against: Sequence[str]) -> Grid:
    grid = _grid(("", *(f"minus {name}" for name in against)), wrapped=(0,))
    for row in report.methods:
        if any(name in row.against for name in against):
            cells = (_difference(report.metrics[0], row, name) for name in against)
            grid.add_row(Text(row.name, style="bold" if row.name == report.best else ""), *cells)
    return grid


def _difference(metric: str, row: MethodRow, control: str) -> Text:
    if control not in row.against:
        return Text("–", style="dim")
    found = row.against[control]
    sign = SIGNS[standing(found)]
    return Text(f"{_paired(metric, found)} {sign}", style="bold" if sign else "")


def _paired(metric: str, found: Paired) -> str:
    low, high = (show_signed(metric, value) for value in (found.low, found.high))
    return f"{show_signed(metric, found.difference)} [{low}, {high}], {show_p(found.holm)}"


def _probes(report: MMLoRAReport) -> Grid:
    metric = report.metrics[0]
    grid = _grid(("encoder", "probe", "expert's", "difference", "behind"), wrapped=(0,))
    for line in report.under_training:
        behind = left_behind(line)
        numbers = (_number(metric, found, bold=False) for found in (line.probe, line.expert))
        style = "bold" if behind else ""
        said = Text("yes", style="bold") if behind else Text("not shown", style="dim")
        name = Text(f"{line.modality}, {line.method}", style=style)
        grid.add_row(name, *numbers, Text(_paired(metric, line.difference), style=style), said)
    return grid


def _ranks(report: MMLoRAReport) -> Grid:
    """Lay the ranks out, placements below each other: test, and validation in brackets."""
    metric, lines = report.metrics[0], curves(report)
    ranks = sorted({point.rank for point in report.ranks})
    grid = _grid(("", *map(str, ranks)), wrapped=(0,), right=range(1, 1 + len(ranks)))
    for name, points in lines.items():
        of_rank = {point.rank: point for point in points}
        test, validation = [], []
        for rank in ranks:
            point = of_rank.get(rank)
            number = "–" if point is None else show(metric, point.test.value)
            chosen = point is not None and point.chosen
            test.append(Text(f"[{number}]" if chosen else f"{number} ", style="bold" if chosen else ""))
            validation.append(Text("" if point is None else f"({show(metric, point.validation.value)})", style="dim"))
        grid.add_row(Text(name), *(one + Text("\n") + other for one, other in zip(test, validation, strict=True)))
    return grid


def _grid(headings: Sequence[str], wrapped: Sequence[int] = (), right: Sequence[int] = ()) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        justify = "right" if number in right else "left"
        grid.add_column(Text(heading), no_wrap=number not in wrapped, justify=justify)  # type: ignore[arg-type]
    return grid
