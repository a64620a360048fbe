"""`trichord finetune`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trichord.cli.evaluate import load_model
from trichord.cli.options import parse_with_configuration, peek
from trichord.config import difference
from trichord.data import Dataset
from trichord.dist import is_main
from trichord.recipes.fine_tune import MSRVTT, YOUCOOK2, fine_tune
from trichord.reports import build_table, load_entries, print_table
from trichord.runs import RunOptions, run_experiment

PROGRAM = "trichord finetune"


@dataclass(frozen=True, kw_only=True)
class FineTune:
    """Go on training a finished run, or a published checkpoint, on the clips of other data, and measure it there.

    Text is pulled to the sum of the other modalities, as AVLnet did: batches of 256, learning rate 1e-4; 3 epochs with
    a decay of 0.9 on data called youcook2, else 15 at a constant rate. Every field can be set (--set.PATH). Adapters
    of the run are left behind: they belong to its weights as they were.

    Args:
        model: run folder, or a file of the published MCN code (e30.pth).
        data: folder of the data set.
        out: run folder.
        seed: seed of the order of batches.
        json: print the result as JSON.
        options: choices that do not change the numbers.
    """

    model: Path
    data: Path
    out: Path
    seed: int = 0
    json: bool = False
    options: RunOptions = RunOptions()


def run(arguments: list[str]) -> None:
    """Run the command."""
    first = peek(FineTune, arguments, PROGRAM)
    dataset, model = Dataset.open(first.data), load_model(first.model)
    settings = YOUCOOK2 if dataset.spec.name == "youcook2" else MSRVTT
    recipe = fine_tune(model, dataset.spec, first.seed, settings, published=not model.config.model.normalize)
    command, config = parse_with_configuration(FineTune, recipe, arguments, PROGRAM)
    directory = run_experiment(config, dataset, command.out, recipe=recipe, options=command.options, initial=model)
    if not is_main():
        return
    if command.json:
        print(json.dumps({"run": str(directory.path), **directory.status(), "changes": difference(recipe, config)}))
    else:
        print_table(build_table(load_entries([directory.path])))
        print(f"\nrun: {directory.path}")
