"""What the commands that import published files have in common: what was left out is listed, then the data checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from trichord.cli.options import parse_command
from trichord.data.check import check_dataset
from trichord.data.packing import PackReport

C = TypeVar("C")
LISTED = 20


def run_import(command: type[C], imported: Callable[[C], PackReport], arguments: list[str], program: str) -> None:
    """Import, list what was left out, and check what was made; exit 1 if the check finds errors."""
    report = imported(parse_command(command, arguments, program))
    for entry in report.quarantined[:LISTED]:
        print(f"left out: {entry.to_text()}")
    if report.quarantined:
        more = len(report.quarantined) - LISTED
        listed = f", {more} more of them" if more > 0 else ""
        print(f"{len(report.quarantined)} left out{listed}; all: {report.dataset.path / 'quarantine.json'}\n")
    checked = check_dataset(report.dataset.path)
    print(checked.to_text())
    if not checked.ok:
        raise SystemExit(1)
