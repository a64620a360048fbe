"""The training loop of one stage, from its first step or any later one. It knows no evaluator; hooks do the rest."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from trichord.dist import rank
from trichord.errors import TrainingError
from trichord.objectives import LossTerms
from trichord.randomness import derive_seed
from trichord.training.engine import Engine
from trichord.training.optimization import schedule_factor, set_learning_rate
from trichord.training.source import BatchSource
from trichord.training.stage import Learning
from trichord.training.system import Trainable


@dataclass(frozen=True)
class Position:
    """The next step to take: number of the stage, epoch and step in the epoch, each from 0."""

    stage: int
    epoch: int
    step: int


@dataclass(frozen=True)
class StepRecord:
    """What one step did.

    Args:
        position: the step taken.
        loss: total loss of the global batch.
        terms: weighted terms that add up to it.
        learning_rate: rate of this step.
        gradient_norm: norm of the gradient before clipping.
        items_per_second: items of the global batch over the step's wall time, reading included.
    """

    position: Position
    loss: float
    terms: dict[str, float]
    learning_rate: float
    gradient_norm: float
    items_per_second: float


@runtime_checkable
class Hooks(Protocol):
    """What happens around the steps."""

    def after_step(self, record: StepRecord) -> None:
        """A step was taken."""

    def after_epoch(self, epoch: int) -> None:
        """The last step of an epoch was taken; `epoch` counts from 1 here: epochs done."""

    def at_boundary(self, upcoming: Position) -> None:
        """Everything before `upcoming` is done and recorded: the place to save, or to stop."""


def require_finite(terms: LossTerms, position: Position) -> None:
    """Raise `TrainingError` naming step and terms when the loss is not a number or infinite."""
    if not bool(torch.isfinite(terms.total)):
        broken = [name for name, value in terms.terms.items() if not bool(torch.isfinite(value))]
        raise TrainingError(
            f"the loss is not finite at stage {position.stage}, epoch {position.epoch + 1}, step {position.step} "
            f"(from 0): {', '.join(broken) or 'the sum'}. The last checkpoint is unharmed; lower the learning rate, "
            "raise warmup_steps or set gradient_norm, and look at the data with `trichord data check`"
        )


def seed_everything(seed: int) -> None:
    """Seed the generators that dropout draws from. `torch.manual_seed` does more, and is slow at every step."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(seed)


def train_stage(
    system: Trainable,
    config: Learning,
    source: BatchSource,
    engine: Engine,
    optimizer: torch.optim.Optimizer,
    start: Position,
    seed: int,
    hooks: Hooks,
) -> None:
    """Take every step from `start` to the end of the stage.

    Args:
        system: what learns, frozen parts already set.
        config: how it learns, and how long.
        source: its batches.
        engine: device, precision and processes.
        optimizer: over the parameters that learn, holding its state when `start` is not the beginning.
        start: first step to take.
        seed: seed of the run; dropout at a step depends on (seed, stage, epoch, step, rank) only.
        hooks: called after every step, after every epoch, and at every boundary.

    Raises:
        TrainingError: a loss or gradient that is not finite.
    """
    prepared, prepared_optimizer = engine.prepare(system, optimizer)
    total_steps = source.num_steps * config.epochs
    for epoch in range(start.epoch, config.last_epoch):
        first_step = start.step if epoch == start.epoch else 0
        system.set_mode()  # validation leaves every module in the mode it was in
        began = time.perf_counter()
        for step, batch in source.steps(epoch, first_step):
            position = Position(start.stage, epoch, step)
            seed_everything(derive_seed(seed, "dropout", start.stage, epoch, step, rank()))
            factor = schedule_factor(epoch * source.num_steps + step, total_steps, config.optimizer, source.num_steps)
            set_learning_rate(optimizer, factor * config.optimizer.learning_rate)
            terms: LossTerms = prepared(batch.to(engine.device))
            require_finite(terms, position)
            engine.backward(terms.total)
            norm = engine.clip_gradients(prepared, config.optimizer.gradient_norm)
            if not math.isfinite(norm):
                raise TrainingError(f"the gradient is not finite at {position}; lower the learning rate")
            prepared_optimizer.step()
            prepared_optimizer.zero_grad(set_to_none=True)
            now = time.perf_counter()
            hooks.after_step(
                StepRecord(
                    position,
                    loss=terms.total.item(),
                    terms={name: value.item() for name, value in terms.terms.items()},
                    learning_rate=factor * config.optimizer.learning_rate,
                    gradient_norm=norm,
                    items_per_second=min(source.batch_size, len(source.items)) / max(now - began, 1e-9),
                )
            )
            began = now
            if step + 1 < source.num_steps:
                hooks.at_boundary(Position(start.stage, epoch, step + 1))
        hooks.after_epoch(epoch + 1)
        hooks.at_boundary(Position(start.stage, epoch + 1, 0))
    engine.release()
