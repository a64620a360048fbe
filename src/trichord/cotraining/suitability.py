"""Whether data can serve a graph: everything that would stop it later is found before any work is done."""

from __future__ import annotations

import numpy as np

from trichord.cotraining.experiment import ClassifierConfig, GraphExperimentConfig
from trichord.data import Dataset
from trichord.data.classes import read_classes
from trichord.errors import DataError
from trichord.runs import ExperimentConfig
from trichord.runs.suitability import check_clips, check_encoders
from trichord.shapes import Int


def check_graph_data(config: GraphExperimentConfig, dataset: Dataset) -> None:
    """Raise `DataError` when the data cannot serve the graph.

    They must hold its splits, in each that is measured an item of the scored node's task, and the modalities of its
    nodes, in the widths that encoders expect, finite; and for a classifier the same classes as it knows. A node
    without any item to learn from by itself is no error: what it learns may come from other nodes.
    """
    chosen = {config.selection.split, config.report_split} - {None}
    absent = sorted({*config.fit_splits, *(str(split) for split in chosen)} - set(dataset.spec.splits))
    if absent:
        raise DataError(
            f"no split named {absent}; the data have {sorted(dataset.spec.splits)}",
            file=dataset.path,
            remedy="name existing splits to fit, select and report on",
        )
    held = {entry.modality.name: entry for entry in dataset.spec.modalities}
    lacking = [modality for modality in config.modalities if modality not in held]
    if lacking:
        raise DataError(
            f"the graph reads the modalities {lacking}; the data hold {sorted(held)}",
            file=dataset.path,
            remedy="build the graph for these data",
        )
    items = dataset.split(*config.fit_splits)
    for name, learner in config.learners.items():
        check_encoders(learner.model.encoders, dataset, f"node {name!r}")
        if isinstance(learner, ExperimentConfig):
            check_clips(dataset, config.alone(name).stages[0], items)
    for split in chosen:
        if not measurable_items(config, dataset, config.scored_node, str(split)):
            raise DataError(
                f"no item of split {split!r} holds both sides of {config.task}, so that the graph cannot be measured",
                file=dataset.path,
                remedy="name another split, or another task",
            )
    for modality in config.modalities:
        if not held[modality].cut:
            dataset.check_finite(modality)
    read_numbers(config, dataset)


def measurable_items(config: GraphExperimentConfig, dataset: Dataset, name: str, split: str) -> int:
    """Count the items of a split that a node can be measured on: those with something on every side it looks at."""
    items, node = dataset.split(split), config.answering(name)
    sides = (side for side in (node.left, node.right) if side)
    return int(np.all([np.any([dataset.has(n)[items] for n in side], axis=0) for side in sides], axis=0).sum())


def read_numbers(config: GraphExperimentConfig, dataset: Dataset) -> Int[np.ndarray, " items"] | None:
    """Return the class of every item, where nodes classify; raise `DataError` where the classes are others."""
    label = config.graph.nodes[config.graph.target].label
    if not label:
        return None
    classes = read_classes(dataset, label, config.fit_splits)
    for name, learner in config.learners.items():
        if isinstance(learner, ClassifierConfig) and learner.classes != classes.names:
            raise DataError(
                f"node {name!r} tells {list(learner.classes)} apart, the label {label!r} holds {list(classes.names)}",
                file=dataset.path,
                remedy="build the graph for these data",
            )
    return classes.numbers
