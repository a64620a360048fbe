"""`trichord data check`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trichord.cli.options import Positional, parse_command
from trichord.data.check import check_dataset


@dataclass(frozen=True, kw_only=True)
class DataCheck:
    """Validate a data set and print what is in it; exit 1 if it has errors.

    Args:
        data: folder of the data set.
        json: print JSON.
    """

    data: Positional[Path]
    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(DataCheck, arguments, "trichord data check")
    report = check_dataset(command.data)
    print(json.dumps(report.to_dict()) if command.json else report.to_text())
    if not report.ok:
        raise SystemExit(1)
