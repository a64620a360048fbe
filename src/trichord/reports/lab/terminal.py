"""The table of the lab on the terminal. Quoted figures are in brackets, measured ones are not."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from trichord.reports.console import make_console
from trichord.reports.lab.figures import LAB_NOTE, METRICS, PUBLISHED_NOTE, ROUNDS, show_quoted
from trichord.reports.lab.table import TASK, LabSection, LabTable, OurRow
from trichord.reports.numbers import show_signed


def print_lab_table(table: LabTable, console: Console | None = None) -> None:
    """Print the table and what must be known to read it."""
    console = console or make_console()
    for section in table.sections:
        console.print(Group(*_section(section)))
    console.print(Text(f"\n(…) quoted, not measured here. {LAB_NOTE} {PUBLISHED_NOTE}", style="dim"))


def _section(found: LabSection) -> Iterator[RenderableType]:
    section = found.section
    yield Text(f"\n{section.dataset}", style="bold")
    yield Text(f"{TASK}, R@1/R@5/R@10; {section.benchmark}; reproduction: {section.regime}", style="dim")
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    for heading in ("", *ROUNDS.values(), "reproduction", "R@10, 95 %"):
        grid.add_column(heading, no_wrap=True)
    for order in found.orders:
        quoted = [found.lab_row(round, order) for round in ROUNDS]
        cells = ["–" if f is None else f"({'/'.join(f.written)})" for f in quoted]
        grid.add_row(Text(order), *map(Text, cells), *_measured(found.our_row(order)))
    for row in found.others:
        grid.add_row(Text(f"{row.label}, {row.regime}"), "", "", *_measured(row))
    if found.chance:
        grid.add_row("chance", "", "", "/".join(f"{found.chance[metric]:.1f}" for metric in METRICS), style="dim")
    yield grid
    if section.deviations:
        yield Text(f"Not the published protocol: {'; '.join(section.deviations)}.", style="yellow")
    if found.winner:
        yield Text(found.winner)
    if found.differences:
        caution = "; arithmetic only: not the published protocol" if section.deviations else ""
        yield Text(f"\nOurs minus the lab's R@10 (interval of ours{caution})", style="bold")
        yield Padding(Text("\n".join(_differences(found))), (0, 2))
    yield Text("\nWhat explains differences", style="bold")
    yield Padding(Text("\n".join(f"- {sentence}" for sentence in section.explanations)), (0, 2))
    said = [f"- {row.label}, {row.regime}: {row.diagnosis}" for row in (*found.ours, *found.others) if row.diagnosis]
    if said:
        yield Text("\nIs something set wrong?", style="bold")
        yield Padding(Text("\n".join(said)), (0, 2))
    if found.published:
        yield Text("\nPublished, zero-shot", style="bold")
        listed = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        for figure in found.published:
            values = "/".join(map(show_quoted, figure.recalls))
            listed.add_row(Text(f"  {figure.method}"), Text(f"({values})"), Text(figure.check, style="dim"))
        yield listed


def _measured(row: OurRow | None) -> tuple[Text, Text]:
    if row is None:
        return Text("–"), Text("")
    top = row.estimates["R@10"]
    values = "/".join(f"{row.estimates[metric].value:.1f}" for metric in METRICS)
    return Text(values, style="bold"), Text(f"{top.low:.1f}–{top.high:.1f}")


def _differences(found: LabSection) -> Iterator[str]:
    for d in found.differences:
        if d.metric == "R@10":
            low, high = show_signed(d.metric, d.low), show_signed(d.metric, d.high)
            yield f"{d.order} against the {ROUNDS[d.round]}: {show_signed(d.metric, d.value)} [{low}, {high}]"
