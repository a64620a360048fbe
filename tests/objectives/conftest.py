"""Embeddings with chosen missing rows, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch

from trichord.batch import Embeddings

MakeEmbeddings = Callable[..., Embeddings]


@pytest.fixture
def make_embeddings() -> MakeEmbeddings:
    def make(
        batch: int = 12,
        dim: int = 8,
        missing: Mapping[str, tuple[int, ...]] | None = None,
        names: tuple[str, ...] = ("video", "audio", "text"),
        seed: int = 0,
    ) -> Embeddings:
        generator = torch.Generator().manual_seed(seed)
        vectors, present, targets = {}, {}, {}
        for name in names:
            held = torch.ones(batch, dtype=torch.bool)
            held[list((missing or {}).get(name, ()))] = False
            keep = held.unsqueeze(1)
            vectors[name] = (torch.randn(batch, dim, generator=generator) * keep).requires_grad_()
            targets[name] = (torch.randn(batch, 5, generator=generator) * keep).requires_grad_()
            present[name] = held
        return Embeddings(vectors, present, targets)

    return make
