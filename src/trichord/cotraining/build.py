"""From the record of a graph to its nodes: weights drawn or loaded, adapters attached, optimizers made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from trichord.adapters.lora import LowRank, plain_state
from trichord.cotraining.experiment import ClassifierConfig, GraphExperimentConfig
from trichord.cotraining.networks import load_frozen_adapter, load_network
from trichord.cotraining.nodes import ClassNode, Network, Node, PairNode
from trichord.cotraining.starting import check_classes, check_frozen, check_graph_base, take_weights
from trichord.curricula import set_trainable
from trichord.data import Dataset
from trichord.encoders import JointEncoder
from trichord.errors import TrainingError
from trichord.files import hash_tensors
from trichord.graphs.payload import Payload
from trichord.graphs.reach import heard_nodes
from trichord.objectives import ObjectiveConfig
from trichord.randomness import derive_seed
from trichord.runs import ExperimentConfig, Model
from trichord.runs.initial import start_from
from trichord.runs.statistics import fit_statistics, take_words
from trichord.shapes import Tensor
from trichord.training.optimization import OptimizerConfig, build_optimizer


@dataclass
class Cast:
    """The nodes of a graph, ready to train.

    Args:
        nodes: name of every node that has a network -> it, in the order of the graph.
        optimizers: name of every node that learns -> its optimizer.
        base: the model that adapters share; None where there are none.
        low_rank: the adapters over it.
        start: name of an adapter -> copies of the tensors that it started from.
        frozen: name -> hash of what must not move: of frozen nodes, and of the base under "the base".
    """

    nodes: dict[str, Node]
    optimizers: dict[str, torch.optim.Optimizer]
    base: JointEncoder | None
    low_rank: LowRank | None
    start: dict[str, dict[str, Tensor]]
    frozen: dict[str, str] = field(default_factory=dict)

    @property
    def learning(self) -> dict[str, Node]:
        """Name -> every node that learns."""
        return {name: node for name, node in self.nodes.items() if node.learns}


def build_cast(
    config: GraphExperimentConfig, dataset: Dataset, base: Model | None, device: torch.device, numbers: Tensor | None
) -> Cast:
    """Build the nodes of a graph.

    Args:
        config: the experiment.
        dataset: the data, from which input statistics and word vectors are taken.
        base: the model under adapters; not looked at where there are none.
        device: where to put everything.
        numbers: (items,) class of each item of the data set; None where no node classifies.

    Raises:
        RunError: the base or a start is not the one that the experiment names, or does not fit.
    """
    base = base if config.base else None  # no node is an adapter: nobody asks for it
    check_graph_base(config, base)
    shared = None if base is None else _own_base(config, base, dataset)
    low_rank = None if shared is None else LowRank(shared)
    networks = {
        name: _network(config, name, dataset, shared, low_rank)
        for name, node in config.graph.nodes.items()
        if node.role != "ensemble"
    }
    widths = {name: network.model.dim for name, network in networks.items()}
    cast = Cast({}, {}, shared, low_rank, {})
    for name, network in networks.items():
        cast.nodes[name] = _node(config, name, network, widths, numbers).to(device)
        if network.adapter is not None and low_rank is not None and cast.nodes[name].learns:
            cast.start[name] = {key: tensor.clone() for key, tensor in low_rank.tensors(name).items()}
    for name, node in cast.learning.items():
        if node.network.shared and low_rank is not None:
            low_rank.learn([name])
        cast.optimizers[name] = build_optimizer(node, optimizer_config(config, name))
    if low_rank is not None:
        low_rank.learn([name for name, node in cast.learning.items() if node.network.shared])
    cast.frozen = frozen_hashes(cast)
    return cast


def optimizer_config(config: GraphExperimentConfig, name: str) -> OptimizerConfig:
    """Return how a node learns."""
    learner = config.learners[name]
    return learner.optimizer if isinstance(learner, ClassifierConfig) else learner.stages[0].optimizer


def frozen_hashes(cast: Cast) -> dict[str, str]:
    """Hash everything that must not move."""
    still: dict[str, Mapping[str, Tensor]] = {}
    for name, node in cast.nodes.items():
        if node.learns:
            continue
        if not node.network.shared:
            still[name] = plain_state(node.model)
        elif node.network.adapter is not None:
            still[name] = node.network.low_rank.tensors(node.network.adapter)
    if cast.base is not None:
        still["the base"] = plain_state(cast.base)  # no node can be called so
    return {name: hash_tensors(tensors) for name, tensors in still.items()}


def verify_frozen(cast: Cast) -> None:
    """Raise `TrainingError` when something frozen moved."""
    moved = [name for name, there in frozen_hashes(cast).items() if cast.frozen[name] != there]
    if moved:
        raise TrainingError(f"{', '.join(moved)} should be frozen and moved during training; do not trust this graph")


def _own_base(config: GraphExperimentConfig, base: Model, dataset: Dataset) -> JointEncoder:
    """Return a copy of the base with the encoders that nodes ask for, so that the caller's stays as it is."""
    encoders = dict(base.config.model.encoders)
    for learner in config.learners.values():
        if isinstance(learner, ExperimentConfig) and learner.adapters:
            encoders |= learner.model.encoders  # for captions in other words than the base's, tables of their size
    wanted = {name for node in config.graph.nodes.values() if node.adapter for name in node.modalities}
    kept = {name: encoder for name, encoder in encoders.items() if name in wanted}
    model: JointEncoder = replace(base.config.model, encoders=kept).build()
    take_words(model, dataset)
    start_from(model, base)
    model.requires_grad_(False)
    return model


def _network(
    config: GraphExperimentConfig, name: str, dataset: Dataset, base: JointEncoder | None, low_rank: LowRank | None
) -> Network:
    node = config.graph.nodes[name]
    if node.adapter:
        assert base is not None, "the experiment demands it"
        assert low_rank is not None, "it comes with the base"
        return _adapter(config, name, base, low_rank)
    if node.role == "frozen":
        saved = load_network(node.start, config.starts[name])
        check_frozen(config, name, saved, dataset)
        saved.model.requires_grad_(False)
        take_words(saved.model, dataset)
        return Network(saved.model, node.modalities, LowRank(saved.model))
    learner = config.learners[name]
    torch.manual_seed(derive_seed(config.node_seed(name), "weights"))
    model: JointEncoder = learner.model.build()
    fit_statistics(model, dataset, dataset.split(*config.fit_splits))
    take_words(model, dataset)
    if node.start:
        saved = load_network(node.start, config.starts[name])
        if isinstance(learner, ClassifierConfig):
            check_classes(name, node.start, saved, learner.classes)
        take_weights(name, model, saved)
    encoded = model.modalities if isinstance(learner, ClassifierConfig) else learner.stages[0].modalities
    set_trainable(model.encoders, encoded if isinstance(learner, ClassifierConfig) else learner.stages[0].train)
    return Network(model, encoded, LowRank(model))


def _adapter(config: GraphExperimentConfig, name: str, model: JointEncoder, low_rank: LowRank) -> Network:
    node = config.graph.nodes[name]
    if not node.learns:
        if not node.start:
            return Network(model, node.modalities, low_rank, shared=True)
        assert config.base is not None, "the experiment demands it"
        low_rank.attach_saved(name, load_frozen_adapter(node.start, config.starts[name], config.base), node.start)
        return Network(model, node.modalities, low_rank, name, shared=True)
    learner = config.learners[name]
    assert isinstance(learner, ExperimentConfig), "an adapter is no classifier"
    settings = learner.adapters[name]
    low_rank.attach(name, settings.low_rank, [f"encoders.{side}" for side in settings.sides], config.node_seed(name))
    return Network(model, learner.stages[0].modalities, low_rank, name, shared=True)


def _node(
    config: GraphExperimentConfig,
    name: str,
    network: Network,
    widths: Mapping[str, int],
    numbers: Tensor | None,
) -> Node:
    node = config.graph.nodes[name]
    torch.manual_seed(derive_seed(config.node_seed(name), "objective", 0))
    objective = _objective(config, name)
    built = None if objective is None else objective.build()
    payloads = _payloads(config, name, widths)
    if not node.classifies:
        return PairNode(network, payloads, node.left, node.right, built, heard=name in heard_nodes(config.graph))
    assert numbers is not None, "classes are read where a node classifies"
    return ClassNode(network, payloads, node.left, numbers, learns=node.learns)


def _objective(config: GraphExperimentConfig, name: str) -> ObjectiveConfig | None:
    learner = config.learners.get(name)
    if not isinstance(learner, ExperimentConfig):
        return None
    stage = learner.stages[0]
    return stage.adapters[name] if config.graph.nodes[name].adapter else stage.objective


def _payloads(config: GraphExperimentConfig, name: str, widths: Mapping[str, int]) -> dict[str, Payload]:
    found = {}
    for edge in config.graph.incoming(name):
        torch.manual_seed(derive_seed(config.node_seed(name), f"payload of {edge.source}"))
        # An ensemble has no vectors, and no payload that needs them can come from it.
        source = widths.get(edge.source, widths[name])
        found[edge.name] = edge.payload.build(source_dim=source, target_dim=widths[name])
    return found
