"""The console that tables are printed on."""

from __future__ import annotations

from rich.console import Console

PIPED_WIDTH = 100


def make_console() -> Console:
    """Return a console as wide as the terminal, or 100 columns where the output goes into a file or another program."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPED_WIDTH)
