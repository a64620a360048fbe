"""Choices of a run that do not change its numbers: where and how often to write, what to show, which device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is carried out.

    Args:
        progress: show a progress bar (never where the output is not a terminal).
        tensorboard: also write TensorBoard event files into the run folder.
        log_every: steps between two lines of metrics.jsonl.
        checkpoint_seconds: seconds between two checkpoints.
        checkpoint_steps: also checkpoint every so many steps; None for time alone.
        device: "cpu" to leave a GPU unused.
        cache_trunks: compute trunks in which a stage learns nothing once, not at every step; numbers agree to rounding.
        cache_folder: where; None: in the run folder until the run is finished. Runs over one base can share one.
        largest_cache: bytes above which a modality is not cached.
    """

    progress: bool = True
    tensorboard: bool = False
    log_every: int = 1
    checkpoint_seconds: float = 30.0
    checkpoint_steps: int | None = None
    device: Literal["cpu"] | None = None
    cache_trunks: bool = True
    cache_folder: Path | None = None
    largest_cache: int = 20 * 10**9
