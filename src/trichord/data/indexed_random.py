"""A random stream that can be read at any place: what item i draws costs nothing for the items before it.

A generator of NumPy yields its numbers in order, so that the draws of some items of a data set cost those of all. Here
entry i is a function of the seed and i alone: entry i of the SplitMix64 stream (Steele, Lea and Flood, OOPSLA 2014).
"""

from __future__ import annotations

import numpy as np

from trichord.randomness import derive_seed
from trichord.shapes import Int

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIXERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def random_words(seed: int, purpose: str, epoch: int, places: Int[np.ndarray, " rows"]) -> np.ndarray:
    """Return the (rows,) uint64 random numbers at places, from 0, of the stream for one purpose and epoch."""
    first = np.uint64(derive_seed(seed, purpose, epoch))
    words: np.ndarray = (places.astype(np.uint64) + np.uint64(1)) * _STEP + first
    for shift, factor in _MIXERS:
        words = (words ^ (words >> np.uint64(shift))) * np.uint64(factor)
    words = words ^ (words >> np.uint64(31))
    return words
