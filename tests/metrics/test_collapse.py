from __future__ import annotations

import numpy as np
import pytest
import torch

from trichord.metrics.collapse import (
    COLLAPSED_RANK,
    _directions,
    _least_effective_rank,
    describe_collapse,
    spread,
)


def test_mean_cosine_and_effective_rank_equal_plain_loops() -> None:
    vectors = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    unit = vectors.numpy() / np.linalg.norm(vectors.numpy(), axis=1, keepdims=True)
    cosines = [unit[i] @ unit[j] for i in range(12) for j in range(12) if i != j]
    eigenvalues = np.linalg.eigvalsh(np.cov(unit.T))
    found = spread(vectors)
    assert found.mean_cosine == pytest.approx(np.mean(cosines))
    assert found.effective_rank == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())
    assert spread(vectors[:4]).effective_rank > 0


def test_the_cheap_bound_never_passes_the_effective_rank() -> None:
    generator = torch.Generator().manual_seed(0)
    for rows, dim, noise in ((200, 9, 0.01), (200, 9, 3.0), (90, 120, 0.3), (33, 5, 0.0)):
        line = torch.outer(torch.randn(rows, generator=generator), torch.randn(dim, generator=generator))
        vectors = line + noise * torch.randn(rows, dim, generator=generator)
        found = spread(vectors)
        assert _least_effective_rank(_directions(vectors)) <= found.effective_rank * (1 + 1e-9)
        collapsed = found.effective_rank < COLLAPSED_RANK
        assert (describe_collapse(vectors) is not None) == collapsed


def test_healthy_embeddings_have_no_verdict() -> None:
    assert describe_collapse(torch.randn(50, 16, generator=torch.Generator().manual_seed(0))) is None


def test_equal_embeddings_are_named() -> None:
    vector = torch.randn(1, 16, generator=torch.Generator().manual_seed(0))
    assert "equal" in (describe_collapse(vector.expand(20, -1)) or "")
    assert spread(vector.expand(20, -1)).effective_rank == 0.0
    scaled = vector * torch.rand(20, 1, generator=torch.Generator().manual_seed(1))
    assert "equal" in (describe_collapse(scaled + 0.001 * torch.randn(20, 16)) or "equal")


def test_embeddings_on_one_line_are_named() -> None:
    signs = torch.tensor([1.0, -1.0]).repeat(10)[:, None]
    assert "one line" in (describe_collapse(signs * torch.ones(1, 16)) or "")


def test_two_rows_are_not_judged() -> None:
    assert describe_collapse(torch.ones(2, 4)) is None
