"""Precision, recall and F1 of answers that are sets of classes.

Legend: right, answered, there (..., classes): how many items were given the class rightly, were given it at all, and
have it. precision = right / answered, recall = right / there, F1 = 2 right / (answered + there), the harmonic mean of
the two. Micro F1 adds the counts of all classes first; macro F1 is the mean of the classes' own (van Rijsbergen 1979,
Information Retrieval; the two averages as in Yang & Liu 1999, "A re-examination of text categorization methods").

Nothing divided by nothing: precision of a class that is never answered and recall of a class that is not there are 0. A
class that is neither there nor answered has no F1; macro F1 leaves it out (which happens in resamples of rare classes),
and is 0 where no class has one, as micro F1 is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from trichord.shapes import Bool, Float, Int

Average = Literal["macro", "micro"]


@dataclass(frozen=True)
class ClassCounts:
    """Items counted per class, over all leading axes at once.

    Args:
        right: given the class, and have it.
        answered: given the class.
        there: have the class.
    """

    right: Float[np.ndarray, "*axes classes"]
    answered: Float[np.ndarray, "*axes classes"]
    there: Float[np.ndarray, "*axes classes"]

    def precision(self) -> Float[np.ndarray, "*axes classes"]:
        """Return the share of a class's answers that are right, 0 where there are none."""
        return _ratio(self.right, self.answered)

    def recall(self) -> Float[np.ndarray, "*axes classes"]:
        """Return the share of a class's items that were given it, 0 where there are none."""
        return _ratio(self.right, self.there)

    def f1(self) -> Float[np.ndarray, "*axes classes"]:
        """Return each class's F1, 0 where a class is neither there nor answered."""
        return _ratio(2.0 * self.right, self.answered + self.there)

    def macro_f1(self) -> Float[np.ndarray, "*axes"]:
        """Return the mean F1 of the classes that are there or answered."""
        return _ratio(self.f1().sum(axis=-1), ((self.answered + self.there) > 0).sum(axis=-1))

    def micro_f1(self) -> Float[np.ndarray, "*axes"]:
        """Return the F1 of the counts of all classes together."""
        right, answered, there = (part.sum(axis=-1) for part in (self.right, self.answered, self.there))
        return _ratio(2.0 * right, answered + there)

    def average(self, average: Average) -> Float[np.ndarray, "*axes"]:
        """Return macro or micro F1 in [0, 1]."""
        return self.macro_f1() if average == "macro" else self.micro_f1()


def as_sets(numbers: Int[np.ndarray, "*rows"], num_classes: int) -> Bool[np.ndarray, "*rows classes"]:
    """Return sets of one class each; a number below 0 is the empty set."""
    sets: np.ndarray = numbers[..., None] == np.arange(num_classes)
    return sets


def count_answers(
    answers: Bool[np.ndarray, "*seeds items classes"], truth: Bool[np.ndarray, "items classes"]
) -> ClassCounts:
    """Count answers per class, over the items.

    Args:
        answers: which classes each item was given.
        truth: which it has.
    """
    right, answered = ((values.sum(axis=-2).astype(np.float64)) for values in (answers & truth, answers))
    return ClassCounts(right, answered, np.broadcast_to(truth.sum(axis=0).astype(np.float64), right.shape))


def _ratio(part: ArrayLike, whole: ArrayLike) -> np.ndarray:
    above, below = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    ratios: np.ndarray = np.divide(above, below, out=np.zeros(below.shape), where=below > 0)
    return ratios
