"""Timing two sides in turns, so that a noisy neighbour slows both."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes, work queued on a GPU included."""
    _settle()
    began = time.perf_counter()
    call()
    _settle()
    return time.perf_counter() - began


def in_turns(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time every call once in each of `rounds` rounds: A B A B ..."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(seconds(call))
    return found


def processor_seconds(call: Callable[[], object]) -> float:
    """Return the seconds all threads of this process compute during a call, however many of them do so at once."""
    began = time.process_time()
    call()
    return time.process_time() - began


def spread(baseline: list[float], ours: list[float]) -> str:
    """Return the ratio of the fastest and of the median runs, in words: noise makes them differ."""
    return f"ratio of minima {min(baseline) / min(ours):.2f}, of medians {median(baseline) / median(ours):.2f}"


def _settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
