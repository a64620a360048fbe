"""`trichord generate planted`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from trichord.cli.options import parse_command
from trichord.data.check import check_dataset
from trichord.data.planted import write_planted
from trichord.data.planted_corpora import CORPORA

Planting = Literal["winners", "crowded", "silent", "two-sided", "bridged"]


@dataclass(frozen=True, kw_only=True)
class GeneratePlanted:
    """Write a planted corpus as a data set: features without any clips behind them, whose relations are known.

    "winners": every task has an order that must win it, as in the demo. "crowded", "silent" and "two-sided": every task
    has a route that must win it. "bridged": text and video hardly ever meet in training, but both meet audio.

    Args:
        out: folder of the data set to make.
        planting: which corpus.
        seed: seed of everything drawn.
        overwrite: replace a data set that is already there.
    """

    out: Path
    planting: Planting
    seed: int = 0
    overwrite: bool = False


def run(arguments: list[str]) -> None:
    """Run the command: write, then check what was written; exit 1 if the check finds errors."""
    command = parse_command(GeneratePlanted, arguments, "trichord generate planted")
    config = replace(CORPORA[command.planting], seed=command.seed)
    checked = check_dataset(write_planted(command.out, config, overwrite=command.overwrite).path)
    print(checked.to_text())
    if not checked.ok:
        raise SystemExit(1)
