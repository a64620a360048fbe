"""`trichord diagnose`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trichord.cli.options import Positional, parse_command
from trichord.data import Dataset
from trichord.diagnosis import diagnose


@dataclass(frozen=True, kw_only=True)
class Diagnose:
    """Say in one sentence what to check first when a run scores badly, with the evidence below it.

    Looked at: scores beside chance, the weights beside their initialisation, features and caption words of the data
    learnt from beside those measured, the learning rate, the epochs. The run may be unfinished or failed.

    Args:
        run: run folder.
        data: folder of the data set the run learnt from.
        evaluated_on: measure the run now on other data, and compare their features and words with those learnt from.
        split: measure the run now on this split; None: the split the run reports, as it was measured then.
        against: folder of a run of the same recipe to compare with.
        json: print JSON.
    """

    run: Positional[Path]
    data: Path
    evaluated_on: Path | None = None
    split: str | None = None
    against: Path | None = None
    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(Diagnose, arguments, "trichord diagnose")
    found = diagnose(
        command.run,
        Dataset.open(command.data),
        evaluated_on=None if command.evaluated_on is None else Dataset.open(command.evaluated_on),
        split=command.split,
        against=command.against,
    )
    print(json.dumps(found.to_dict(), ensure_ascii=False) if command.json else found.to_text())
