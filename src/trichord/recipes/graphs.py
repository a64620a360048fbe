"""Graphs of a recipe's models: the record of a graph that is to be trained."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trichord.cotraining.experiment import ClassifierConfig, GraphExperimentConfig, Learner
from trichord.cotraining.networks import find_identity
from trichord.data import Dataset
from trichord.data.classes import read_classes
from trichord.graphs.graph import GraphConfig
from trichord.recipes.adapt import Adaptation
from trichord.recipes.node_learners import Learners, base_identity
from trichord.runs import MeasurementConfig, Model, SelectionConfig
from trichord.training.engine import Precision

CLASS_EPOCHS, CLASS_BATCH = 40, 64


def graph_experiment(
    dataset: Dataset,
    graph: GraphConfig,
    task: str,
    seed: int = 0,
    *,
    recipe: str = "heads",
    epochs: int | None = None,
    scored: str = "",
    fit_splits: tuple[str, ...] = ("train",),
    selection: SelectionConfig | None = None,
    report_split: str | None = None,
    evaluate_every: int = 1,
    base: Model | None = None,
    adaptation: Adaptation | None = None,
) -> GraphExperimentConfig:
    """Return the record of a graph on a data set.

    Args:
        dataset: the data; classes are read from it, for nodes that classify.
        graph: the graph.
        task: what the target is scored by: "T>V", or "I>digit" for a label.
        seed: seed of everything random.
        recipe: name of the recipe of nodes that compare two sides.
        epochs: passes over the fitting splits; None: as many as the recipe's.
        scored: name of the node that is scored; "" is the target.
        fit_splits, selection, report_split: splits learnt from, looked at while choosing, and reported. Without a
            selection, the recipe's own ("val" by accuracy for classes), and none where that split is learnt from.
        evaluate_every: epochs between two validations.
        base: the model under nodes that are adapters.
        adaptation: how these learn.

    Raises:
        ConfigError: a node names a model or modality that is not there, learns in stages, or is an adapter of nothing.
        DataError: the label of a classifier is not one.
        RunError: a node starts from a folder that holds no finished model.
    """
    label = graph.nodes[graph.target].label
    classes = read_classes(dataset, label, fit_splits).names if label else ()
    build = Learners(dataset.spec, recipe, classes, base, adaptation or Adaptation())
    learners = {name: build.learner(name, node, seed) for name, node in graph.nodes.items() if node.learns}
    usual = _usual(learners[graph.target], fit_splits)
    return GraphExperimentConfig(
        recipe=recipe,
        task=task,
        graph=graph,
        learners=learners,
        letters={modality.name: modality.letter for modality in dataset.modalities},
        modalities=tuple(modality.name for modality in dataset.modalities),
        scored=scored,
        seed=seed,
        epochs=usual.epochs if epochs is None else epochs,
        batch_size=usual.batch_size,
        items_per_source=usual.items_per_source,
        evaluate_every=evaluate_every,
        fit_splits=fit_splits,
        selection=usual.selection if selection is None else selection,
        report_split=report_split,
        scoring=usual.measured.scoring,
        encode_batch=usual.measured.batch_size,
        precision=usual.precision,
        starts={name: find_identity(node.start) for name, node in graph.nodes.items() if node.start},
        base=base_identity(graph, base),
    )


@dataclass(frozen=True)
class _Usual:
    """What a target is trained and measured by where nobody says otherwise; see `GraphExperimentConfig`."""

    epochs: int
    batch_size: int
    items_per_source: int | None
    measured: MeasurementConfig
    selection: SelectionConfig
    precision: Precision


def _usual(target: Learner, fit_splits: tuple[str, ...]) -> _Usual:
    if isinstance(target, ClassifierConfig):
        chosen = SelectionConfig(metric="R@1")
        usual = _Usual(CLASS_EPOCHS, CLASS_BATCH, None, MeasurementConfig(), chosen, "auto")
    else:
        (stage,), chosen = target.stages, replace(target.selection, tasks=())
        length, batch, by_source = stage.last_epoch, stage.batch_size, stage.items_per_source
        usual = _Usual(length, batch, by_source, target.evaluation, chosen, target.precision)
    return replace(usual, selection=replace(chosen, split=None)) if chosen.split in fit_splits else usual
