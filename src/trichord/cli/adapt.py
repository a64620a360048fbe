"""`trichord adapt`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trichord.adapters.identity import load_identity
from trichord.adapters.settings import LowRankConfig
from trichord.cli.evaluate import load_model
from trichord.cli.options import Positional, parse_with_configuration, peek
from trichord.config import difference
from trichord.data import Dataset
from trichord.dist import is_main
from trichord.modality import parse_pair, unspell
from trichord.objectives import (
    InfoNCEConfig,
    MaskedMarginSoftmaxConfig,
    PairObjectiveConfig,
    SigmoidContrastConfig,
)
from trichord.recipes.adapt import SMALL, Adaptation, adapt
from trichord.reports import build_table, load_entries, print_table
from trichord.runs import RunOptions, run_experiment

PROGRAM = "trichord adapt"


@dataclass(frozen=True, kw_only=True)
class Adapt:
    """Learn an adapter of one pair of modalities over a finished run, whose weights stay as they are.

    The result is a PEFT folder that belongs to this base alone. The data need hold the pair's modalities only. Started
    again with the same options it goes on where it stopped. Every field can be set (--set.PATH). Adapters that the run
    holds already are left alone.

    Args:
        base: run folder, or a file of the published MCN code (e30.pth).
        pair: letters of the two sides: VT, or T-VA for text and the sum of video and audio.
        data: folder of the data set.
        out: folder of the adapter.
        sides: letters of the modalities whose encoders it changes; None: all of the pair. An adapter of the query's
            side alone leaves vectors of the other side that are stored somewhere valid.
        low_rank: its matrices.
        objective: what pulls the pair together; "as the base": what the base's last stage used.
        learning_rate: peak rate; None: that of the base's last stage.
        epochs: passes over the data; None: as many as the base's last stage.
        seed: seed of its start and of the order of batches.
        json: print the result as JSON.
        options: choices that do not change the numbers.
    """

    base: Positional[Path]
    pair: str
    data: Path
    out: Path
    sides: str | None = None
    low_rank: LowRankConfig = SMALL
    objective: Literal["as the base", "infonce", "masked margin softmax", "sigmoid"] = "as the base"
    learning_rate: float | None = None
    epochs: int | None = None
    seed: int = 0
    json: bool = False
    options: RunOptions = RunOptions()


def run(arguments: list[str]) -> None:
    """Run the command."""
    first = peek(Adapt, arguments, PROGRAM)
    dataset = Dataset.open(first.data)
    model = load_model(first.base, dataset.spec.name)
    settings = Adaptation(
        low_rank=first.low_rank,
        objective=_objective(first.objective),
        sides=() if first.sides is None else unspell(first.sides, dataset.modalities),
        learning_rate=first.learning_rate,
        epochs=first.epochs,
    )
    recipe = adapt(model, dataset.spec, parse_pair(first.pair, dataset.modalities), first.seed, settings)
    command, config = parse_with_configuration(Adapt, recipe, arguments, PROGRAM)
    directory = run_experiment(config, dataset, command.out, recipe=recipe, options=command.options, initial=model)
    if not is_main():
        return
    identity = load_identity(directory.path)
    if command.json:
        changes = difference(recipe, config)
        said = {"adapter": str(directory.path), "identity": identity.to_dict(), **directory.status()}
        print(json.dumps({**said, "changes": changes}))
    else:
        print_table(build_table(load_entries([directory.path])))
        print(f"\nadapter: {directory.path}; it {identity.describe_sides()}")


def _objective(name: str) -> PairObjectiveConfig | None:
    known: dict[str, PairObjectiveConfig] = {
        "infonce": InfoNCEConfig(),
        "masked margin softmax": MaskedMarginSoftmaxConfig(),
        "sigmoid": SigmoidContrastConfig(),
    }
    return known.get(name)
