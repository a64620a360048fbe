"""Where a source is right, which the gate "correct" asks."""

from __future__ import annotations

import torch

from trichord.graphs.output import Table
from trichord.shapes import Bool, Int, Tensor


@torch.no_grad()
def right_rows(
    table: Table, rows: Int[Tensor, " rows"], columns: Bool[Tensor, " columns"], top: int = 1
) -> Bool[Tensor, " rows"]:
    """Return whether the true column is among the first `top` of a row.

    Its rank is 1 + the number of other columns that score at least as much: ties count against the source, so that one
    that gives everything the same score is right nowhere, and so does a score that is not a number. The published gate
    takes the first of equal scores to be the answer.

    A source is not right about a row it does not hold, nor where the truth is unknown or a column that does not take
    part: there is no answer to be right about.

    Args:
        table: what the source says.
        rows: (rows,) places in the batch that are asked about.
        columns: (columns,) which columns take part: those that both nodes of the edge hold.
        top: number of first places that count as right.
    """
    if table.values.shape[1] == 0:
        return torch.zeros_like(rows, dtype=torch.bool)
    everything = len(rows) == len(table.values)  # rows are distinct and ascending
    scores = table.values if everything else table.values[rows]
    truth = table.truth[rows]
    place = truth.clamp(min=0)
    true_scores = scores.gather(1, place.unsqueeze(1))
    rank = (~(scores < true_scores) & columns).sum(1)  # the true column counts itself
    return table.rows[rows] & (truth >= 0) & columns[place] & (rank <= top)
