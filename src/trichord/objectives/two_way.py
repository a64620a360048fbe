"""Cross-entropy over the rows and over the columns of one table, from one exponential for each entry.

Legend: L (n, n) logits with the true pairs on the diagonal, of which a margin is taken off first; r_i, c_j the sums of
exp(L - top) over row i and over column j, top the largest logit of all.

    logsumexp_j L_ij = top + log r_i        d(sum_i logsumexp_j L_ij) / dL_ij = exp(L_ij - top) / r_i

and likewise for columns. So the table E = exp(L - top) serves both directions, forward and backward, where the textbook
form takes four exponentials and a dozen passes over memory. It is worked on in tiles that fit the processor's cache.
One `top` for all rows is exact as long as no row's or column's largest logit lies more than `WIDEST` below it: E then
stays well above the smallest normal number. Tables that are wider, or hold NaN, take the textbook form.

In either form entries of -inf are left out, as long as none is on the diagonal: they are 0 in E, as is their gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from trichord.shapes import Float, Tensor

WIDEST = 60.0
TILE_ENTRIES = 2**18


class TwoWay(NamedTuple):
    """What both directions need.

    Args:
        rows: (n,) log-sum-exp of every row.
        columns: (n,) log-sum-exp of every column.
        true: (n,) logits of the true pairs.
    """

    rows: Float[Tensor, " n"]
    columns: Float[Tensor, " n"]
    true: Float[Tensor, " n"]


def two_way(logits: Float[Tensor, "n n"], margin: float = 0.0) -> TwoWay:
    """Return the log-sums of rows and columns and the diagonal, of logits - margin I, in float32 at least."""
    tops = [(tile.amax(1), tile.amax(0)) for _, tile in _tiles(logits.detach())]
    largest_of_rows = torch.cat([rows for rows, _ in tops])
    largest_of_columns = torch.stack([columns for _, columns in tops]).amax(0)
    top = largest_of_rows.amax()
    lowest = torch.minimum(largest_of_rows.amin(), largest_of_columns.amin())
    if bool(top - lowest <= WIDEST - margin):
        return TwoWay(*_OneExponential.apply(logits, top, margin))  # type: ignore[no-untyped-call]
    wide = logits.to(_widened(logits)) - margin * torch.eye(len(logits), device=logits.device)
    return TwoWay(wide.logsumexp(1), wide.logsumexp(0), wide.diagonal())


def _widened(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


def _tiles(table: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield blocks of rows: small enough for the cache on a CPU, all rows at once on a GPU."""
    rows = max(1, TILE_ENTRIES // table.shape[1]) if table.device.type == "cpu" else len(table)
    for first in range(0, len(table), rows):
        chosen = slice(first, min(first + rows, len(table)))
        yield chosen, table[chosen]


class _OneExponential(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, top: Tensor, margin: float) -> tuple[Tensor, Tensor, Tensor]:
        dtype = _widened(logits)
        top = top.to(dtype)
        table = torch.empty(logits.shape, dtype=dtype, device=logits.device)
        row_sums = torch.empty(len(logits), dtype=dtype, device=logits.device)
        column_sums = torch.zeros_like(row_sums)
        for chosen, tile in _tiles(logits):
            exponential = table[chosen].copy_(tile).sub_(top)
            exponential.diagonal(chosen.start).sub_(margin)
            exponential.exp_()
            torch.sum(exponential, 1, out=row_sums[chosen])
            column_sums += exponential.sum(0)
        ctx.save_for_backward(table, row_sums, column_sums)
        ctx.logits_dtype = logits.dtype
        return top + row_sums.log(), top + column_sums.log(), logits.diagonal().to(dtype) - margin

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_rows: Tensor, of_columns: Tensor, of_true: Tensor) -> tuple[Tensor, None, None]:
        table, row_sums, column_sums = ctx.saved_tensors
        row_factors, column_factors = of_rows / row_sums, of_columns / column_sums
        gradient = torch.empty(table.shape, dtype=ctx.logits_dtype, device=table.device)
        for chosen, tile in _tiles(table):
            factors = row_factors[chosen, None] + column_factors
            factors.mul_(tile)
            factors.diagonal(chosen.start).add_(of_true[chosen])
            gradient[chosen] = factors
        return gradient, None, None
