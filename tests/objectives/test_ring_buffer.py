from __future__ import annotations

from collections import deque

import pytest
import torch

from trichord.errors import ConfigError
from trichord.objectives import RingBuffer


@pytest.mark.parametrize("sizes", [(3, 3, 3, 3), (1, 4, 0, 6, 2), (7, 7), (20, 3), (2, 23, 1)])
def test_holds_what_a_deque_holds(sizes: tuple[int, ...]) -> None:
    memory, expected = RingBuffer(7, 1), deque[float](maxlen=7)
    count = 0.0
    for size in sizes:
        rows = count + torch.arange(size, dtype=torch.float).unsqueeze(1)
        count += size
        memory.push(rows)
        expected.extend(rows.squeeze(1).tolist())
        assert sorted(memory.content().squeeze(1).tolist()) == list(expected)
        assert int(memory.filled) == len(expected)
        oldest = int(memory.cursor) if len(expected) == 7 else 0
        assert memory.content().roll(-oldest, 0).squeeze(1).tolist() == list(expected)


def test_rows_are_written_in_place_without_a_graph() -> None:
    memory = RingBuffer(4, 2)
    place = memory.rows.data_ptr()
    memory.push(torch.ones(3, 2, requires_grad=True) * 2)
    assert memory.rows.data_ptr() == place == memory.content().data_ptr()
    assert not memory.content().requires_grad
    assert memory.content().tolist() == [[2.0, 2.0]] * 3


def test_a_copy_of_the_state_goes_on_alike() -> None:
    one, other = RingBuffer(5, 2), RingBuffer(5, 2)
    one.push(torch.randn(8, 2))
    other.load_state_dict(one.state_dict())
    more = torch.randn(3, 2)
    one.push(more)
    other.push(more)
    assert torch.equal(one.content(), other.content())
    assert torch.equal(one.cursor, other.cursor)


def test_no_capacity_keeps_nothing() -> None:
    memory = RingBuffer(0, 3)
    memory.push(torch.ones(2, 3))
    assert memory.content().shape == (0, 3)


@pytest.mark.parametrize(("capacity", "dim"), [(-1, 2), (3, 0)])
def test_impossible_sizes_are_refused(capacity: int, dim: int) -> None:
    with pytest.raises(ConfigError, match="a memory holds"):
        RingBuffer(capacity, dim)
