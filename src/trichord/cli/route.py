"""`trichord route`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trichord.cli.options import Positional, parse_command
from trichord.data import Dataset
from trichord.evaluation.choice import Rule
from trichord.reports.pairs.terminal import print_pairs
from trichord.studies.route_run import route_run

PROGRAM = "trichord route"


@dataclass(frozen=True, kw_only=True)
class Route:
    """Choose, on validation, which adapter, mixture or fusion answers every task best, and report it on test.

    Writes routes.json, which `Model.load_routes` and `trichord encode --routes` read, table.json and report.html. The
    base by its own best way without adapters stands beside the routed model, so that the two effects are told apart.

    Args:
        base: run folder; adapters that it learnt together with the base are taken too.
        data: folder of the data set.
        out: folder to write to.
        adapters: folders of adapters over this base.
        rivals: run folders that the routed model is compared with: orders, fine-tuned specialists.
        validation: split that everything is chosen on; it must not have been learnt from.
        split: split that is reported.
        tasks: spelled tasks; empty: every any-to-any task of the run.
        rule: how a route is taken: the best on validation, or the simplest within one standard error of it.
        json: print the report as JSON.
    """

    base: Positional[Path]
    data: Path
    out: Path
    adapters: tuple[Path, ...] = ()
    rivals: tuple[Path, ...] = ()
    validation: str = "val"
    split: str = "test"
    tasks: tuple[str, ...] = ()
    rule: Rule = "one standard error"
    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(Route, arguments, PROGRAM)
    report = route_run(
        command.base,
        Dataset.open(command.data),
        command.out,
        adapters=command.adapters,
        rivals=command.rivals,
        validation=command.validation,
        split=command.split,
        tasks=command.tasks,
        rule=command.rule,
    )
    if command.json:
        print(json.dumps(report.to_dict()))
    else:
        print_pairs(report)
        print(f"\npage: {command.out / 'report.html'}\nroutes: {command.out / 'routes.json'}")
