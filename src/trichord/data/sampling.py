"""Which items form a batch, which instance of each is read, and which share a process takes: pure functions."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from trichord.data.dataset import Dataset
from trichord.randomness import numpy_generator
from trichord.shapes import Float, Int


def epoch_batches(
    items: Int[np.ndarray, " items"], batch_size: int, seed: int, epoch: int
) -> list[Int[np.ndarray, " batch"]]:
    """Shuffle items and cut them into batches.

    Returns:
        ceil(items / batch_size) batches whose sizes differ by at most one: no item is dropped, and no small last
        batch distorts a loss that depends on the batch size. A function of (seed, epoch).
    """
    assert batch_size > 0, "a batch has at least one item"
    if not len(items):
        return []
    order = numpy_generator(seed, "order", epoch).permutation(items)
    return list(np.array_split(order, -(-len(items) // batch_size)))


def shard(batch: Int[np.ndarray, " batch"], rank: int, world: int) -> Int[np.ndarray, " rows"]:
    """Return the rows of one process: contiguous shares, nearly equal, that make the batch when put in rank order."""
    return np.array_split(batch, world)[rank]


@lru_cache(maxsize=16)
def _draws(num_items: int, seed: int, purpose: str, epoch: int) -> Float[np.ndarray, " items"]:
    draws = numpy_generator(seed, purpose, epoch).random(num_items)
    draws.setflags(write=False)
    return draws


def draw_instances(
    dataset: Dataset, items: Int[np.ndarray, " rows"], modality: str, seed: int, epoch: int
) -> Int[np.ndarray, " rows"]:
    """Draw one instance per item, evenly among those it has.

    The draw is a function of (seed, modality, epoch, item): it does not depend on the batch an item is in, nor on the
    number of processes.

    Returns:
        (rows,) number of the instance in the modality's arrays, -1 where the item lacks the modality.
    """
    index = dataset.instances(modality)
    count = index.count[items]
    if not (count > 1).any():  # nothing to choose: spares a draw for every item of the data set
        return np.where(count > 0, index.first[items], -1)
    chosen = (_draws(len(dataset), seed, f"instances/{modality}", epoch)[items] * count).astype(np.int64)
    return np.where(count > 0, index.first[items] + chosen, -1)
