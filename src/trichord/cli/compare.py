"""`trichord compare`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trichord.cli.options import Positional, parse_command
from trichord.reports import (
    build_table,
    load_entries,
    print_table,
    render_csv,
    render_json,
    render_markdown,
    write_page,
    write_table,
)


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Print the table of several runs: orders by tasks, intervals, paired differences, settings, verdicts.

    Runs that differ in nothing but their seed become one row. Results measured under unlike protocols are refused.

    Args:
        runs: run folders, and folders of baselines.
        tasks: spelled tasks; empty means all.
        format: how the table is printed.
        out: also write table.json, table.csv, table.md and report.html into this folder.
        title: title of the page.
    """

    runs: Positional[tuple[Path, ...]]
    tasks: tuple[str, ...] = ()
    format: Literal["terminal", "markdown", "csv", "json"] = "terminal"
    out: Path | None = None
    title: str = "Comparison of runs"


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(Compare, arguments, "trichord compare")
    entries = load_entries(command.runs)
    table = build_table(entries, command.tasks or None)
    if command.out is not None:
        command.out.mkdir(parents=True, exist_ok=True)
        write_table(command.out, table)
        write_page(command.out / "report.html", table, entries, command.title)
    if command.format == "terminal":
        print_table(table)
    else:
        print({"markdown": render_markdown, "csv": render_csv, "json": render_json}[command.format](table), end="")
