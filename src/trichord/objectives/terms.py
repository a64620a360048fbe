"""What an objective returns: named scalars and their sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trichord.shapes import Float, Tensor


@dataclass(frozen=True)
class LossTerms:
    """The weighted terms of a loss.

    An objective that has nothing to learn from in a step still returns its terms, as zeros attached to the graph, so
    that the names are the same in every step.

    Args:
        terms: name -> scalar, already multiplied by its weight.

    Raises:
        ValueError: if there is no term.
    """

    terms: Mapping[str, Float[Tensor, ""]]

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("a loss has at least one term, got none; return a zero that is attached to the graph")

    @property
    def total(self) -> Float[Tensor, ""]:
        """Sum of all terms."""
        first, *others = self.terms.values()
        total = first
        for term in others:
            total = total + term
        return total
