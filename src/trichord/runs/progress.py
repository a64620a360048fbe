"""When a training writes a line, saves a checkpoint and stops, and what shows meanwhile how far it is."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from trichord.dist import is_main
from trichord.optional import require
from trichord.runs.directory import Directory
from trichord.runs.options import RunOptions


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


class Progress:
    """Counts the steps of a training.

    Args:
        directory: where event files are written.
        options: how often to write and what to show.
        interruption: whether the user asked to stop.
        name: what the bar is called.
        total: number of steps.
        done: how many were taken before.
    """

    def __init__(
        self,
        directory: Directory[Any],
        options: RunOptions,
        interruption: Interruption,
        *,
        name: str,
        total: int,
        done: int,
    ) -> None:
        self.options, self.interruption = options, interruption
        self.steps = done
        self.saved_at, self.unsaved = time.monotonic(), 0
        hidden = not (options.progress and is_main() and sys.stderr.isatty())
        self.bar = tqdm(total=total, initial=done, disable=hidden, desc=name, unit="step", leave=False)
        self.board = None
        if options.tensorboard and is_main():
            board = require("torch.utils.tensorboard", "tensorboard", "--tensorboard")
            self.board = board.SummaryWriter(str(directory.tensorboard_folder))

    def step(self) -> bool:
        """Count a step; return whether this process logs it."""
        self.bar.update()
        self.steps += 1
        self.unsaved += 1
        return is_main() and (self.steps - 1) % self.options.log_every == 0

    def boundary(self, save: Callable[[], None]) -> None:
        """Save when a checkpoint is due, and stop here, once that is done, when the user asked to."""
        every = self.options.checkpoint_steps
        due = time.monotonic() - self.saved_at >= self.options.checkpoint_seconds
        if due or self.interruption.requested or (every is not None and self.unsaved >= every):
            save()
        if self.interruption.requested:
            raise KeyboardInterrupt

    def saved(self) -> None:
        """Remember that a checkpoint was written now."""
        self.saved_at, self.unsaved = time.monotonic(), 0

    def draw(self, group: str, values: Mapping[str, float]) -> None:
        """Write values into the event files, where there are any."""
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(f"{group}/{name}", value, self.steps)

    def close(self) -> None:
        """Take the bar away and close event files."""
        self.bar.close()
        if self.board is not None:
            self.board.close()
