"""What each node of a graph would be trained by alone: the recipe's experiment, an adapter's, or a classifier's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trichord.cotraining.experiment import ClassifierConfig, Learner
from trichord.data import DatasetSpec
from trichord.encoders import JointEncoderConfig
from trichord.encoders.pooled import PooledEncoderConfig
from trichord.errors import ConfigError
from trichord.graphs.graph import GraphConfig, NodeConfig
from trichord.modality import Modality, Pair, spell
from trichord.recipes.adapt import Adaptation, adapt
from trichord.recipes.choose import find_recipe
from trichord.recipes.node_models import CLASSIFIERS, VARIANTS, find_model
from trichord.runs import ExperimentConfig, Model
from trichord.training.optimization import OptimizerConfig


@dataclass(frozen=True)
class Learners:
    """Builds the experiment of every node that learns.

    Args:
        spec: the data set.
        recipe: name of the recipe of nodes that compare two sides.
        classes: names of the classes, in order; empty where no node classifies.
        base: the model under adapters; None where no node is one.
        adaptation: how these learn.
    """

    spec: DatasetSpec
    recipe: str
    classes: tuple[str, ...]
    base: Model | None
    adaptation: Adaptation

    def learner(self, name: str, node: NodeConfig, seed: int) -> Learner:
        """Return what would train a node alone.

        Raises:
            ConfigError: it names a model or modality that is not there, learns in stages, or is an adapter of nothing.
        """
        if node.classifies:
            return self._classifier(name, node)
        return self._adapter(name, node, seed) if node.adapter else self._pair(name, node, seed)

    @property
    def _known(self) -> tuple[Modality, ...]:
        return tuple(entry.modality for entry in self.spec.modalities)

    def _pair(self, name: str, node: NodeConfig, seed: int) -> ExperimentConfig:
        order = node.order or spell(node.modalities, self._known)
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
        pair = Pair(node.left, node.right)
        config = adapt(_base_of(name, self.base), self.spec, pair, seed, self.adaptation)
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


def base_identity(graph: GraphConfig, base: Model | None) -> str | None:
    """Return the hash of the model under a graph's adapters, None where no node is one.

    Raises:
        ConfigError: a node is an adapter, frozen or not, and no base is given.
    """
    return next((_base_of(name, base).identity for name, node in graph.nodes.items() if node.adapter), None)


def _base_of(name: str, base: Model | None) -> Model:
    if base is None:
        raise ConfigError(f"node {name!r} is an adapter; name the run folder of its base (--base)")
    return base
