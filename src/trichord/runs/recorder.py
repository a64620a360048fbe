"""The hooks of a run: progress, metrics, validation, the best epoch so far, checkpoints, and a clean stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from trichord.dist import is_main
from trichord.runs.directory import RunDirectory
from trichord.runs.options import RunOptions
from trichord.runs.progress import Interruption, Progress
from trichord.training.checkpoint import save_checkpoint
from trichord.training.loop import Position, StepRecord
from trichord.training.stage import StageConfig
from trichord.training.system import System

Validate = Callable[[], Mapping[str, float]]


class Recorder:
    """Hooks of one stage.

    Args:
        directory: where to write.
        config: the stage.
        number: its number.
        system: what is trained.
        optimizer: with what.
        validate: returns named validation metrics, the deciding one under "selection"; None without validation.
        options: how often to write and what to show.
        interruption: whether the user asked to stop.
        memory: plain data that goes into every checkpoint; holds "best_value" and "best_epoch" of this stage.
        best: weights of the best epoch so far.
        num_steps: steps of one epoch.
        start: first step that will be taken.
    """

    def __init__(
        self,
        *,
        directory: RunDirectory,
        config: StageConfig,
        number: int,
        system: System,
        optimizer: torch.optim.Optimizer,
        validate: Validate | None,
        options: RunOptions,
        interruption: Interruption,
        memory: dict[str, Any],
        best: dict[str, torch.Tensor],
        num_steps: int,
        start: Position,
    ) -> None:
        self.directory, self.config, self.number, self.system = directory, config, number, system
        self.optimizer, self.validate, self.memory, self.best = optimizer, validate, memory, best
        self.group = f"stage{number + 1}"
        self.progress = Progress(
            directory,
            options,
            interruption,
            name=f"{directory.path.name} stage {number + 1}",
            total=num_steps * config.last_epoch,
            done=num_steps * start.epoch + start.step,
        )

    def after_step(self, record: StepRecord) -> None:
        """Log the step."""
        if not self.progress.step():
            return
        position = record.position
        self.directory.append_metrics(
            kind="step",
            stage=position.stage,
            epoch=position.epoch,
            step=position.step,
            loss=record.loss,
            terms=record.terms,
            learning_rate=record.learning_rate,
            gradient_norm=record.gradient_norm,
            items_per_second=round(record.items_per_second, 1),
        )
        self.progress.draw(
            f"{self.group}/train", {"loss": record.loss, **record.terms, "gradient_norm": record.gradient_norm}
        )

    def after_epoch(self, epoch: int) -> None:
        """Validate when it is due, and remember the weights when they are the best so far."""
        due = epoch % self.config.evaluate_every == 0 or epoch == self.config.last_epoch
        if self.validate is None or not due:
            return
        values = dict(self.validate())
        if values["selection"] > self.memory["best_value"]:
            self.memory.update(best_value=values["selection"], best_epoch=epoch)
            if self.config.keep == "best":
                state = self.system.model.state_dict()
                self.best = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
        if is_main():
            self.directory.append_metrics(kind="validation", stage=self.number, epoch=epoch, metrics=values)
            self.progress.draw(f"{self.group}/validation", values)
            self.progress.bar.set_postfix(
                validation=f"{values['selection']:.2f}", best=f"{self.memory['best_value']:.2f}"
            )

    def at_boundary(self, upcoming: Position) -> None:
        """Save a checkpoint when it is due, and stop here when the user asked to."""
        self.progress.boundary(partial(self.save, upcoming))

    def save(self, upcoming: Position) -> None:
        """Write the checkpoint."""
        if is_main():
            file = self.directory.checkpoint_file
            save_checkpoint(file, self.system, self.optimizer, upcoming, self.memory, self.best)
        self.progress.saved()

    def close(self) -> None:
        """Take the progress bar away and close event files."""
        self.progress.close()
