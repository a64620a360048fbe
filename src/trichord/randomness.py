"""Every draw is a function of (seed, purpose, epoch, step): nothing random has to be saved or restored."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def derive_seed(seed: int, purpose: str, *counters: int) -> int:
    """Return a 63-bit seed for one purpose ("order", "captions", ...) and any counters (epoch, step, rank)."""
    text = f"{seed}/{purpose}/{'/'.join(map(str, counters))}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def numpy_generator(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """Return a NumPy generator for one purpose and position."""
    return np.random.default_rng(derive_seed(seed, purpose, *counters))


def torch_generator(seed: int, purpose: str, *counters: int) -> torch.Generator:
    """Return a CPU torch generator for one purpose and position."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, *counters))
