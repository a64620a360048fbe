"""Memory is used again when nothing uses it any more, and never before."""

from __future__ import annotations

import numpy as np
import torch

from trichord.data.recycling import MOST_KEPT, SMALLEST, RecycledMemory


def address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


def test_memory_is_used_again_once_the_array_is_gone() -> None:
    memory = RecycledMemory()
    first = memory.take(4, SMALLEST)
    place = address(first)
    second = memory.take(4, SMALLEST)
    assert address(second) != place
    del first
    again = memory.take(2, 2 * SMALLEST)
    assert (again.shape, again.dtype, address(again)) == ((2, 2 * SMALLEST), np.float32, place)
    assert again.flags.writeable


def test_views_and_tensors_keep_their_memory() -> None:
    memory = RecycledMemory()
    taken = memory.take(2, SMALLEST)
    taken[...] = 5
    part, tensor = taken[1, 3:7].reshape(2, 2), torch.from_numpy(taken)[0].unsqueeze(1)
    place = address(taken)
    del taken
    for _ in range(2 * MOST_KEPT):
        other = memory.take(2, SMALLEST)
        other[...] = 9
        assert address(other) != place
    assert (part == 5).all()
    assert bool((tensor == 5).all())
    del part
    assert address(memory.take(2, SMALLEST)) != place, "the tensor is left"
    del tensor, other
    kept = [memory.take(2, SMALLEST) for _ in range(MOST_KEPT)]
    assert place in map(address, kept)


def test_a_larger_array_gets_memory_of_its_own() -> None:
    memory = RecycledMemory()
    memory.take(1, SMALLEST)
    larger = memory.take(3, SMALLEST)
    larger[...] = 1
    assert larger.sum(dtype=np.float64) == 3 * SMALLEST


def test_few_are_kept_and_small_arrays_are_not() -> None:
    memory = RecycledMemory()
    taken = [memory.take(1, SMALLEST) for _ in range(MOST_KEPT + 2)]
    places = {address(array) for array in taken}
    taken.clear()
    assert len(places) == MOST_KEPT + 2
    assert len(memory._free) == MOST_KEPT
    assert memory.take(3, 0).shape == (3, 0)
    assert memory.take(2, 5).shape == (2, 5)
    assert len(memory._free) == MOST_KEPT
