"""How well classes can be told apart by a linear function of vectors: logistic regression, penalty by validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trichord.errors import ConfigError, DataError
from trichord.evaluation.class_scores import Truth, class_metrics, measure
from trichord.evaluation.logistic import CHUNK_ROWS, LogisticProblem, principal_axes, standardise
from trichord.shapes import Float

PENALTIES = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class LinearProbe:
    """A fitted linear classifier.

    Args:
        mean, scale: (width,) of the fitting rows; columns that do not vary have the scale 1.
        weights: (width, classes) of standardised vectors.
        bias: (classes,).
        penalty: the one that validation chose.
        validation: penalty -> deciding measure on validation, in percent.
    """

    mean: Float[np.ndarray, " width"]
    scale: Float[np.ndarray, " width"]
    weights: Float[np.ndarray, "width classes"]
    bias: Float[np.ndarray, " classes"]
    penalty: float
    validation: dict[float, float]

    def logits(self, vectors: Float[np.ndarray, "items width"]) -> Float[np.ndarray, "items classes"]:
        """Return float32 logits.

        Raises:
            DataError: the vectors have another width, or hold NaN or infinity.
        """
        if vectors.shape[1] != len(self.mean):
            raise DataError(
                f"the probe was fitted on vectors {len(self.mean)} wide, got {vectors.shape[1]}",
                remedy="give it vectors of the same encoder",
            )
        _check_finite(vectors, "to classify")
        parts = [
            standardise(vectors[first : first + CHUNK_ROWS], self.mean, self.scale) @ self.weights + self.bias
            for first in range(0, max(len(vectors), 1), CHUNK_ROWS)
        ]
        return np.concatenate(parts).astype(np.float32)


def fit_probe(
    vectors: Float[np.ndarray, "items width"],
    truth: Truth,
    num_classes: int,
    several: bool,
    penalties: Sequence[float],
    val_vectors: Float[np.ndarray, "val_items width"],
    val_truth: Truth,
) -> LinearProbe:
    """Fit a linear classifier for each penalty and keep the one that is best on validation (ties: the strongest).

    Deterministic, in float64. A missing modality is the caller's to mark, as zeros in place of its vector.

    Args:
        vectors, truth: what is learnt from; (items,) class numbers, or with several (items, classes).
        num_classes: number of classes.
        several: whether items may have several classes.
        penalties: the penalties to choose from.
        val_vectors, val_truth: what is chosen on, by the first of `class_metrics`.

    Raises:
        ConfigError: no penalty, or one that is not above 0.
        DataError: rows or class numbers do not match, rows hold NaN or infinity or do not vary, or a class has no item
            to learn from.
        TrainingError: the solver did not converge.
    """
    if not penalties or min(penalties) <= 0:
        raise ConfigError(f"a linear probe needs penalties above 0, got {list(penalties)}")
    _check(vectors, truth, num_classes, several, "to learn from")
    _check(val_vectors, val_truth, num_classes, several, "to choose on")
    axes = principal_axes(vectors)
    problem = LogisticProblem(axes, truth, num_classes, several)
    metric = class_metrics(several)[0]
    validation: dict[float, float] = {}
    best: LinearProbe | None = None
    for penalty in sorted(set(penalties), reverse=True):
        turned, bias = problem.solve(penalty)
        probe = LinearProbe(axes.mean, axes.scale, axes.directions @ turned, bias, penalty, validation)
        logits = probe.logits(val_vectors)
        predictions = logits > 0 if several else logits.argmax(axis=1)
        validation[penalty] = measure(predictions, val_truth, metric, num_classes)
        if best is None or validation[penalty] > validation[best.penalty]:
            best = probe
    assert best is not None, "there is a penalty"
    return best


def _check(vectors: np.ndarray, truth: np.ndarray, num_classes: int, several: bool, what: str) -> None:
    expected = (len(vectors), num_classes) if several else (len(vectors),)
    if not len(vectors) or truth.shape != expected:
        raise DataError(
            f"the linear probe has {len(vectors)} rows {what}, and their truth has the shape {truth.shape}, "
            f"expected {expected} and at least one row",
            remedy="give one row per item",
        )
    if not several and not ((truth >= 0) & (truth < num_classes)).all():
        raise DataError(
            f"classes are numbered 0 to {num_classes - 1}, the truth {what} holds others", remedy="check it"
        )
    _check_finite(vectors, what)
    if what == "to learn from":
        shown = truth.sum(axis=0) if several else np.bincount(truth, minlength=num_classes)
        missed = np.flatnonzero(shown == 0)
        if len(missed):
            raise DataError(
                f"the class {int(missed[0])} has no item to learn from", remedy="put items of every class there"
            )


def _check_finite(vectors: np.ndarray, what: str) -> None:
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise DataError(
            f"a vector {what} holds NaN or infinity (so it is with {len(wrong)} of {len(vectors)})",
            row=int(wrong[0]),
            remedy="check the encoder that made it",
        )
