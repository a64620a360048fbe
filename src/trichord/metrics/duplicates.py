"""Finding equal rows of a matrix exactly, in linear time, by an integer key of their bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from trichord.shapes import Float, Int, Tensor


@dataclass(frozen=True)
class DistinctRows:
    """The distinct rows of a matrix.

    Args:
        representatives: (distinct,) a row number of each distinct row, ascending: its first occurrence.
        multiplicity: (distinct,) how often it occurs.
        index: (rows,) which distinct row each row equals.
    """

    representatives: Int[np.ndarray, " distinct"]
    multiplicity: Int[np.ndarray, " distinct"]
    index: Int[np.ndarray, " rows"]


def distinct_rows(vectors: Float[Tensor, "rows dim"], chunk: int = 16384) -> DistinctRows | None:
    """Return the distinct rows of a float32 matrix, or None when no two rows are equal.

    Rows get a 64-bit key: the sum of their values' bits, each times an odd number of its column. Integer sums do not
    depend on their order, so equal rows have equal keys on every machine; rows that share a key are then compared.
    """
    keys = _keys(vectors)
    _, first, index, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    if len(first) == len(keys):
        return None
    shared = np.flatnonzero(counts[index] > 1)
    for start in range(0, len(shared), chunk):
        rows = torch.from_numpy(shared[start : start + chunk]).to(vectors.device)
        others = torch.from_numpy(first[index[shared[start : start + chunk]]]).to(vectors.device)
        if not torch.equal(vectors[rows], vectors[others]):
            # Two different rows share a 64-bit key: as good as impossible, yet the slow exact way costs four lines.
            plain = vectors.cpu().numpy() + 0.0
            _, first, index, counts = np.unique(
                plain, axis=0, return_index=True, return_inverse=True, return_counts=True
            )
            break
    ascending = np.argsort(first)
    position = np.empty_like(ascending)
    position[ascending] = np.arange(len(ascending))
    return DistinctRows(first[ascending], counts[ascending], position[index.reshape(-1)])


def _keys(vectors: Tensor) -> np.ndarray:
    """Return (rows,) keys; arithmetic wraps modulo 2^64."""
    factors = np.random.default_rng(0).integers(1, 2**62, vectors.shape[1], dtype=np.int64) * 2 + 1
    # On the CPU so few rows at once that their 64-bit copies stay near the processor, and in NumPy: PyTorch would wait
    # for all threads at every small step.
    at_once = max(1, 2**18 // vectors.shape[1]) if vectors.device.type == "cpu" else 16384
    multipliers = torch.from_numpy(factors).to(vectors.device)
    keys = []
    for start in range(0, len(vectors), at_once):
        part = vectors[start : start + at_once]
        # Adding zero turns -0.0 into 0.0: equal numbers, equal bits.
        if part.device.type == "cpu":
            keys.append((part.numpy() + np.float32(0)).view(np.int32).astype(np.int64) @ factors)
        else:
            keys.append(((part + 0.0).view(torch.int32).long() * multipliers).sum(dim=1).cpu().numpy())
    return np.concatenate(keys)
