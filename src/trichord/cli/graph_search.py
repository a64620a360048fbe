"""`trichord graph search`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trichord.adapters.settings import LowRankConfig
from trichord.cli.options import parse_command
from trichord.data import Dataset
from trichord.graphs.graph import NodeConfig
from trichord.graphs.node_text import read_node
from trichord.modality import Modality
from trichord.recipes.adapt import SMALL, Adaptation
from trichord.recipes.node_kinds import is_class_task
from trichord.reports.graphs.terminal import print_graph_study
from trichord.runs import RunOptions, SelectionConfig
from trichord.studies.graphs import GraphStudy, run_graph_study
from trichord.studies.graphs.default_space import default_space

PROGRAM = "trichord graph search"
SELDOM = 5


@dataclass(frozen=True, kw_only=True)
class GraphSearch:
    """Search the transfer graph that helps a target most; rank the best with fresh seeds; compare once on the test.

    Writes study.json, report.html, graph.txt, graph.svg, graph.png and history.svg. Killed at any point and started
    again it goes on; several may work on one storage. study.journal opens in optuna-dashboard.

    Args:
        data: folder of the data set.
        target: task of the target node, "T>V", or "I>digit" for a label. Put it between quotes.
        out: folder of the study.
        trials: graphs that shall be trained.
        nodes: networks of every graph, the target among them.
        kinds: what the other nodes may be, spelled as in the text of a graph: "V-A", "T-V of VAT", "T-A adapter"; empty
            means all that the recipe offers.
        gates: gates of edges; empty means the published through, cutoff, linear and correct. There are also
            negative-linear and correct@5.
        label_gates: gates of label edges; empty means through, cutoff and linear.
        payloads: what edges pass; empty means similarity, or logits for a label.
        temperatures: tried in place of the payloads' own.
        push: edges may also push the target away from the source.
        ensemble: the mean of all nodes may teach each of them.
        recipe: name of a recipe.
        base: run folder of the base of adapters.
        low_rank: matrices of adapters.
        learning_rate: of adapters; None: that of the base's last stage.
        epochs: passes over the data; None: as many as the recipe's.
        evaluate_every: epochs between two validations; None: 1 where they decide who is stopped early, else 5.
        sampler: random, as published, or tpe.
        pruner: none trains every graph to its end; halving, as published, stops the worse half after 1, 2, 4, ...
            validations, which is faster and hard on gates that open slowly.
        storage: URL of a database for several machines, sqlite:///FILE, postgresql://, mysql:// or redis://; None: a
            journal file in the folder of the study.
        name: of the study in a storage of several; None: data set and task.
        workers: trainings at once; None: one per core, one on a GPU.
        best: distinct graphs that are trained again with fresh seeds.
        ranking_seeds: seeds of each of them.
        seeds: seeds of the final comparison.
        seed: of the search.
        metric: what is decided by; None: MRR, or R@1 (accuracy) for a label.
        fit_split, selection_split, report_split: split that is learnt from, chosen by, and measured at the end.
        no_refit: leave the selection split out of the training of the final comparison.
        json: print the report as JSON.
        options: choices that do not change the numbers.
    """

    data: Path
    target: str
    out: Path
    trials: int = 30
    nodes: int = 3
    kinds: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    label_gates: tuple[str, ...] = ()
    payloads: tuple[str, ...] = ()
    temperatures: tuple[float, ...] = ()
    push: bool = False
    ensemble: bool = False
    recipe: str = "heads"
    base: Path | None = None
    low_rank: LowRankConfig = SMALL
    learning_rate: float | None = None
    epochs: int | None = None
    evaluate_every: int | None = None
    sampler: Literal["random", "tpe"] = "random"
    pruner: Literal["none", "halving"] = "none"
    storage: str | None = None
    name: str | None = None
    workers: int | None = None
    best: int = 5
    ranking_seeds: int = 3
    seeds: int = 5
    seed: int = 0
    metric: Literal["MRR", "R@1", "R@5", "R@10"] | None = None
    fit_split: str = "train"
    selection_split: str = "val"
    report_split: str = "test"
    no_refit: bool = False
    json: bool = False
    options: RunOptions = RunOptions()


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(GraphSearch, arguments, PROGRAM)
    dataset = Dataset.open(command.data)
    every = command.evaluate_every
    study = GraphStudy(
        task=command.target,
        space=default_space(
            dataset.spec,
            command.target,
            command.recipe,
            num_nodes=command.nodes,
            kinds=_kinds(command.kinds, tuple(dataset.modalities)),
            gates=command.gates,
            label_gates=command.label_gates,
            payload_words=command.payloads,
            temperatures=command.temperatures,
            effects=("pull", "push") if command.push else ("pull",),
            ensemble=command.ensemble,
        ),
        num_trials=command.trials,
        sampler=command.sampler,
        pruner=command.pruner,
        storage=command.storage,
        name=command.name,
        seed=command.seed,
        recipe=command.recipe,
        epochs=command.epochs,
        evaluate_every=(1 if command.pruner == "halving" else SELDOM) if every is None else every,
        base=command.base,
        adaptation=Adaptation(low_rank=command.low_rank, learning_rate=command.learning_rate),
        fit_splits=(command.fit_split,),
        selection=SelectionConfig(
            split=command.selection_split,
            metric=command.metric or ("R@1" if is_class_task(command.target) else "MRR"),
        ),
        report_split=command.report_split,
        num_best=command.best,
        ranking_seeds=command.ranking_seeds,
        num_seeds=command.seeds,
        refit=not command.no_refit,
    )
    outcome = run_graph_study(study, dataset, command.out, workers=command.workers, options=command.options)
    if command.json:
        print(json.dumps(outcome.report.to_dict()))
    else:
        print_graph_study(outcome.report, graph=outcome.graph)
        print(f"\npage: {outcome.page}\nbest graph: {outcome.graph}")


def _kinds(spelled: tuple[str, ...], known: tuple[Modality, ...]) -> tuple[NodeConfig, ...]:
    return tuple(read_node(["peer", *kind.split()], known) for kind in spelled)
