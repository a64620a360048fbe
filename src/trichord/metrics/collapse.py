"""How spread out a set of embeddings is, and words for one that has collapsed."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from trichord.shapes import Float, Tensor

COLLAPSED_COSINE = 0.999
COLLAPSED_RANK = 1.5


@dataclass(frozen=True)
class Spread:
    """How spread out embeddings are.

    Args:
        mean_cosine: mean cosine over all pairs of different rows; 1 when all point the same way.
        effective_rank: participation ratio of the covariance's eigenvalues, (sum)^2 / sum of squares: about the number
            of directions the embeddings vary in; 0 when they do not vary.
    """

    mean_cosine: float
    effective_rank: float


def spread(vectors: Float[Tensor, "rows dim"]) -> Spread:
    """Measure at least two non-zero vectors by their directions, in time linear in the number of rows."""
    unit = torch.nn.functional.normalize(vectors.double(), dim=1)
    num_rows = len(unit)
    total = unit.sum(dim=0)
    mean_cosine = (float(total @ total) - num_rows) / (num_rows * (num_rows - 1))
    centred = unit - total / num_rows
    gram = centred.T @ centred if unit.shape[1] <= num_rows else centred @ centred.T
    trace, squares = float(gram.trace()), float((gram * gram).sum())
    # Below this the rows differ by rounding only, and the ratio would describe the rounding.
    varies = trace > 1e-12 * num_rows
    return Spread(mean_cosine, trace * trace / squares if varies else 0.0)


def describe_collapse(vectors: Float[Tensor, "rows dim"]) -> str | None:
    """Return words for embeddings that have collapsed to a point or onto a line, None for healthy ones.

    Fewer than three rows are not judged: two vectors always lie on a line.
    """
    if len(vectors) < 3:
        return None
    found = spread(vectors)
    if found.mean_cosine > COLLAPSED_COSINE:
        return f"all embeddings are equal (mean cosine {found.mean_cosine:.4f})"
    if found.effective_rank < COLLAPSED_RANK and vectors.shape[1] > 2:
        return f"all embeddings lie on one line (effective rank {found.effective_rank:.2f})"
    return None
