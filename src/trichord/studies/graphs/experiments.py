"""From a graph of a study to a planned training: which splits, which seed, which folder."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.experiment import GraphExperimentConfig
from trichord.cotraining.leakage import check_starts_unseen
from trichord.cotraining.run import run_graph
from trichord.cotraining.suitability import check_graph_data
from trichord.data import Dataset
from trichord.graphs.graph import GraphConfig, NodeConfig
from trichord.recipes.graphs import graph_experiment
from trichord.runs import Model, RunOptions, identify, load
from trichord.studies.graphs.journal import is_held
from trichord.studies.graphs.space import TARGET, THROUGH
from trichord.studies.graphs.study import GraphStudy
from trichord.studies.machine import carry_out_all

PATIENCE = 5.0


@dataclass(frozen=True)
class PlannedGraph:
    """The training of a graph; see `trichord.studies.machine.Planned`.

    Args:
        folder: where.
        config: the experiment.
        base: run folder of the base of adapters.
        data: data of its own; none has any.
    """

    folder: Path
    config: GraphExperimentConfig
    base: Path | None = None
    data: Dataset | None = None

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""
        return GraphDirectory(self.folder).finished

    def without_data(self) -> PlannedGraph:
        """Return it without its open data set, to be sent to another process."""
        return replace(self, data=None)

    def check(self, dataset: Dataset) -> None:
        """Raise `RunError` when the folder holds another graph, or one that was begun on other data."""
        directory = GraphDirectory(self.folder)
        if directory.exists:
            directory.check_same(self.config, identify(dataset))

    def carry_out(self, dataset: Dataset, options: RunOptions) -> None:
        """Train and measure, see `run_graph`.

        The workers of a study that was killed end within half a second; until then they hold their folders.
        """
        patience = time.monotonic() + PATIENCE
        while is_held(self.folder / ".lock") and time.monotonic() < patience:
            time.sleep(0.1)
        base = None if self.base is None else load(self.base)
        run_graph(self.config, dataset, self.folder, options=options, base=base)


@dataclass(frozen=True)
class Planner:
    """Makes the experiments of a study.

    Args:
        study: the study.
        dataset: its data.
        base: the model under adapters, of the folder that the study names.
    """

    study: GraphStudy
    dataset: Dataset
    base: Model | None

    def config(
        self, graph: GraphConfig, seed: int, *, task: str | None = None, scored: str = "", final: bool = False
    ) -> GraphExperimentConfig:
        """Return the experiment of a graph.

        Args:
            graph: the graph.
            seed: its seed.
            task: what its target is scored by; None: the task of the study.
            scored: name of the node that is scored; "" is the target.
            final: for the final comparison, measured on the reported split; else for selection, which never sees it.
        """
        study = self.study
        refitted = final and study.refit
        return graph_experiment(
            self.dataset,
            graph,
            study.task if task is None else task,
            seed,
            recipe=study.recipe,
            epochs=study.epochs,
            scored=scored,
            fit_splits=(*study.fit_splits, study.selection_split) if refitted else study.fit_splits,
            selection=replace(study.selection, split=None) if refitted else study.selection,
            report_split=study.report_split if final else None,
            evaluate_every=study.evaluate_every,
            base=self.base,
            adaptation=study.adaptation,
        )

    def alone(self, kind: str, seed: int, *, final: bool = False) -> GraphExperimentConfig:
        """Return the experiment of a kind of node by itself, scored by the task of the study where it answers it."""
        node = replace(self.study.space.trained_alone[kind], role="target")
        return self.config(alone(node), seed, task=own_task(node, self.study, self.dataset), final=final)

    def check(self) -> None:
        """Raise an error when the data cannot serve the study, or the base saw what decides; before any training."""
        for kind in self.study.space.trained_alone:
            for final in (False, True):
                config = self.alone(kind, self.study.seed, final=final)
                check_graph_data(config, self.dataset)
                check_starts_unseen(config, self.dataset, self.study.base)

    def plan(self, folder: Path, config: GraphExperimentConfig) -> PlannedGraph:
        """Return the planned training of an experiment."""
        return PlannedGraph(folder, config, self.study.base)


def alone(node: NodeConfig) -> GraphConfig:
    """Return the graph of one node that learns from its labels."""
    return GraphConfig(nodes={TARGET: replace(node, role="target")}, labels={TARGET: THROUGH})


def answers(node: NodeConfig, study: GraphStudy) -> bool:
    """Whether a kind of node answers the task of the study: it classifies, or compares the target's two sides."""
    own = study.space.own
    return node.classifies or {node.left, node.right} == {own.left, own.right}


def own_task(node: NodeConfig, study: GraphStudy, dataset: Dataset) -> str:
    """Spell the task that a kind of node is scored by when it is alone."""
    if answers(node, study):
        return study.task
    letters = {modality.name: modality.letter for modality in dataset.modalities}
    return ">".join("".join(letters[name] for name in side) for side in (node.left, node.right))


def train_all(
    planned: Mapping[str, Sequence[PlannedGraph]],
    dataset: Dataset,
    *,
    workers: int,
    options: RunOptions,
    description: str,
) -> dict[str, list[GraphDirectory]]:
    """Train what is planned under labels, several at a time; return label -> the folders, in order."""
    flat = [plan for of_label in planned.values() for plan in of_label]
    carry_out_all(flat, dataset, workers=workers, options=options, description=description)
    return {label: [GraphDirectory(plan.folder) for plan in of_label] for label, of_label in planned.items()}
