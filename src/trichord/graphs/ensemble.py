"""The ensemble node: the mean of what other nodes say."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trichord.graphs.output import NodeOutput, Table
from trichord.graphs.overlap import shared_cells, widened
from trichord.shapes import Int, Tensor


def ensemble_output(outputs: Sequence[NodeOutput]) -> NodeOutput:
    """Return the mean of the members' tables, detached, with nothing of its own to learn.

    A row or column means something where every member holds it. Were any member enough, a column that one member
    scores would stand beside columns that are means of all, and members differ in how high their cosines are: its rank
    would tell who holds it, not how well it fits. And of a row that one holds and a column that another holds, nobody
    knows anything. As all members hold every cell that takes part, each is the mean of the same members.

    For classifiers it is the mean of logits; the published ensemble node (Minami et al., 2021) has their sum, which has
    the same order and sharper probabilities.

    Raises:
        ValueError: no members, classifiers among nodes that compare sides, tables of different shapes, or members that
            name different right answers.
    """
    if not outputs:
        raise ValueError("an ensemble has at least one member, got none")
    first, *others = outputs
    if any(other.classifies != first.classifies for other in others):
        raise ValueError("an ensemble has members of one kind, got classifiers beside nodes that compare two sides")
    total, rows, columns, truth = widened(first.table.values), first.table.rows, first.table.columns, first.table.truth
    for other in others:
        overlap = shared_cells(Table(total, rows, columns, truth), other.table)
        total, rows, columns = total + widened(other.table.values), overlap.rows, overlap.columns
        truth = _agreed(truth, other.table.truth)
    return NodeOutput(None, Table((total / len(outputs)).detach(), rows, columns, truth), {}, first.classifies)


def _agreed(one: Int[Tensor, " batch"], other: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """Return the right answers that either member knows."""
    if bool(((one != other) & (one >= 0) & (other >= 0)).any()):
        raise ValueError("the members of an ensemble answer the same questions, but their right answers differ")
    return torch.maximum(one, other)
