"""`trichord evaluate`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from trichord.cli.options import Positional, parse_command
from trichord.data import Dataset
from trichord.evaluation import evaluate
from trichord.evaluation.benchmark import evaluate_benchmark, find_benchmark
from trichord.modality import parse_task
from trichord.recipes.published import load_published
from trichord.reports import print_results
from trichord.runs import Model, load

CHECKPOINT = ".pth"


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure a finished run, or a published checkpoint, on any split of any data set with its modalities.

    Args:
        run: run folder, or a file of the published MCN code (e30.pth).
        data: folder of the data set.
        split: split to measure on.
        benchmark: measure under a named protocol instead, such as youcook2-3350 or msrvtt-1k-jsfusion.
        tasks: spelled tasks; empty means those of the run.
        captions: which captions of an item take part; None means as in the run.
        out: folder to write the results to; None only prints them.
        json: print JSON.
    """

    run: Positional[Path]
    data: Path
    split: str = "test"
    benchmark: str | None = None
    tasks: tuple[str, ...] = ()
    captions: Literal["first", "all"] | None = None
    out: Path | None = None
    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(Evaluate, arguments, "trichord evaluate")
    model, dataset = load_model(command.run), Dataset.open(command.data)
    config = model.config
    scoring = config.evaluation.scoring
    if command.captions is not None:
        scoring = replace(scoring, captions=command.captions)
    tasks = [parse_task(spelling, config.modalities) for spelling in command.tasks or config.tasks]
    size = config.evaluation.batch_size
    if command.benchmark is None:
        results = evaluate(model.encoder, dataset, command.split, tasks, scoring, batch_size=size)
    else:
        benchmark = find_benchmark(command.benchmark)
        results = evaluate_benchmark(
            model.encoder, dataset, benchmark, scoring, tasks=command.tasks or None, batch_size=size
        )
    if command.out is not None:
        for result in results.values():
            result.save(command.out)
    if command.json:
        print(json.dumps({task: result.to_dict() for task, result in results.items()}))
    else:
        print_results(results)


def load_model(path: Path) -> Model:
    """Load a run folder, or a checkpoint of the published code."""
    return load_published(path) if path.suffix == CHECKPOINT else load(path)
