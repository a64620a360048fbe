"""`trichord benchmarks`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from trichord.cli.options import parse_command
from trichord.evaluation.named_protocols import PROTOCOLS
from trichord.reports.protocols_terminal import print_protocols


@dataclass(frozen=True, kw_only=True)
class Benchmarks:
    """List the named protocols that `trichord evaluate --benchmark NAME` knows.

    Args:
        json: print JSON.
    """

    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(Benchmarks, arguments, "trichord benchmarks")
    if command.json:
        print(json.dumps([protocol.to_dict() for protocol in PROTOCOLS]))
    else:
        print_protocols(PROTOCOLS)
