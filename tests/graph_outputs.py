"""Outputs of made-up nodes, and plain NumPy loops to check what passes between them. Shared by the tests of graphs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from trichord.graphs.output import NodeOutput, Side, Table
from trichord.graphs.payload import Payload, PayloadConfig, RowLosses
from trichord.graphs.payloads import CentroidsConfig, EmbeddingConfig, GramConfig, SimilarityConfig
from trichord.objectives import LossTerms


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def holding(count: int, missing: Iterable[int] = ()) -> torch.Tensor:
    present = torch.ones(count, dtype=torch.bool)
    present[list(missing)] = False
    return present


def compare(
    left: torch.Tensor,
    right: torch.Tensor,
    no_left: Iterable[int] = (),
    no_right: Iterable[int] = (),
    label: LossTerms | None = None,
) -> NodeOutput:
    """A node that compares two sides, from raw vectors; items without a side have zeros there, as in a batch."""
    rows, columns = holding(len(left), no_left), holding(len(right), no_right)
    left = functional.normalize(left, dim=1).masked_fill(~rows[:, None], 0.0)
    right = functional.normalize(right, dim=1).masked_fill(~columns[:, None], 0.0)
    table = Table(left @ right.T, rows, columns, torch.arange(len(left)))
    return NodeOutput(label, table, {"left": Side(left, rows), "right": Side(right, columns)})


def made(count: int = 7, dim: int = 5, seed: int = 0, **missing: Iterable[int]) -> NodeOutput:
    """A node that compares two sides, at random."""
    return compare(randn(count, dim, seed=2 * seed), randn(count, dim, seed=2 * seed + 1), **missing)


def classify(
    logits: torch.Tensor, truth: torch.Tensor, missing: Iterable[int] = (), label: LossTerms | None = None
) -> NodeOutput:
    """A classifier, from its logits."""
    rows, columns = holding(len(logits), missing), torch.ones(logits.shape[1], dtype=torch.bool)
    return NodeOutput(label, Table(logits, rows, columns, truth), {"left": Side(logits, rows)}, classifies=True)


def permuted(output: NodeOutput, order: torch.Tensor) -> NodeOutput:
    """The same batch of pairs in another order."""
    table = output.table
    values = table.values[order][:, order]
    sides = {name: Side(side.vectors[order], side.present[order]) for name, side in output.sides.items()}
    return NodeOutput(None, Table(values, table.rows[order], table.columns[order], torch.arange(len(order))), sides)


def probabilities(scores: Iterable[float], temperature: float) -> np.ndarray:
    powers = np.array([np.exp(score / temperature) for score in scores])
    return powers / powers.sum()


def plain_divergence(theirs: Iterable[float], ours: Iterable[float], temperature: float) -> float:
    p, q = probabilities(theirs, temperature), probabilities(ours, temperature)
    return float(sum(a * np.log(a / b) for a, b in zip(p, q, strict=True)))


def plain_likeness(theirs: Iterable[float], ours: Iterable[float], temperature: float) -> float:
    p, q = probabilities(theirs, temperature), probabilities(ours, temperature)
    return float((p * q).sum() / np.sqrt((p * p).sum() * (q * q).sum())) if len(p) else 0.0


MISSING: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "complete": ({}, {}),
    "source lacks lefts": ({"no_left": (0, 3)}, {}),
    "target lacks rights": ({}, {"no_right": (2,)}),
    "both lack something": ({"no_left": (1,), "no_right": (4, 5)}, {"no_left": (6,), "no_right": (0,)}),
    "unpaired": ({}, {"no_left": (0, 1, 2), "no_right": (3, 4, 5, 6)}),
    "one row": ({"no_left": range(6)}, {}),
    "one column": ({}, {"no_right": range(1, 7)}),
    "no lefts": ({"no_left": range(7)}, {}),
    "nothing shared": ({"no_left": range(7)}, {"no_right": range(7)}),
    "no item shared": (
        {"no_left": range(3), "no_right": range(3)},
        {"no_left": range(3, 7), "no_right": range(3, 7)},
    ),
}
CONFIGS: dict[str, PayloadConfig] = {
    "similarity": SimilarityConfig(),
    "rows": SimilarityConfig(direction="rows"),
    "columns": SimilarityConfig(direction="columns"),
    "gram": GramConfig(),
    "centroids": CentroidsConfig(num_clusters=3, temperature=0.2),
    "embedding": EmbeddingConfig(),
}


def built(config: PayloadConfig, source_dim: int = 5, target_dim: int = 4) -> Payload:
    torch.manual_seed(3)
    return config.build(source_dim=source_dim, target_dim=target_dim).double()


def two_nodes(missing: str = "complete") -> tuple[NodeOutput, NodeOutput]:
    theirs, ours = MISSING[missing]
    return made(dim=5, seed=1, **theirs), made(dim=4, seed=2, **ours)


def as_items(found: RowLosses) -> dict[int, float]:
    assert found.rows.tolist() == sorted(set(found.rows.tolist()))
    return dict(zip(found.rows.tolist(), found.values.tolist(), strict=True))


def check(found: RowLosses, expected: dict[int, float]) -> None:
    items = as_items(found)
    assert list(items) == sorted(expected)
    np.testing.assert_allclose(list(items.values()), [expected[i] for i in sorted(expected)], rtol=1e-9, atol=1e-12)
