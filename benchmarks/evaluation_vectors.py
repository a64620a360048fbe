"""Unit vectors of queries and of the gallery rows they look for."""

from __future__ import annotations

import torch

from trichord.randomness import torch_generator


def drawn_vectors(num_rows: int, dim: int, purpose: str) -> torch.Tensor:
    """Return random unit rows; rows i drawn for two purposes resemble each other, so that one looks for the other."""
    generator = torch_generator(0, f"benchmark {purpose}")
    shared = torch.randn(num_rows, dim, generator=torch_generator(0, "benchmark vectors"))
    for first in range(0, num_rows, 4096):
        chunk = shared[first : first + 4096]
        chunk += 4 * torch.randn(chunk.shape, generator=generator)
        chunk /= chunk.norm(dim=1, keepdim=True)
    return shared
