"""`trichord evaluate`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from trichord.cli.options import Positional, parse_command
from trichord.data import Dataset
from trichord.evaluation import evaluate
from trichord.modality import parse_task
from trichord.reports import print_results
from trichord.runs import load


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure a finished run on any split of any data set with its modalities.

    Args:
        run: run folder.
        data: folder of the data set.
        split: split to measure on.
        tasks: spelled tasks; empty means those of the run.
        captions: which captions of an item take part; None means as in the run.
        out: folder to write the results to; None only prints them.
        json: print JSON.
    """

    run: Positional[Path]
    data: Path
    split: str = "test"
    tasks: tuple[str, ...] = ()
    captions: Literal["first", "all"] | None = None
    out: Path | None = None
    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(Evaluate, arguments, "trichord evaluate")
    model, dataset = load(command.run), Dataset.open(command.data)
    config = model.config
    scoring = config.evaluation.scoring
    if command.captions is not None:
        scoring = replace(scoring, captions=command.captions)
    tasks = [parse_task(spelling, config.modalities) for spelling in command.tasks or config.tasks]
    results = evaluate(model.encoder, dataset, command.split, tasks, scoring, batch_size=config.evaluation.batch_size)
    if command.out is not None:
        for result in results.values():
            result.save(command.out)
    if command.json:
        print(json.dumps({task: result.to_dict() for task, result in results.items()}))
    else:
        print_results(results)
