"""What a node says about a batch, in a form that any other node can learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from trichord.objectives import LossTerms
from trichord.shapes import Bool, Float, Int, Tensor


@dataclass(frozen=True)
class Table:
    """A node's scores: one row per item of the batch, one column per candidate answer.

    A node that compares two sides has the batch's left sides as rows and right sides as columns, and the cosines of
    their vectors as values. A classifier has classes as columns, and logits as values.

    Args:
        values: (batch, columns).
        rows: (batch,) whether the row means anything: the item holds the left side.
        columns: (columns,) whether the column does: the item holds the right side. A classifier's all do.
        truth: (batch,) column of the right answer, which may be one that means nothing; -1 where it is not known.
    """

    values: Float[Tensor, "batch columns"]
    rows: Bool[Tensor, " batch"]
    columns: Bool[Tensor, " columns"]
    truth: Int[Tensor, " batch"]


@dataclass(frozen=True)
class Side:
    """One side of a node's items as vectors.

    Args:
        vectors: (batch, dim) unit vectors of a side, or a classifier's logits; zeros where the side is missing.
        present: (batch,) which items hold it.
    """

    vectors: Float[Tensor, "batch dim"]
    present: Bool[Tensor, " batch"]


@dataclass(frozen=True)
class NodeOutput:
    """What a node says about a batch.

    Args:
        label: the terms of its own loss, before the gate of its label edge; None for a node that has none (ensembles,
            frozen nodes).
        table: its scores.
        sides: "left" and "right" -> their vectors; a classifier has "left" alone; an ensemble has none.
        classifies: whether the columns are classes, not items.
    """

    label: LossTerms | None
    table: Table
    sides: Mapping[str, Side]
    classifies: bool = False

    def detached(self) -> NodeOutput:
        """Return the same without a way back: what other nodes are given."""
        table = Table(self.table.values.detach(), self.table.rows, self.table.columns, self.table.truth)
        sides = {name: Side(side.vectors.detach(), side.present) for name, side in self.sides.items()}
        return NodeOutput(None, table, sides, self.classifies)


def unheard(label: LossTerms | None) -> NodeOutput:
    """Return what a node says that no edge looks at: its own loss, and an empty table."""
    nothing = torch.zeros(0, dtype=torch.bool)
    return NodeOutput(label, Table(torch.zeros(0, 0), nothing, nothing, nothing.long()), {})
