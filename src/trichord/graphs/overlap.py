"""What two nodes can both speak about: the rows, columns and items that both hold."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from trichord.graphs.output import NodeOutput, Side, Table
from trichord.shapes import Bool, Int, Tensor


@dataclass(frozen=True)
class Overlap:
    """The part of two tables that means something in both.

    Args:
        rows: (batch,) rows that both hold.
        columns: (columns,) columns that both hold.
    """

    rows: Bool[Tensor, " batch"]
    columns: Bool[Tensor, " columns"]


def shared_cells(source: Table, target: Table) -> Overlap:
    """Return the rows and columns that both tables hold, which need not be of the same items.

    Raises:
        ValueError: tables of different shapes, such as one of classes and one of items.
    """
    if source.values.shape != target.values.shape:
        raise ValueError(
            f"knowledge passes between tables of one batch and the same answers, got {tuple(source.values.shape)} from "
            f"the source and {tuple(target.values.shape)} of the target"
        )
    return Overlap(source.rows & target.rows, source.columns & target.columns)


def cut(table: Table, overlap: Overlap) -> Tensor:
    """Return the values of the shared rows and columns, in fp32 at least; without a copy where all are shared."""
    values = widened(table.values)
    if not bool(overlap.rows.all()):
        values = values[overlap.rows]
    return values if bool(overlap.columns.all()) else values[:, overlap.columns]


def places(chosen: Bool[Tensor, " batch"]) -> Int[Tensor, " rows"]:
    """Return where a mask holds, ascending."""
    return chosen.nonzero().squeeze(1)


def shared_sides(source: NodeOutput, target: NodeOutput) -> tuple[str, ...]:
    """Return the names of the sides that both nodes have, in the target's order.

    Raises:
        ValueError: there is none, as with an ensemble, which has no vectors.
    """
    names = tuple(name for name in target.sides if name in source.sides)
    if not names:
        raise ValueError(
            f"this payload compares vectors of sides; the source has the sides {sorted(source.sides)}, the target "
            f"{sorted(target.sides)}"
        )
    return names


def held(side: Side, items: Bool[Tensor, " batch"]) -> Tensor:
    """Return the vectors of chosen items, in fp32 at least; without a copy where all are chosen."""
    vectors = widened(side.vectors)
    return vectors if bool(items.all()) else vectors[items]


def widened(values: Tensor) -> Tensor:
    """Return values in fp32 at least."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
