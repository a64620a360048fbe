"""A first-in-first-out memory of rows, written in place."""

from __future__ import annotations

import torch
from torch import nn

from trichord.errors import ConfigError
from trichord.shapes import Float, Tensor


class RingBuffer(nn.Module):
    """The last `capacity` rows pushed, in a preallocated table whose oldest slots are overwritten.

    The reference implementation of MCN shifts the whole queue with a clone in every step; here a push touches only the
    slots it writes. Rows, cursor and count are buffers, so a checkpoint holds them.

    Args:
        capacity: number of rows kept; 0 keeps nothing.
        dim: width of a row.
    """

    rows: Tensor
    cursor: Tensor
    filled: Tensor

    def __init__(self, capacity: int, dim: int) -> None:
        if capacity < 0 or dim < 1:
            raise ConfigError(f"a memory holds at least 0 rows of width at least 1, got {capacity} rows, width {dim}")
        super().__init__()
        self.capacity = capacity
        self.register_buffer("rows", torch.zeros(capacity, dim))
        self.register_buffer("cursor", torch.tensor(0))
        self.register_buffer("filled", torch.tensor(0))

    @torch.no_grad()
    def push(self, rows: Float[Tensor, "batch dim"]) -> None:
        """Write rows over the oldest; of more rows than the capacity, the last ones stay."""
        kept = rows[max(len(rows) - self.capacity, 0) :]
        if len(kept) == 0 or self.capacity == 0:
            return
        # The cursor passes over the slots of the rows that were skipped, as if they had been written and overwritten.
        first = self.cursor + (len(rows) - len(kept))
        slots = (first + torch.arange(len(kept), device=self.rows.device)) % self.capacity
        self.rows[slots] = kept.to(self.rows.dtype)
        self.cursor.add_(len(rows)).remainder_(self.capacity)
        self.filled.add_(len(rows)).clamp_(max=self.capacity)

    def content(self) -> Float[Tensor, "memory dim"]:
        """Return a view of the rows held, in the order of their slots (not of their age); the next push changes it."""
        return self.rows[: int(self.filled)]
