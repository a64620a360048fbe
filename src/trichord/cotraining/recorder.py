"""The hooks of co-training: progress per node, metrics, validation, checkpoints, and a clean stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from trichord.cotraining.build import Cast, verify_frozen
from trichord.cotraining.checkpoint import save_cast
from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.experiment import GraphExperimentConfig
from trichord.cotraining.loop import GraphStep
from trichord.dist import is_main
from trichord.runs import RunOptions
from trichord.runs.progress import Interruption, Progress
from trichord.training.loop import Position

Watch = Callable[[int, float], bool]
"""Called with (epochs done, value of the scored node) after every validation; False ends the training there."""


class Stopped(Exception):
    """The watch asked to end the training early."""


class GraphRecorder:
    """Hooks of one graph.

    Args:
        directory: where to write.
        config: the experiment.
        cast: its nodes.
        validate: name of a node -> its value on the selection split, None of a node that cannot be measured there; None
            without such a split.
        options: how often to write and what to show.
        interruption: whether the user asked to stop.
        watch: asked after every validation whether to go on; None always goes on.
        memory: plain data that goes into every checkpoint.
        num_steps: steps of one epoch.
        start: first step that will be taken.
    """

    def __init__(
        self,
        *,
        directory: GraphDirectory,
        config: GraphExperimentConfig,
        cast: Cast,
        validate: Callable[[str], float | None] | None,
        options: RunOptions,
        interruption: Interruption,
        watch: Watch | None,
        memory: dict[str, Any],
        num_steps: int,
        start: Position,
    ) -> None:
        self.directory, self.config, self.cast, self.validate = directory, config, cast, validate
        self.watch, self.memory = watch, memory
        self.began = time.monotonic() - memory.get("seconds", 0.0)
        self.stop = False
        self.progress = Progress(
            directory,
            options,
            interruption,
            name=directory.path.name,
            total=num_steps * config.epochs,
            done=num_steps * start.epoch + start.step,
        )

    def after_step(self, record: GraphStep) -> None:
        """Log the step."""
        due = self.progress.step()
        self.progress.bar.set_postfix({name: f"{sum(node.terms.values()):.3f}" for name, node in record.nodes.items()})
        if not due:
            return
        position = record.position
        self.directory.append_metrics(
            kind="step",
            stage=0,
            epoch=position.epoch,
            step=position.step,
            nodes={name: vars(node) for name, node in record.nodes.items()},
            items_per_second=round(record.items_per_second, 1),
        )
        for name, node in record.nodes.items():
            self.progress.draw(f"{name}/train", node.terms)

    def after_epoch(self, epoch: int) -> None:
        """Validate when it is due: the scored node, and at the end every node that answers a task."""
        last = epoch == self.config.epochs
        if self.validate is None or not (last or epoch % self.config.evaluate_every == 0):
            return
        scored = self.config.scored_node
        others = [name for name in self.config.graph.nodes if name != scored] if last else []
        answers = {name: self.validate(name) for name in [scored, *others]}
        values = {name: value for name, value in answers.items() if value is not None}
        if is_main():
            for name, value in values.items():
                self.directory.append_metrics(kind="validation", stage=0, epoch=epoch, node=name, value=value)
                self.progress.draw(f"{name}/validation", {self.config.selection.metric: value})
        if self.watch is not None and not self.watch(epoch, values[scored]):
            self.stop = not last

    def at_boundary(self, upcoming: Position) -> None:
        """Save a checkpoint when it is due, and stop here when the user or the watch asked to."""
        if self.stop:
            raise Stopped
        self.progress.boundary(partial(self.save, upcoming))

    def save(self, upcoming: Position) -> None:
        """Write the checkpoint, of nodes that learnt from what is as it was."""
        verify_frozen(self.cast)
        self.memory["seconds"] = time.monotonic() - self.began
        if is_main():
            save_cast(self.directory.checkpoint_file, self.cast, upcoming, self.memory)
        self.progress.saved()

    def close(self) -> None:
        """Take the progress bar away and close event files."""
        self.memory["seconds"] = time.monotonic() - self.began
        self.progress.close()


def replay(curve: list[tuple[int, float]], watch: Watch | None, last: int) -> bool:
    """Tell a watch all that was validated before; return whether it would go on.

    Args:
        curve: epochs done, and the value.
        watch: whom to tell.
        last: the last epoch, after which there is nothing to stop.
    """
    answers = [(epoch, watch(epoch, value)) for epoch, value in curve] if watch is not None else []
    return all(go_on for epoch, go_on in answers if epoch < last)
