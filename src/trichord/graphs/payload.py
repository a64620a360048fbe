"""The contract of a payload: two nodes' outputs in, one loss for every row that both can speak about."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from trichord.config import Config
from trichord.graphs.output import NodeOutput
from trichord.shapes import Float, Int, Tensor


@dataclass(frozen=True)
class RowLosses:
    """Losses of the rows that both nodes can speak about.

    Args:
        values: (rows,) loss of each; attached to the graph of the learning node even where there are none.
        rows: (rows,) their places in the batch, ascending. A payload with losses for columns as well adds them to the
            row that is the column's own item.
    """

    values: Float[Tensor, " rows"]
    rows: Int[Tensor, " rows"]


def mean_by_item(parts: Sequence[RowLosses], batch: int) -> RowLosses:
    """Return for every item that has a loss in any part the mean of those it has.

    With complete data that is the mean of the parts. Where an item is missing from a part (it has a left side only, and
    so no column), its loss is that of the other parts, undiminished, and no item counts for more than one.

    Args:
        parts: at least one; its rows are places in the batch, each at most once.
        batch: number of items.
    """
    first, *others = parts
    if all(len(part.rows) == len(first.rows) == batch for part in others):
        total = first.values
        for part in others:
            total = total + part.values
        return RowLosses(total / len(parts), first.rows)
    total, count = first.values.new_zeros(batch), first.rows.new_zeros(batch)
    for part in parts:
        total = total + torch.zeros_like(total).index_copy(0, part.rows, part.values)
        count[part.rows] += 1
    rows = count.nonzero().squeeze(1)
    return RowLosses(total[rows] / count[rows], rows)


@dataclass(frozen=True, kw_only=True)
class PayloadConfig(Config):
    """Base of the settings of payloads.

    `build(source_dim=, target_dim=)` gives the module that computes the loss: the widths of the vectors of either node,
    0 for a node that has none. Most payloads do not need them, and all take them, so that they are built alike.
    """

    answers: ClassVar[Literal["sides", "classes", "both"]] = "sides"
    """Which nodes can pass it: those that compare two sides, classifiers, or both kinds (source and target alike)."""
    needs_vectors: ClassVar[bool] = False
    """Whether it reads the vectors of sides, which an ensemble does not have."""


class Payload(nn.Module, ABC):
    """Turns what a source says (detached) and what a target says into a loss for every row."""

    def __init__(self, config: PayloadConfig, *, source_dim: int, target_dim: int) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, source: NodeOutput, target: NodeOutput, *, push: bool, seed: int) -> RowLosses:
        """Compare.

        Args:
            source: what the teacher says, detached.
            target: what the learning node says.
            push: the loss falls where the two differ, rather than where they agree.
            seed: of this step and edge, for a payload that draws.
        """
