"""`trichord study pairs`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from trichord.adapters.settings import LowRankConfig
from trichord.cli.options import parse_with_configuration, peek
from trichord.cli.study_orders import default_orders
from trichord.config import difference
from trichord.curricula import parse_order
from trichord.data import Dataset
from trichord.data.planted_routes import planted_routes
from trichord.evaluation.choice import Rule
from trichord.modality import Modality, Pair, all_pairs, all_tasks, parse_pair
from trichord.recipes import find_recipe, planted
from trichord.recipes.adapt import SMALL, Adaptation
from trichord.reports.pairs.terminal import print_pairs
from trichord.runs import RunOptions
from trichord.runs.routes_file import read_routes
from trichord.studies.pairs import PairsOutcome, PairsStudy, run_pairs_study
from trichord.studies.planted_routes import RouteVerdict, judge_routes, planted_config

PROGRAM = "trichord study pairs"
FEW_TO_CHOOSE = 500


@dataclass(frozen=True, kw_only=True)
class StudyPairs:
    """Train a base, staged orders, an adapter and a specialist per pair; choose every task's route; report.

    Writes table.json, routes.json and report.html. Started again it skips finished runs and goes on with the others.
    Every field of the recipe's configuration can be set for base and orders: give --data, and --help lists them.

    Args:
        data: folder of the data set.
        out: folder of the study.
        seeds: number of seeds.
        base: order of the base; None learns all modalities jointly.
        orders: orders the routed model is compared with; empty means the three two-stage orders, less the base.
        pairs: letters of the pairs that get an adapter, VT or T-VA; empty means every two modalities of the base, and
            text against all others together.
        recipe: name of a recipe, or module:function.
        low_rank: matrices of the adapters.
        learning_rate: of adapters and specialists; None: that of the base's last stage.
        epochs: of adapters and specialists; None: as many as the base's last stage.
        rule: how a route is taken on validation: the best, or the simplest within one standard error of it.
        folds: parts of a cross-validation over training and validation data that chooses routes in place of the
            validation split; None: 5 where that split holds fewer than 500 items, else none.
        no_refit: report the selection runs themselves instead of fitting again on training and validation data.
        no_together: leave adapters that are learnt together with the base out.
        no_specialists: leave the whole fine-tuning of every pair out.
        workers: runs at once; None decides by model and machine.
        json: print the report as JSON.
        options: choices that do not change the numbers.
    """

    data: Path
    out: Path
    seeds: int = 3
    base: str | None = None
    orders: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    recipe: str = "heads"
    low_rank: LowRankConfig = SMALL
    learning_rate: float | None = None
    epochs: int | None = None
    rule: Rule = "one standard error"
    folds: int | None = None
    no_refit: bool = False
    no_together: bool = False
    no_specialists: bool = False
    workers: int | None = None
    json: bool = False
    options: RunOptions = RunOptions()


def _folds(command: StudyPairs, dataset: Dataset, validation: str | None) -> int:
    """Return how many folds choose routes: what a small split likes best is luck."""
    if command.folds is not None:
        return command.folds
    size = dataset.spec.splits.get(validation or "", 0)
    return 5 if 0 < size < FEW_TO_CHOOSE and not command.no_refit else 0


def default_pairs(known: tuple[Modality, ...]) -> tuple[Pair, ...]:
    """Return every two modalities, and from three on the sides of the tasks of several."""
    several = [Pair(task.query, task.gallery) for task in all_tasks(known) if len(task.gallery) > 1]
    return (*all_pairs([modality.name for modality in known]), *several)


def run(arguments: list[str]) -> None:
    """Run the command."""
    first = peek(StudyPairs, arguments, PROGRAM)
    dataset = Dataset.open(first.data)
    known = dataset.modalities
    letters = "".join(modality.letter for modality in known)
    base = first.base or letters
    orders = first.orders or tuple(order for order in default_orders(letters) if "_" in order and order != base)
    learnt = {name for stage in parse_order(base, known) for name in stage.modalities}
    own = tuple(modality for modality in known if modality.name in learnt)
    recipe = find_recipe(first.recipe)
    longest = max((base, *orders), key=lambda order: len(parse_order(order, known)))
    original = recipe(dataset.spec, longest, 0)
    command, config = parse_with_configuration(StudyPairs, original, arguments, PROGRAM)
    study = PairsStudy(
        base=base,
        orders=orders,
        pairs=tuple(parse_pair(pair, known) for pair in command.pairs) or default_pairs(own),
        num_seeds=command.seeds,
        recipe=recipe,
        changes={path: value for path, (_, value) in difference(original, config).items()},
        adaptation=Adaptation(low_rank=command.low_rank, learning_rate=command.learning_rate, epochs=command.epochs),
        rule=command.rule,
        refit=not command.no_refit,
        folds=_folds(command, dataset, config.selection.split),
        with_together=not command.no_together,
        with_specialists=not command.no_specialists,
    )
    outcome = run_pairs_study(study, dataset, command.out, workers=command.workers, options=command.options)
    verdicts = _verdicts(study, dataset, outcome)
    if command.json:
        told = [{**asdict(verdict), "holds": verdict.holds} for verdict in verdicts]
        print(json.dumps(outcome.report.to_dict() | ({"planted": told} if told else {})))
    else:
        print_pairs(outcome.report)
        if verdicts:
            print("\nRoutes that were planted, and what was chosen:")
            print("\n".join(f"  {verdict.sentence}" for verdict in verdicts))
        print(f"\npage: {outcome.page}\nroutes: {outcome.routes}")


def _verdicts(study: PairsStudy, dataset: Dataset, outcome: PairsOutcome) -> tuple[RouteVerdict, ...]:
    """Hold the routes against the planted ones: on a planted corpus, in the space for which these are claimed."""
    planting = planted_config(dataset)
    if planting is None or study.recipe is not planted or len(parse_order(study.base, dataset.modalities)) > 1:
        return ()
    claims = planted_routes(planting, study.pairs, study.adaptation.low_rank.rank)
    return judge_routes(read_routes(outcome.routes), claims, dataset.modalities)
