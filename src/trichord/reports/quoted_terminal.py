"""Published rows below a measured table: in brackets, with how far each can be trusted and where it was read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table as Grid
from rich.text import Text

from trichord.reports.lab.figures import CHECKS
from trichord.reports.lab.other_figures import OtherFigure


def quoted_rows(figures: Sequence[OtherFigure], note: str) -> Iterator[RenderableType]:
    """Yield a heading, a row per figure, and what must be known to read them."""
    yield Text("\nPublished, quoted and not measured here", style="bold")
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for figure in figures:
        values = "/".join(f"{value:.1f}" for value in figure.values)
        grid.add_row(Text(f"  {figure.method}"), Text(f"({values})"), Text(figure.check, style="dim"))
    yield grid
    checks = "; ".join(f"{check}: {CHECKS[check]}" for check in dict.fromkeys(figure.check for figure in figures))
    sources = "; ".join(dict.fromkeys(figure.source for figure in figures))
    yield Text(f"{note} {checks[:1].upper()}{checks[1:]}. Source: {sources}.", style="dim")
