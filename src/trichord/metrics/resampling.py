"""The draws behind intervals and paired tests: which items, which seeds, which signs.

They are functions of the numbers of items and draws and of a seed, so that measures of the same items share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

import numpy as np

from trichord.randomness import numpy_generator
from trichord.shapes import Float

CHUNK_CELLS = 2**22
KEPT_CELLS = 2**24
Draw = Callable[[int, int, int, int], Iterator[np.ndarray]]


def item_weights(num_items: int, num_resamples: int, seed: int) -> Iterable[Float[np.ndarray, "resamples items"]]:
    """Return chunks of (resamples, items) multinomial counts; each row sums to the number of items."""
    return _chunks(_weight_chunks, num_resamples, num_items, seed)


def random_signs(num_items: int, num_draws: int, seed: int) -> Iterable[Float[np.ndarray, "draws items"]]:
    """Return chunks of (draws, items) random signs, -1 and 1."""
    return _chunks(_sign_chunks, num_draws, num_items, seed)


def average_drawn_seeds(
    values: Float[np.ndarray, "resamples measures seeds"], seed: int, purpose: str = "seeds"
) -> Float[np.ndarray, "resamples measures"]:
    """Average over seeds drawn with replacement, anew for every resample; where there is one seed, take it.

    Args:
        values: one per resample, measure and seed.
        seed: seed of the draws.
        purpose: draws of different purposes are independent; those of the same purpose equal.
    """
    resamples, _, seeds = values.shape
    if seeds == 1:
        single: np.ndarray = values[:, :, 0]
        return single
    drawn = numpy_generator(seed, f"bootstrap {purpose}").integers(0, seeds, (resamples, 1, seeds))
    averages: np.ndarray = np.take_along_axis(values, np.broadcast_to(drawn, values.shape), axis=2).mean(axis=2)
    return averages


def _chunks(draw: Draw, num_rows: int, num_items: int, seed: int) -> Iterable[np.ndarray]:
    """Return what `draw` yields, kept for the next call where it is small.

    A table makes hundreds of comparisons over the same items, and they may share their draws.
    """
    if num_rows * num_items <= KEPT_CELLS:
        return _kept(draw, num_rows, num_items, seed, CHUNK_CELLS)
    return draw(num_rows, num_items, seed, CHUNK_CELLS)


@lru_cache(maxsize=2)
def _kept(draw: Draw, num_rows: int, num_items: int, seed: int, cells: int) -> tuple[np.ndarray, ...]:
    return tuple(draw(num_rows, num_items, seed, cells))


def _sign_chunks(num_rows: int, num_items: int, seed: int, cells: int) -> Iterator[np.ndarray]:
    generator = numpy_generator(seed, "sign flips")
    for rows in _rows_per_chunk(num_rows, num_items, cells):
        yield generator.integers(0, 2, (rows, num_items), dtype=np.int8).astype(np.float64) * 2.0 - 1.0


def _weight_chunks(num_rows: int, num_items: int, seed: int, cells: int) -> Iterator[np.ndarray]:
    generator = numpy_generator(seed, "bootstrap items")
    for rows in _rows_per_chunk(num_rows, num_items, cells):
        drawn = generator.integers(0, num_items, (rows, num_items)) + np.arange(rows)[:, None] * num_items
        counts = np.bincount(drawn.reshape(-1), minlength=rows * num_items)
        yield counts.reshape(rows, num_items).astype(np.float64)


def _rows_per_chunk(num_rows: int, num_items: int, cells: int) -> Iterator[int]:
    step = max(1, cells // max(1, num_items))
    return (min(step, num_rows - start) for start in range(0, num_rows, step))
