"""How unlike two tables of scores are, row by row, as probabilities.

Legend: p = softmax(s / T) of the source, q = softmax(t / T) of the target, over the entries of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from trichord.shapes import Float, Tensor


def unlikeness(
    source: Float[Tensor, "rows entries"],
    target: Float[Tensor, "rows entries"],
    temperature: float,
    *,
    push: bool,
    along: int = 1,
) -> Tensor:
    """Return the loss of every row (along=1) or column (along=0): `divergence`, or `likeness` where nodes are pushed.

    Rows without entries have the loss 0.
    """
    if push:
        return likeness(source, target, temperature, along)
    return divergence(source, target, temperature, along)


def divergence(source: Tensor, target: Tensor, temperature: float, along: int = 1) -> Tensor:
    """Return KL(p || q) = sum_c p_c (log p_c - log q_c).

    The published code adds 1e-10 to q and to the ratio, against the logarithm of 0, which makes the divergence of
    equals other than 0 and bounds the loss of a target that is sure and wrong near 23 p. Logarithms of softmaxes need
    no such help, so this is the divergence itself.
    """
    log_p = (source / temperature).log_softmax(along)
    log_q = (target / temperature).log_softmax(along)
    return (log_p.exp() * (log_p - log_q)).sum(along)


def likeness(source: Tensor, target: Tensor, temperature: float, along: int = 1) -> Tensor:
    """Return the cosine of p and q, in (0, 1], what nodes that push each other apart minimise.

    Minami et al., "Deep Ensemble Collaborative Learning" (2021), the edge loss "-".
    """
    p, q = (source / temperature).softmax(along), (target / temperature).softmax(along)
    lengths = p.square().sum(along) * q.square().sum(along)
    return (p * q).sum(along) * lengths.clamp(min=torch.finfo(p.dtype).tiny).rsqrt()


@dataclass(frozen=True)
class BothWays:
    """Losses of the rows and of the columns of a table.

    Args:
        rows: (rows,) of each row's distribution over the columns.
        columns: (columns,) of each column's over the rows.
    """

    rows: Float[Tensor, " rows"]
    columns: Float[Tensor, " columns"]


# exp(-80) is still an ordinary number in fp32, with room for a sum over it and a division by that.
_WIDEST = 80.0


def unlikeness_both_ways(
    source: Float[Tensor, "rows columns"], target: Float[Tensor, "rows columns"], temperature: float, *, push: bool
) -> BothWays:
    """Return `unlikeness` along the rows and along the columns.

    Scores that lie close enough together, as cosines do at a temperature of 0.025 or more, need one exponential for
    both softmaxes, taken against the largest score of the whole table; that halves the time of what would otherwise be
    two divergences. Tables with a wider range take the two.
    """
    if not push and source.numel():
        theirs, ours = source / temperature, target / temperature
        (low_x, top_x), (low_y, top_y) = torch.aminmax(theirs), torch.aminmax(ours.detach())
        if max(float(top_x - low_x), float(top_y - low_y)) < _WIDEST:
            both: tuple[Tensor, Tensor] = _BothDivergences.apply(theirs, ours, top_x, top_y)  # type: ignore[no-untyped-call]
            return BothWays(*both)
    rows = unlikeness(source, target, temperature, push=push)
    return BothWays(rows, unlikeness(source, target, temperature, push=push, along=0))


class _BothDivergences(torch.autograd.Function):
    """KL(p || q) of rows and columns of two tables x and y of scores, with their maxima; the source x gets no gradient.

    With e = exp(x - max x), f = exp(y - max y) and r a row's sum of e (of f: s), its divergence is
    sum_j e_ij (x_ij - y_ij) / r_i - (log r_i + max x) + (log s_i + max y), and its gradient f_ij / s_i - e_ij / r_i.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, top_x: Tensor, top_y: Tensor) -> tuple[Tensor, Tensor]:
        e, f = (x - top_x).exp_(), (y - top_y).exp_()
        gap = (x - y).mul_(e)
        row_e, row_f, column_e, column_f = e.sum(1), f.sum(1), e.sum(0), f.sum(0)
        ctx.save_for_backward(e, f, row_e, row_f, column_e, column_f)
        rows = gap.sum(1) / row_e - (row_e.log() + top_x) + (row_f.log() + top_y)
        columns = gap.sum(0) / column_e - (column_e.log() + top_x) + (column_f.log() + top_y)
        return rows, columns

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_rows: Tensor, of_columns: Tensor) -> tuple[None, Tensor, None, None]:
        e, f, row_e, row_f, column_e, column_f = ctx.saved_tensors
        gradient = ((of_rows / row_f).unsqueeze(1) + of_columns / column_f).mul_(f)
        factors = (of_rows / row_e).unsqueeze(1) + of_columns / column_e
        return None, gradient.addcmul_(factors, e, value=-1), None, None
