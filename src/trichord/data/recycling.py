"""Memory of large batches, used again: the system zeroes every page it hands out, which takes as long as reading."""

from __future__ import annotations

import math
import weakref
from collections import deque

import numpy as np

# As many as are in use at once while training: the batch learnt from, the one before it, the one being read.
MOST_KEPT = 3
# Smaller arrays come from memory the process has already.
SMALLEST = 2**20


class RecycledMemory:
    """Hands out float32 arrays and takes their memory back when no array, view or tensor uses it any more."""

    def __init__(self) -> None:
        self._free: deque[np.ndarray] = deque()

    def take(self, *shape: int) -> np.ndarray:
        """Return an array whose content is arbitrary."""
        count = math.prod(shape)
        if count < SMALLEST:
            return np.empty(shape, np.float32)
        memory = self._find(count)
        # Every view keeps the array alive that `frombuffer` made, for what lies below that is not an array; so its end
        # is the end of all uses.
        whole = np.frombuffer(memory.data, np.float32, count)
        weakref.finalize(whole, self._give_back, memory).atexit = False
        return whole.reshape(shape)

    def _find(self, count: int) -> np.ndarray:
        while self._free:
            try:
                memory = self._free.popleft()
            except IndexError:  # another thread took it
                break
            if len(memory) >= count:
                return memory
        return np.empty(count, np.float32)

    def _give_back(self, memory: np.ndarray) -> None:
        if len(self._free) < MOST_KEPT:
            self._free.append(memory)
