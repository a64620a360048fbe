"""Co-training: one forward per node and batch, one optimizer per node, no gradient between nodes."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from trichord.batch import Batch
from trichord.cotraining.build import Cast, optimizer_config
from trichord.cotraining.experiment import GraphExperimentConfig
from trichord.cotraining.nodes import Node
from trichord.cotraining.sharing import sharing
from trichord.dist import average_gradients, rank
from trichord.errors import TrainingError
from trichord.graphs.ensemble import ensemble_output
from trichord.graphs.output import NodeOutput
from trichord.graphs.reach import heard_nodes
from trichord.graphs.transfer import node_terms
from trichord.objectives import LossTerms
from trichord.randomness import derive_seed
from trichord.training.engine import Engine
from trichord.training.loop import Position, require_finite, seed_everything
from trichord.training.optimization import schedule_factor, set_learning_rate
from trichord.training.source import BatchSource


@dataclass(frozen=True)
class NodeStep:
    """What one step did to one node.

    Args:
        terms: weighted terms of its loss, its own and one for each incoming edge.
        learning_rate: rate of this step.
        gradient_norm: norm of its gradient before clipping.
    """

    terms: dict[str, float]
    learning_rate: float
    gradient_norm: float


@dataclass(frozen=True)
class GraphStep:
    """What one step did.

    Args:
        position: the step taken.
        nodes: name of every node that learns -> what happened to it.
        items_per_second: items of the global batch over the step's wall time, reading included.
    """

    position: Position
    nodes: dict[str, NodeStep]
    items_per_second: float


@runtime_checkable
class GraphHooks(Protocol):
    """What happens around the steps; see `trichord.training.loop.Hooks`."""

    def after_step(self, record: GraphStep) -> None:
        """A step was taken."""

    def after_epoch(self, epoch: int) -> None:
        """The last step of an epoch was taken; `epoch` counts from 1."""

    def at_boundary(self, upcoming: Position) -> None:
        """Everything before `upcoming` is done and recorded: the place to save, or to stop."""


def progress_at(step: int, total_steps: int) -> float:
    """Return how much of the training is done at a step (from 0): 0 at the first, 1 at the last.

    Published (Minami et al. 2020): k / k_end, k a counter of the edge. Ours is a function of the position, so that
    resuming needs no counter, and reaches 1.
    """
    return step / (total_steps - 1) if total_steps > 1 else 0.0


def speak(cast: Cast, config: GraphExperimentConfig, batch: Batch, position: Position) -> dict[str, NodeOutput]:
    """Let every node that learns or is heard say what it says about a batch.

    The base that adapters share works once where they agree.
    """
    outputs: dict[str, NodeOutput] = {}
    heard = heard_nodes(config.graph)
    with ExitStack() as stack:
        if cast.base is not None:
            stack.enter_context(sharing(cast.base))
        for name, node in cast.nodes.items():
            if not node.learns and name not in heard:
                continue
            drawn = derive_seed(config.node_seed(name), "dropout", 0, position.epoch, position.step, rank())
            seed_everything(drawn)
            node.set_mode()
            with torch.set_grad_enabled(node.learns):
                outputs[name] = node(batch)
    for name, described in config.graph.nodes.items():
        if described.role == "ensemble" and name in heard:
            outputs[name] = ensemble_output([outputs[member].detached() for member in described.members])
    return outputs


def graph_losses(
    cast: Cast,
    config: GraphExperimentConfig,
    outputs: dict[str, NodeOutput],
    position: Position,
    progress: float,
) -> dict[str, LossTerms]:
    """Return name of every node that learns -> the terms of its loss."""
    seed = derive_seed(config.seed, "graph", position.epoch, position.step)
    losses = {}
    for name, node in cast.learning.items():
        terms = node_terms(config.graph, name, outputs, node.incoming, progress, seed)
        assert terms is not None, "a node that learns has an open edge"
        losses[name] = terms
    return losses


def learning_parameters(node: Node, optimizer: torch.optim.Optimizer) -> list[torch.nn.Parameter]:
    """Return what an optimizer changes, in the order of the node: a base holds matrices of other nodes as well."""
    own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return [parameter for parameter in node.parameters() if id(parameter) in own]


def cotrain(
    cast: Cast,
    config: GraphExperimentConfig,
    source: BatchSource,
    engine: Engine,
    start: Position,
    hooks: GraphHooks,
) -> None:
    """Take every step from `start` to the end.

    Raises:
        TrainingError: a loss or gradient that is not finite.
    """
    optimizers = {name: engine.prepare_optimizer(optimizer) for name, optimizer in cast.optimizers.items()}
    parameters = {name: learning_parameters(node, cast.optimizers[name]) for name, node in cast.learning.items()}
    total_steps = source.num_steps * config.epochs
    for epoch in range(start.epoch, config.epochs):
        began = time.perf_counter()
        for step, batch in source.steps(epoch, start.step if epoch == start.epoch else 0):
            position = Position(0, epoch, step)
            taken = epoch * source.num_steps + step
            with engine.autocast():
                outputs = speak(cast, config, batch.to(engine.device), position)
                losses = graph_losses(cast, config, outputs, position, progress_at(taken, total_steps))
            done = {}
            for name, terms in losses.items():
                require_finite(LossTerms({f"{name}/{term}": value for term, value in terms.terms.items()}), position)
                engine.backward(terms.total)
            for name, terms in losses.items():
                settings = optimizer_config(config, name)
                factor = schedule_factor(taken, total_steps, settings, source.num_steps)
                set_learning_rate(cast.optimizers[name], factor * settings.learning_rate)
                average_gradients(parameters[name])
                norm = engine.clip_parameters(parameters[name], settings.gradient_norm)
                if not math.isfinite(norm):
                    raise TrainingError(f"the gradient of node {name} is not finite at {position}")
                optimizers[name].step()
                optimizers[name].zero_grad(set_to_none=True)
                values = {term: value.item() for term, value in terms.terms.items()}
                done[name] = NodeStep(values, factor * settings.learning_rate, norm)
            now = time.perf_counter()
            speed = min(source.batch_size, len(source.items)) / max(now - began, 1e-9)
            hooks.after_step(GraphStep(position, done, speed))
            began = now
            if step + 1 < source.num_steps:
                hooks.at_boundary(Position(0, epoch, step + 1))
        hooks.after_epoch(epoch + 1)
        hooks.at_boundary(Position(0, epoch + 1, 0))
    engine.release()
