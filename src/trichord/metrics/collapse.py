"""How spread out a set of embeddings is, and words for one that has collapsed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from trichord.shapes import Float, Tensor

COLLAPSED_COSINE = 0.999
COLLAPSED_RANK = 1.5
# Rows whose Gram matrix is made at once; healthy rows have at least about so many directions by the cheap bound.
_BLOCK = 32


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


@dataclass(frozen=True)
class _Directions:
    """Directions of rows, made part by part, so that no second copy of many rows is needed.

    In NumPy, which counts on the calling thread: PyTorch would wait for all threads at every small step.

    Args:
        vectors: (rows, dim) the rows, of any length but zero.
        mean: (dim,) mean direction, float64.
    """

    vectors: np.ndarray
    mean: np.ndarray

    @property
    def mean_cosine(self) -> float:
        """Mean cosine over all pairs of different rows."""
        number = len(self.vectors)
        return (float(self.mean @ self.mean) * number - 1) / (number - 1)

    def centred(self) -> Iterator[np.ndarray]:
        """Yield (some rows, dim) directions less their mean, float64."""
        return (unit - self.mean for unit in _unit_parts(self.vectors))


def spread(vectors: Float[Tensor, "rows dim"]) -> Spread:
    """Measure at least two non-zero vectors by their directions; takes rows x dim x the smaller of them of time."""
    found = _directions(vectors)
    return Spread(found.mean_cosine, _effective_rank(found))


def _directions(vectors: Tensor) -> _Directions:
    rows = vectors.cpu().numpy()
    total = np.zeros(rows.shape[1])
    for unit in _unit_parts(rows):
        total += unit.sum(axis=0)
    return _Directions(rows, total / len(rows))


def _unit_parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(rows), _BLOCK):
        part = rows[first : first + _BLOCK].astype(np.float64)
        yield part / np.maximum(np.sqrt(np.einsum("ij,ij->i", part, part)), 1e-12)[:, None]


def _effective_rank(found: _Directions) -> float:
    centred = torch.from_numpy(np.concatenate(list(found.centred())))
    gram = centred.T @ centred if centred.shape[1] <= len(centred) else centred @ centred.T
    trace, squares = float(gram.trace()), float((gram * gram).sum())
    return trace * trace / squares if _varies(trace, len(centred)) else 0.0


def _varies(trace: float, num_rows: int) -> bool:
    """Whether directions do; below this they differ by rounding only, and the ratio would describe the rounding."""
    return trace > 1e-12 * num_rows


def _least_effective_rank(found: _Directions) -> float:
    """Return a number that the effective rank is not below, in time linear in the rows.

    The covariance is the sum of those of blocks of rows, so its Frobenius norm is at most the sum of theirs; and that
    of a block is the norm of its small Gram matrix.
    """
    trace = norms = 0.0
    for block in found.centred():
        gram = block @ block.T
        trace, norms = trace + float(np.trace(gram)), norms + float(np.linalg.norm(gram))
    return (trace / norms) ** 2 if _varies(trace, len(found.vectors)) else 0.0


def describe_collapse(vectors: Float[Tensor, "rows dim"]) -> str | None:
    """Return words for embeddings that have collapsed to a point or onto a line, None for healthy ones.

    Fewer than three rows are not judged: two vectors always lie on a line.
    """
    if len(vectors) < 3:
        return None
    found = _directions(vectors)
    if found.mean_cosine > COLLAPSED_COSINE:
        return f"all embeddings are equal (mean cosine {found.mean_cosine:.4f})"
    if vectors.shape[1] > 2 and _least_effective_rank(found) < COLLAPSED_RANK:
        rank = _effective_rank(found)
        if rank < COLLAPSED_RANK:
            return f"all embeddings lie on one line (effective rank {rank:.2f})"
    return None
