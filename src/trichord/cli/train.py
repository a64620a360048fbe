"""`trichord train`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from trichord.cli.options import parse_with_configuration, peek
from trichord.config import difference
from trichord.data import Dataset
from trichord.dist import is_main
from trichord.modality import parse_pair
from trichord.recipes import find_recipe
from trichord.recipes.adapt import SMALL, together
from trichord.reports import build_table, load_entries, print_table
from trichord.runs import RunOptions, run_experiment

PROGRAM = "trichord train"


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train one order of one recipe, measure it, and leave a run folder that explains itself.

    Started again with the same options it goes on where it stopped. Every field of the recipe's configuration can be
    set: give --data, and --help lists them (--set.stages.0.epochs and so on).

    Args:
        data: folder of the data set.
        out: run folder.
        recipe: name of a recipe, or module:function.
        order: order of learning: AV_T, VT_A, AT_V, AVT (joint), AV_T+ (everything learns in stage two); None learns
            all modalities of the data jointly.
        adapters: pairs such as VT AT VA that each get an adapter, learnt together with the base in the last stage; the
            folder then holds them under adapters/.
        seed: seed of everything random.
        json: print the result as JSON.
        options: choices that do not change the numbers.
    """

    data: Path
    out: Path
    recipe: str = "heads"
    order: str | None = None
    adapters: tuple[str, ...] = ()
    seed: int = 0
    json: bool = False
    options: RunOptions = RunOptions()


def run(arguments: list[str]) -> None:
    """Run the command."""
    first = peek(Train, arguments, PROGRAM)
    dataset = Dataset.open(first.data)
    order = first.order or "".join(modality.letter for modality in dataset.modalities)
    recipe = find_recipe(first.recipe)(dataset.spec, order, first.seed)
    if first.adapters:
        recipe = together(recipe, [parse_pair(pair, recipe.modalities) for pair in first.adapters], SMALL)
    command, config = parse_with_configuration(Train, recipe, arguments, PROGRAM)
    directory = run_experiment(config, dataset, command.out, recipe=recipe, options=command.options)
    if not is_main():
        return
    if command.json:
        print(json.dumps({"run": str(directory.path), **directory.status(), "changes": difference(recipe, config)}))
    else:
        print_table(build_table(load_entries([directory.path])))
        print(f"\nrun: {directory.path}")
