"""Graphs of a recipe's models: the record of a graph that is to be trained."""

from __future__ import annotations

from dataclasses import replace

from trichord.cotraining.experiment import ClassifierConfig, GraphExperimentConfig, Learner
from trichord.cotraining.networks import find_identity
from trichord.data import Dataset, DatasetSpec
from trichord.data.classes import read_classes
from trichord.encoders import (
    JointEncoderConfig,
)
from trichord.encoders.pooled import PooledEncoderConfig
from trichord.errors import ConfigError
from trichord.graphs.graph import GraphConfig, NodeConfig
from trichord.modality import Modality, Pair, spell
from trichord.recipes.adapt import Adaptation, adapt
from trichord.recipes.choose import find_recipe
from trichord.recipes.node_models import CLASSIFIERS, VARIANTS, find_model
from trichord.runs import ExperimentConfig, MeasurementConfig, Model, SelectionConfig
from trichord.training.engine import Precision
from trichord.training.optimization import OptimizerConfig

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
        ConfigError: a node names a model or modality that is not there, or learns in stages.
        DataError: the label of a classifier is not one.
        RunError: a node starts from a folder that holds no finished model.
    """
    spec = dataset.spec
    known = tuple(entry.modality for entry in spec.modalities)
    label = graph.nodes[graph.target].label
    classes = read_classes(dataset, label, fit_splits).names if label else ()
    build = _Learners(spec, known, recipe, classes, base, adaptation or Adaptation())
    learners = {name: build.learner(name, node, seed) for name, node in graph.nodes.items() if node.learns}
    target = learners[graph.target]
    precision: Precision
    if isinstance(target, ClassifierConfig):
        own_epochs, batch, by_source = CLASS_EPOCHS, CLASS_BATCH, None
        measured, chosen, precision = MeasurementConfig(), SelectionConfig(metric="R@1"), "auto"
    else:
        stage = target.stages[0]
        own_epochs, batch, by_source = stage.last_epoch, stage.batch_size, stage.items_per_source
        measured, chosen, precision = target.evaluation, replace(target.selection, tasks=()), target.precision
    if chosen.split in fit_splits:
        chosen = replace(chosen, split=None)
    return GraphExperimentConfig(
        recipe=recipe,
        task=task,
        graph=graph,
        learners=learners,
        letters={modality.name: modality.letter for modality in known},
        modalities=tuple(modality.name for modality in known),
        scored=scored,
        seed=seed,
        epochs=own_epochs if epochs is None else epochs,
        batch_size=batch,
        items_per_source=by_source,
        evaluate_every=evaluate_every,
        fit_splits=fit_splits,
        selection=chosen if selection is None else selection,
        report_split=report_split,
        scoring=measured.scoring,
        encode_batch=measured.batch_size,
        precision=precision,
        starts={name: find_identity(node.start) for name, node in graph.nodes.items() if node.start},
        base=base.identity if base is not None and any(node.adapter for node in graph.nodes.values()) else None,
    )


class _Learners:
    """Builds the experiment of every node that learns."""

    def __init__(
        self,
        spec: DatasetSpec,
        known: tuple[Modality, ...],
        recipe: str,
        classes: tuple[str, ...],
        base: Model | None,
        adaptation: Adaptation,
    ) -> None:
        self.spec, self.known, self.recipe, self.classes = spec, known, recipe, classes
        self.base, self.adaptation = base, adaptation

    def learner(self, name: str, node: NodeConfig, seed: int) -> Learner:
        if node.classifies:
            return self._classifier(name, node)
        return self._adapter(name, node, seed) if node.adapter else self._pair(name, node, seed)

    def _pair(self, name: str, node: NodeConfig, seed: int) -> ExperimentConfig:
        order = node.order or spell(node.modalities, self.known)
        config = find_recipe(self.recipe)(self.spec, order, seed)
        if len(config.stages) != 1:
            raise ConfigError(
                f"node {name!r} is of order {order}, which learns in {len(config.stages)} stages, and a node learns in "
                "one; train the order by itself and let the node start from it"
            )
        if not node.model:
            return config
        vary = find_model(VARIANTS, node.model, name)
        encoders = dict(config.model.encoders)
        for modality, encoder in encoders.items():
            if not isinstance(encoder, PooledEncoderConfig):
                raise ConfigError(
                    f"node {name!r}: model={node.model} is for pooled vectors, and recipe {self.recipe} encodes "
                    f"{modality} by {type(encoder).__name__}; leave model= away"
                )
            encoders[modality] = vary(encoder)
        return replace(config, model=replace(config.model, encoders=encoders))

    def _adapter(self, name: str, node: NodeConfig, seed: int) -> ExperimentConfig:
        if self.base is None:
            raise ConfigError(f"node {name!r} is an adapter; name the run folder of its base (--base)")
        pair = Pair(node.left, node.right)
        config = adapt(self.base, self.spec, pair, seed, self.adaptation)
        (own,), (stage,) = config.adapters, config.stages
        stage = replace(stage, adapters={name: stage.adapters[own]})
        return replace(config, adapters={name: config.adapters[own]}, stages=(stage,))

    def _classifier(self, name: str, node: NodeConfig) -> ClassifierConfig:
        build = find_model(CLASSIFIERS, node.model, name)
        dims = {entry.modality.name: entry for entry in self.spec.modalities}
        encoders = {modality: build(dims[modality].dim, len(self.classes)) for modality in node.left}
        return ClassifierConfig(
            model=JointEncoderConfig(encoders=encoders, normalize=False),
            classes=self.classes,
            optimizer=OptimizerConfig(learning_rate=3e-3, weight_decay=0.01),
        )
