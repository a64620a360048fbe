"""`trichord graph train`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from trichord.cli.evaluate import load_model
from trichord.cli.options import parse_with_configuration, peek
from trichord.config import difference
from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.leakage import check_starts_unseen
from trichord.cotraining.run import run_graph
from trichord.data import Dataset
from trichord.dist import is_main
from trichord.evaluation import RetrievalResult
from trichord.graphs.reading import read_graph
from trichord.recipes.graphs import graph_experiment
from trichord.reports.results import print_results
from trichord.runs import RunDirectory, RunOptions

PROGRAM = "trichord graph train"
VERSION = 1
REPORTED = "test"


@dataclass(frozen=True, kw_only=True)
class GraphTrain:
    """Train the nodes of a knowledge transfer graph together, measure each, and leave a folder that explains itself.

    Started again with the same options it goes on where it stopped. Every field of the configuration can be set: give
    --data, --graph and --target, and --help lists them (--set.batch-size and so on).

    Args:
        data: folder of the data set.
        graph: file of a graph, *.txt or *.json, or the graph itself: "tv: target T-V; label -> tv: through".
        target: what the target is scored by, "T>V", or "I>digit" for a label of the data.
        out: folder of the trained graph. Every node that learnt is under nodes/: other graphs can start from it.
        recipe: name of a recipe, or module:function, of nodes that compare two sides.
        seed: seed of everything random.
        epochs: passes over the data; None: as many as the recipe's.
        scored: name of the node that is scored; None: the target. An ensemble of nodes like it can be.
        fit_splits: splits learnt from. The recipe's validation split is looked at meanwhile, unless it is one of them.
        report_split: split that is measured at the end; None: "test", where the data have it.
        base: run folder, or a file of the published MCN code, under nodes that are adapters.
        json: print the result as JSON.
        options: choices that do not change the numbers.
    """

    data: Path
    graph: str
    target: str
    out: Path
    recipe: str = "heads"
    seed: int = 0
    epochs: int | None = None
    scored: str | None = None
    fit_splits: tuple[str, ...] = ("train",)
    report_split: str | None = None
    base: Path | None = None
    json: bool = False
    options: RunOptions = RunOptions()


def run(arguments: list[str]) -> None:
    """Run the command."""
    first = peek(GraphTrain, arguments, PROGRAM)
    dataset = Dataset.open(first.data)
    base = None if first.base is None else load_model(first.base, dataset.spec.name)
    recipe = graph_experiment(
        dataset,
        read_graph(first.graph, dataset.modalities),
        first.target,
        first.seed,
        recipe=first.recipe,
        epochs=first.epochs,
        scored=first.scored or "",
        fit_splits=first.fit_splits,
        report_split=first.report_split or (REPORTED if REPORTED in dataset.spec.splits else None),
        base=base,
    )
    command, config = parse_with_configuration(GraphTrain, recipe, arguments, PROGRAM)
    over = first.base if first.base is not None and RunDirectory(first.base).exists else None
    for note in check_starts_unseen(config, dataset, over):
        print(note, file=sys.stderr)
    directory = run_graph(config, dataset, command.out, recipe=recipe, options=command.options, base=base)
    if not is_main():
        return
    found = _results(directory)
    if command.json:
        plain = {split: {name: r.to_dict() for name, r in results.items()} for split, results in found.items()}
        said = {"version": VERSION, "graph": str(directory.path), **directory.status(), "results": plain}
        print(json.dumps({**said, "changes": difference(recipe, config)}))
        return
    for split, results in found.items():
        print(f"on {split}\n")
        print_results({f"{name}  {result.task}": result for name, result in results.items()})
        print()
    if config.graph.nodes[config.graph.target].classifies:
        print("R@1 is the accuracy in percent: every item asks, and the classes answer.\n")
    print(f"graph: {directory.path}")


def _results(directory: GraphDirectory) -> dict[str, dict[str, RetrievalResult]]:
    """Return split -> name of every node that was measured on it -> its result, the scored node's first."""
    config = directory.record().config
    splits = [split for split in (config.selection.split, config.report_split) if split is not None]
    names = [config.scored_node, *(name for name in config.graph.nodes if name != config.scored_node)]
    return {
        split: {name: directory.result(split, name) for name in names if directory.results_folder(split, name).exists()}
        for split in splits
    }
