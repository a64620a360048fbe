"""The list of named protocols on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from trichord.evaluation.named import NamedProtocol
from trichord.reports.console import make_console


def print_protocols(protocols: Sequence[NamedProtocol], console: Console | None = None) -> None:
    """Print for every protocol its name and data set, what is counted and what is a miss, and its fingerprint."""
    console = console or make_console()
    for protocol in protocols:
        console.print(Text(protocol.name, style="bold"))
        grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        for heading, said in _rows(protocol):
            grid.add_row(Text(heading, style="dim"), Text(said))
        console.print(Padding(grid, (0, 0, 1, 2)))


def _rows(protocol: NamedProtocol) -> list[tuple[str, str]]:
    return [
        ("what", protocol.description),
        ("data set", protocol.dataset),
        ("tasks", ", ".join(protocol.tasks)),
        ("counted", protocol.counted),
        ("a miss", protocol.misses),
        ("training", protocol.training),
        ("fingerprint", protocol.fingerprint()),
    ]
