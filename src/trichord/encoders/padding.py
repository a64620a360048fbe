"""Which positions of padded sequences are true, and averages over those alone."""

from __future__ import annotations

import torch

from trichord.shapes import Bool, Float, Int, Tensor


def true_positions(lengths: Int[Tensor, " rows"], time: int) -> Bool[Tensor, "rows {time}"]:
    """Return (rows, time): whether position t of a row lies before its length."""
    return torch.arange(time, device=lengths.device) < lengths[:, None]


def mean_of_first(
    sequences: Float[Tensor, "rows time features"], counts: Int[Tensor, " rows"]
) -> Float[Tensor, "rows features"]:
    """Average the first `counts` positions of every row; what lies behind them has no influence, not even as NaN.

    Args:
        sequences: (rows, time, features).
        counts: (rows,) number of positions to average, 1 ... time.
    """
    kept = true_positions(counts, sequences.shape[1])[:, :, None]
    return sequences.masked_fill(~kept, 0).sum(dim=1) / counts[:, None]
