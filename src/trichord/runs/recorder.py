"""The hooks of a run: progress, metrics, validation, the best epoch so far, checkpoints, and a clean stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from trichord.dist import is_main
from trichord.runs.directory import Directory
from trichord.runs.options import RunOptions
from trichord.runs.progress import Interruption, Progress
from trichord.training.checkpoint import save_checkpoint
from trichord.training.loop import Position, StepRecord
from trichord.training.stage import Learning
from trichord.training.system import Trainable

Validate = Callable[[], Mapping[str, float]]


class Recorder:
    """Hooks of one stage, or of anything else that the loop trains.

    Args:
        directory: where to write.
        config: how it learns, and how long.
        name: what the progress bar is called.
        group: what its curves are called in event files.
        system: what is trained.
        optimizer: with what.
        validate: returns named validation metrics, the deciding one under "selection"; None without validation.
        options: how often to write and what to show.
        interruption: whether the user asked to stop.
        memory: plain data that goes into every checkpoint; holds "best_value", "best_epoch" and "seconds" so far.
        best: weights of the best epoch so far.
        num_steps: steps of one epoch.
        start: first step that will be taken; it says which stage this is.
    """

    def __init__(
        self,
        *,
        directory: Directory[Any],
        config: Learning,
        name: str,
        group: str,
        system: Trainable,
        optimizer: torch.optim.Optimizer,
        validate: Validate | None,
        options: RunOptions,
        interruption: Interruption,
        memory: dict[str, Any],
        best: dict[str, torch.Tensor],
        num_steps: int,
        start: Position,
    ) -> None:
        self.directory, self.config, self.stage, self.system = directory, config, start.stage, system
        self.optimizer, self.validate, self.memory, self.best = optimizer, validate, memory, best
        self.group, self.began = group, time.monotonic() - memory["seconds"]
        self.progress = Progress(
            directory,
            options,
            interruption,
            name=name,
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
            self.directory.append_metrics(kind="validation", stage=self.stage, epoch=epoch, metrics=values)
            self.progress.draw(f"{self.group}/validation", values)
            self.progress.bar.set_postfix(
                validation=f"{values['selection']:.2f}", best=f"{self.memory['best_value']:.2f}"
            )

    def at_boundary(self, upcoming: Position) -> None:
        """Save a checkpoint when it is due, and stop here when the user asked to."""
        self.progress.boundary(partial(self.save, upcoming))

    def save(self, upcoming: Position) -> None:
        """Write the checkpoint."""
        self.memory["seconds"] = time.monotonic() - self.began
        if is_main():
            file = self.directory.checkpoint_file
            save_checkpoint(file, self.system, self.optimizer, upcoming, self.memory, self.best)
        self.progress.saved()

    def close(self) -> None:
        """Take the progress bar away and close event files."""
        self.memory["seconds"] = time.monotonic() - self.began
        self.progress.close()
