"""Gates: what becomes of an edge's losses. Pure functions of a vector of losses, the progress, and who was right.

Minami, Hirakawa, Yamashita, Fujiyoshi (ACCV 2020): l is the vector of an edge's losses, one per sample, B their number
and k / k_end how far training is. There, k is counted by every edge for itself and k_end from a number of steps that is
too large where the last batch is dropped, so that Linear never quite reaches 1. Here progress p is a function of the
step of the whole training, from exactly 0 to exactly 1, and no gate remembers anything.

An edge without losses gives 0, attached to the graph of the learning node, so that every step can be differentiated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trichord.config import Config
from trichord.errors import ConfigError
from trichord.shapes import Bool, Float, Tensor

GateKind = Literal["through", "cutoff", "linear", "negative linear", "correct"]


@dataclass(frozen=True, kw_only=True)
class GateConfig(Config):
    """A gate.

    Args:
        kind: see the functions of this file.
        top: "correct" lets a row through where the source ranks the right answer among its first `top`; 1, as
            published: first.
    """

    kind: GateKind = "through"
    top: int = 1

    def __post_init__(self) -> None:
        if self.top < 1 or (self.top != 1 and self.kind != "correct"):
            raise ConfigError(f"top counts places, from 1, of a gate that is correct; got {self.top} of {self.kind}")

    @property
    def open(self) -> bool:
        """Whether anything ever passes."""
        return self.kind != "cutoff"


def through(losses: Float[Tensor, " rows"]) -> Float[Tensor, ""]:
    """Return mean(l): distillation as it is usually done."""
    return losses.mean() if len(losses) else losses.sum()


def cutoff(losses: Float[Tensor, " rows"]) -> Float[Tensor, ""]:
    """Return 0, with no way back to the losses: the edge might as well not be there.

    A loss that nobody asks for need not be computed: `transfer` never compares two nodes over such an edge, so that a
    graph whose edges are all cut is independent training bit for bit.
    """
    return losses.new_zeros(())


def linear(losses: Float[Tensor, " rows"], progress: float) -> Float[Tensor, ""]:
    """Return p mean(l): from nothing to everything, for a source that has to learn first."""
    return _checked(progress) * through(losses)


def negative_linear(losses: Float[Tensor, " rows"], progress: float) -> Float[Tensor, ""]:
    """Return (1 - p) mean(l): from everything to nothing, the fifth gate of later implementations."""
    return (1 - _checked(progress)) * through(losses)


def correct(losses: Float[Tensor, " rows"], right: Bool[Tensor, " rows"]) -> Float[Tensor, ""]:
    """Return the sum of l over the rows where the source is right, divided by the number of all rows, as published.

    A source that is seldom right therefore says little. A loss that is left out may be anything, infinite as well.

    Right is right about a row, whatever the payload passes: "columns correct", and the columns' part of a payload that
    adds both, keeps the loss of column j where the source finds the answer of row j, the column's own item.
    """
    return through(losses.masked_fill(~right, 0.0))


def apply_gate(
    gate: GateConfig, losses: Float[Tensor, " rows"], progress: float, right: Bool[Tensor, " rows"] | None = None
) -> Float[Tensor, ""]:
    """Return what a gate makes of an edge's losses.

    Args:
        gate: which gate.
        losses: (rows,) loss of each row that both nodes can speak about.
        progress: p in [0, 1], step / (number of steps - 1) over the whole training; 0 where there is one step.
        right: (rows,) where the source is right, `truth.right_rows`; only "correct" looks at it.

    Raises:
        ValueError: progress outside [0, 1], or "correct" without `right`.
    """
    if gate.kind == "through":
        return through(losses)
    if gate.kind == "linear":
        return linear(losses, progress)
    if gate.kind == "negative linear":
        return negative_linear(losses, progress)
    if gate.kind == "cutoff":
        return cutoff(losses)
    if right is None:
        raise ValueError("the gate correct has to be told where the source is right")
    return correct(losses, right)


def label_factor(gate: GateConfig, progress: float) -> float:
    """Return what the gate of a label edge multiplies a node's own loss by.

    Through and correct give 1 (the label is always right), linear p, negative linear 1 - p, cutoff 0.
    """
    if gate.kind == "linear":
        return _checked(progress)
    if gate.kind == "negative linear":
        return 1 - _checked(progress)
    return float(gate.open)


def _checked(progress: float) -> float:
    if not 0 <= progress <= 1:
        raise ValueError(f"progress runs from 0 to 1, got {progress}")
    return progress
