"""Whether saved networks and a base can be what a graph makes of them, and taking their weights."""

from __future__ import annotations

import torch

from trichord.cotraining.experiment import ClassifierConfig, GraphExperimentConfig
from trichord.cotraining.networks import SavedNetwork
from trichord.data import Dataset
from trichord.encoders import JointEncoder
from trichord.errors import ConfigError, RunError
from trichord.runs import ExperimentConfig, Model
from trichord.runs.initial import check_base, weights
from trichord.runs.suitability import check_encoders


def check_graph_base(config: GraphExperimentConfig, base: Model | None) -> None:
    """Raise `RunError` unless the base is the one that the experiment names, and fits."""
    given = None if base is None else base.identity
    if given != config.base:
        raise RunError(
            f"the graph's adapters are over the base {config.base}, got {given or 'no model'}; give the model it was "
            "planned with (--base), or plan it anew"
        )
    if base is None:
        return
    if base.bank.merged is not None:
        raise RunError(f"the adapter {base.bank.merged!r} is merged into the base; unmerge it first")
    for learner in config.learners.values():
        if isinstance(learner, ExperimentConfig) and learner.adapters:
            check_base(learner, base)


def check_frozen(config: GraphExperimentConfig, name: str, saved: SavedNetwork, dataset: Dataset) -> None:
    """Raise `ConfigError` unless a saved network can be a frozen node.

    It needs encoders for the node's modalities, of the widths of the data, and the same classes where it classifies.
    """
    node = config.graph.nodes[name]
    lacking = set(node.modalities) - set(saved.model.modalities)
    if lacking:
        raise ConfigError(
            f"node {name!r}: {node.start} has no encoder for {sorted(lacking)}, only for "
            f"{list(saved.model.modalities)}; name a model that has"
        )
    if node.classifies != isinstance(saved.config, ClassifierConfig):
        kind = "no" if node.classifies else "a"
        raise ConfigError(f"node {name!r}: {node.start} is {kind} classifier; name a model of the node's own kind")
    check_encoders({m: saved.config.model.encoders[m] for m in node.modalities}, dataset, f"node {name!r}")
    target = config.learners[config.graph.target]
    if isinstance(target, ClassifierConfig):
        check_classes(name, node.start, saved, target.classes)


def check_classes(name: str, start: str, saved: SavedNetwork, classes: tuple[str, ...]) -> None:
    """Raise `ConfigError` where a saved classifier tells other classes apart."""
    if isinstance(saved.config, ClassifierConfig) and saved.config.classes != classes:
        raise ConfigError(
            f"node {name!r}: {start} tells the classes {', '.join(saved.config.classes)} apart, the data hold "
            f"{', '.join(classes)}; name a classifier of the same classes"
        )


def take_weights(name: str, model: JointEncoder, saved: SavedNetwork) -> None:
    """Copy the weights of a saved network into a node's; raise `RunError` where they do not fit."""
    for modality in model.modalities:
        if modality not in saved.model.modalities:
            raise RunError(f"node {name!r} starts from a model without an encoder for {modality!r}")
        given, wanted = weights(saved.model, modality), weights(model, modality)
        unlike = sorted(
            k for k in {*given, *wanted} if k not in given or k not in wanted or given[k].shape != wanted[k].shape
        )
        if unlike:
            raise RunError(
                f"node {name!r}: the {modality} encoder it starts from does not fit ({', '.join(unlike[:5])}); name "
                "the model it was made with in model="
            )
        with torch.no_grad():
            for key, tensor in wanted.items():
                tensor.copy_(given[key])
