"""The hooks of a run: progress, metrics, validation, the best epoch so far, checkpoints, and a clean stop."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from tqdm import tqdm

from trichord.dist import is_main
from trichord.optional import require
from trichord.runs.directory import RunDirectory
from trichord.runs.options import RunOptions
from trichord.training.checkpoint import save_checkpoint
from trichord.training.loop import Position, StepRecord
from trichord.training.stage import StageConfig
from trichord.training.system import System

Validate = Callable[[], Mapping[str, float]]


class Interruption:
    """Remembers that the user asked to stop (Ctrl-C or SIGTERM), so that the step in hand can be finished first."""

    requested = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen while the block runs; a second request stops at once. Without effect outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def remember(number: int, frame: Any) -> None:
            if self.requested:
                raise KeyboardInterrupt
            self.requested = True

        before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


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
        self.optimizer, self.validate, self.options, self.interruption = optimizer, validate, options, interruption
        self.memory, self.best = memory, best
        self.saved_at, self.steps_since_save = time.monotonic(), 0
        hidden = not (options.progress and is_main() and sys.stderr.isatty())
        self.bar = tqdm(
            total=num_steps * config.last_epoch,
            initial=num_steps * start.epoch + start.step,
            disable=hidden,
            desc=f"{directory.path.name} stage {number + 1}",
            unit="step",
            leave=False,
        )
        self.board = None
        if options.tensorboard and is_main():
            board = require("torch.utils.tensorboard", "tensorboard", "--tensorboard")
            self.board = board.SummaryWriter(str(directory.tensorboard_folder))
        self.global_step = num_steps * start.epoch + start.step

    def after_step(self, record: StepRecord) -> None:
        """Log the step."""
        self.bar.update()
        self.global_step += 1
        self.steps_since_save += 1
        if not is_main() or (self.global_step - 1) % self.options.log_every:
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
        self._board("train", {"loss": record.loss, **record.terms, "gradient_norm": record.gradient_norm})

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
            self._board("validation", values)
            self.bar.set_postfix(validation=f"{values['selection']:.2f}", best=f"{self.memory['best_value']:.2f}")

    def at_boundary(self, upcoming: Position) -> None:
        """Save a checkpoint when it is due, and stop here when the user asked to."""
        every = self.options.checkpoint_steps
        due = time.monotonic() - self.saved_at >= self.options.checkpoint_seconds
        if due or self.interruption.requested or (every is not None and self.steps_since_save >= every):
            self.save(upcoming)
        if self.interruption.requested:
            raise KeyboardInterrupt

    def save(self, upcoming: Position) -> None:
        """Write the checkpoint."""
        if is_main():
            file = self.directory.checkpoint_file
            save_checkpoint(file, self.system, self.optimizer, upcoming, self.memory, self.best)
        self.saved_at, self.steps_since_save = time.monotonic(), 0

    def close(self) -> None:
        """Take the progress bar away and close event files."""
        self.bar.close()
        if self.board is not None:
            self.board.close()

    def _board(self, group: str, values: Mapping[str, float]) -> None:
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(f"stage{self.number + 1}/{group}/{name}", value, self.global_step)
