"""Graphs of a recipe's models: which networks nodes may be, and the record of a graph that is to be trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import isqrt

from trichord.cotraining.experiment import ClassifierConfig, GraphExperimentConfig, Learner
from trichord.cotraining.networks import find_identity
from trichord.data import Dataset, DatasetSpec
from trichord.data.classes import read_classes
from trichord.encoders import (
    EncoderConfig,
    GatedHeadConfig,
    ImageHeadConfig,
    JointEncoderConfig,
    LinearHeadConfig,
    ResidualHeadConfig,
)
from trichord.encoders.pooled import PooledEncoderConfig
from trichord.errors import ConfigError, nearest
from trichord.graphs.graph import GraphConfig, NodeConfig
from trichord.modality import Modality, Pair, all_pairs, parse_task, spell
from trichord.recipes.adapt import Adaptation, adapt
from trichord.recipes.choose import find_recipe
from trichord.runs import ExperimentConfig, MeasurementConfig, Model, SelectionConfig
from trichord.training.engine import Precision
from trichord.training.optimization import OptimizerConfig

CLASS_EPOCHS, CLASS_BATCH = 40, 64


def linear(encoder: PooledEncoderConfig) -> EncoderConfig:
    """One linear map, with as much of the input dropped and standardised as before."""
    return LinearHeadConfig(
        input_dim=encoder.input_dim,
        output_dim=encoder.output_dim,
        dropout=encoder.dropout,
        standardize=encoder.standardize,
    )


def gated(encoder: PooledEncoderConfig) -> EncoderConfig:
    """The gated unit of MCN on the same input."""
    return GatedHeadConfig(
        input_dim=encoder.input_dim,
        output_dim=encoder.output_dim,
        dropout=encoder.dropout,
        standardize=encoder.standardize,
    )


def wide(encoder: PooledEncoderConfig) -> EncoderConfig:
    """A residual branch of twice the width of the joint space."""
    dropped = encoder.hidden_dropout if isinstance(encoder, ResidualHeadConfig) else 0.0
    return ResidualHeadConfig(
        input_dim=encoder.input_dim,
        output_dim=encoder.output_dim,
        hidden_dim=2 * encoder.output_dim,
        dropout=encoder.dropout,
        hidden_dropout=dropped,
        standardize=encoder.standardize,
    )


Vary = Callable[[PooledEncoderConfig], EncoderConfig]
VARIANTS: Mapping[str, Vary] = {"linear": linear, "gated": gated, "wide": wide}
"""What a node's network may be besides the recipe's own, on pooled vectors."""


def _perceptron(hidden: int) -> Callable[[int, int], EncoderConfig]:
    def build(input_dim: int, classes: int) -> EncoderConfig:
        return ResidualHeadConfig(input_dim=input_dim, output_dim=classes, hidden_dim=hidden, hidden_dropout=0.3)

    return build


def _linear_classifier(input_dim: int, classes: int) -> EncoderConfig:
    return LinearHeadConfig(input_dim=input_dim, output_dim=classes)


def _convolution(input_dim: int, classes: int) -> EncoderConfig:
    side = isqrt(input_dim)
    if side * side != input_dim:
        raise ConfigError(f"model=convolution looks at square images; {input_dim} features are none")
    return ImageHeadConfig(input_dim=input_dim, output_dim=classes, height=side, width=side)


CLASSIFIERS: Mapping[str, Callable[[int, int], EncoderConfig]] = {
    "": _perceptron(64),
    "linear": _linear_classifier,
    "narrow": _perceptron(16),
    "wide": _perceptron(256),
    "convolution": _convolution,
}
"""What a node that classifies may be."""


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
        vary = _find(VARIANTS, node.model, name)
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
        build = _find(CLASSIFIERS, node.model, name)
        dims = {entry.modality.name: entry for entry in self.spec.modalities}
        encoders = {modality: build(dims[modality].dim, len(self.classes)) for modality in node.left}
        return ClassifierConfig(
            model=JointEncoderConfig(encoders=encoders, normalize=False),
            classes=self.classes,
            optimizer=OptimizerConfig(learning_rate=3e-3, weight_decay=0.01),
        )


def node_kinds(spec: DatasetSpec, task: str, recipe: str = "heads") -> tuple[NodeConfig, ...]:
    """Return what the peers of a search may be; the first is the target's own kind.

    For retrieval: the target's sides, every other two modalities, text with all others where there are several, the
    target's sides within a model of all modalities, and the target's sides by other networks. A pair stands so that it
    shares the target's left or right side. For classes: every network on the target's modalities.

    Raises:
        ConfigError: the task is none of these data.
    """
    known = tuple(entry.modality for entry in spec.modalities)
    if is_class_task(task):
        letters, _, label = task.partition(">")
        left = parse_task(f"{letters}>{_other(letters, known)}", known).query if len(known) > 1 else (known[0].name,)
        square = all(isqrt(entry.dim) ** 2 == entry.dim for entry in spec.modalities if entry.modality.name in left)
        names = [name for name in CLASSIFIERS if square or name != "convolution"]
        return tuple(NodeConfig(role="peer", left=left, label=label, model=name) for name in names)
    asked = parse_task(task, known)
    own = NodeConfig(role="peer", left=asked.query, right=asked.gallery)
    sides = [(pair.left, pair.right) for pair in all_pairs([modality.name for modality in known])]
    if len(known) > 2:
        sides.append((asked.query, tuple(m.name for m in known if m.name not in asked.query)))
    found = [own]
    for left, right in sides:
        if {left, right} == {asked.query, asked.gallery}:
            continue
        turned = right == asked.query or left == asked.gallery
        left, right = (right, left) if turned else (left, right)
        found.append(NodeConfig(role="peer", left=left, right=right))
    everything = "".join(modality.letter for modality in known)
    if len(known) > 2:
        found.append(replace(own, order=everything))
    if recipe == "heads":
        found += [replace(own, model=name) for name in VARIANTS]
    return tuple(found)


def is_class_task(task: str) -> bool:
    """Whether a task asks for a label rather than for other modalities: its right side is no row of capitals."""
    gallery = task.partition(">")[2].replace("+", "")
    return not (gallery.isupper() and gallery.isalpha())


def _other(letters: str, known: tuple[Modality, ...]) -> str:
    return next((modality.letter for modality in known if modality.letter not in letters), "")


def _find(kinds: Mapping[str, Callable[..., EncoderConfig]], model: str, name: str) -> Callable[..., EncoderConfig]:
    if model not in kinds:
        options = tuple(kind for kind in kinds if kind)
        raise ConfigError(f"node {name!r}: there is no model={model}; {nearest(model, options)}")
    return kinds[model]
