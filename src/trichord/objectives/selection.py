"""Choosing rows by a mask, without a copy where all are chosen."""

from __future__ import annotations

from trichord.shapes import Bool, Tensor


def chosen_rows(values: Tensor, chosen: Bool[Tensor, " rows"]) -> Tensor:
    """Return `values[chosen]`, or `values` themselves when every row is chosen.

    That is the case in most batches, where a copy, and one of the gradient on the way back, would be for nothing.
    """
    return values if bool(chosen.all()) else values[chosen]
