"""`trichord report modalities`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trichord.cli.options import Positional, parse_command
from trichord.data import Dataset
from trichord.reports.modalities import SplitNames, ask, measure_modalities, print_modalities, write_modalities
from trichord.reports.modalities.report import VERSION


@dataclass(frozen=True, kw_only=True)
class ReportModalities:
    """Say whether audio (any further modality) helps: alone, summed, by weighted scores, by fused ranks.

    Weights are fitted on the validation split, where 0, which leaves the modality out, is a candidate. Runs that differ
    in nothing but their seed become one model. With --out the queries won and lost are listed with their captions.

    Args:
        runs: run folders, or folders of runs.
        data: folder of the data set.
        task: task with several modalities on one side, T>VA; None: every such task of the data.
        adapters: folders of adapters of these runs; every model is then reported as its base and with them.
        split: split to measure on.
        validation: split to fit the weights on.
        out: write modalities.json and modalities.html into this folder.
        json: print JSON.
    """

    runs: Positional[tuple[Path, ...]]
    data: Path
    task: str | None = None
    adapters: tuple[Path, ...] = ()
    split: str = "test"
    validation: str = "val"
    out: Path | None = None
    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(ReportModalities, arguments, "trichord report modalities")
    dataset = Dataset.open(command.data)
    reports = measure_modalities(
        command.runs,
        dataset,
        ask(dataset, command.task),
        adapters=command.adapters,
        splits=SplitNames(command.validation, command.split),
    )
    page = None if command.out is None else write_modalities(command.out, reports)
    if command.json:
        print(json.dumps({"version": VERSION, "reports": [report.to_dict() for report in reports]}))
        return
    print_modalities(reports)
    if page is not None:
        print(f"\npage: {page}")
