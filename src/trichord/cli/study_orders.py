"""`trichord study orders`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from trichord.cli.options import parse_with_configuration, peek
from trichord.config import difference
from trichord.curricula import parse_order
from trichord.data import Dataset
from trichord.evaluation.cca_baseline import CcaGrid
from trichord.recipes import find_recipe
from trichord.reports import print_table
from trichord.runs import RunOptions
from trichord.studies import OrdersStudy, run_orders_study

PROGRAM = "trichord study orders"


@dataclass(frozen=True, kw_only=True)
class StudyOrders:
    """Train several orders over several seeds, choose epochs on validation, refit, measure once, and compare.

    Started again it skips finished runs and goes on with the others. Every field of the recipe's configuration can be
    set for all orders: give --data, and --help lists them (--set.stages.0.epochs and so on).

    Args:
        data: folder of the data set.
        out: folder of the study.
        orders: orders of learning; empty means the three two-stage orders and the joint one of the data's first three
            modalities, or the one joint order of two.
        seeds: number of seeds.
        recipe: name of a recipe, or module:function.
        workers: runs at once; None decides by model and machine.
        no_refit: report the selection runs themselves instead of fitting again on training and validation data.
        no_baseline: leave the linear baseline out.
        json: print the table as JSON.
        options: choices that do not change the numbers.
    """

    data: Path
    out: Path
    orders: tuple[str, ...] = ()
    seeds: int = 3
    recipe: str = "heads"
    workers: int | None = None
    no_refit: bool = False
    no_baseline: bool = False
    json: bool = False
    options: RunOptions = RunOptions()


def default_orders(letters: str) -> tuple[str, ...]:
    """Return AV_T, VT_A, AT_V and AVT for the letters VAT; the one order there is for two letters."""
    if len(letters) == 2:
        return (letters,)
    first, second, third = letters[0], letters[1], letters[2]
    if letters[:3] == "VAT":
        return ("AV_T", "VT_A", "AT_V", "AVT")
    return (f"{first}{second}_{third}", f"{first}{third}_{second}", f"{second}{third}_{first}", first + second + third)


def run(arguments: list[str]) -> None:
    """Run the command."""
    first = peek(StudyOrders, arguments, PROGRAM)
    dataset = Dataset.open(first.data)
    letters = "".join(modality.letter for modality in dataset.modalities)
    orders = first.orders or default_orders(letters)
    left_out = [modality.name for modality in dataset.modalities if modality.letter not in "".join(orders)]
    if left_out:
        print(f"note: no order brings in {', '.join(left_out)}; name orders that do with --orders", file=sys.stderr)
    recipe = find_recipe(first.recipe)
    longest = max(orders, key=lambda order: len(parse_order(order, dataset.modalities)))
    original = recipe(dataset.spec, longest, 0)
    command, config = parse_with_configuration(StudyOrders, original, arguments, PROGRAM)
    changes = {path: value for path, (_, value) in difference(original, config).items()}
    study = OrdersStudy(
        orders=orders,
        num_seeds=command.seeds,
        recipe=recipe,
        changes=changes,
        refit=not command.no_refit,
        baseline=None if command.no_baseline else CcaGrid(),
    )
    outcome = run_orders_study(study, dataset, command.out, workers=command.workers, options=command.options)
    if command.json:
        print(json.dumps(outcome.table.to_dict()))
    else:
        print_table(outcome.table)
        print(f"\npage: {outcome.page}")
