"""Fitting how much the further modalities count, on the validation split; leaving them out is always a candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trichord.errors import ConfigError
from trichord.reports.modalities.question import Question

STEPS = 20
GRID = tuple(step / STEPS for step in range(STEPS + 1))
Score = Callable[[Mapping[str, float]], float]


@dataclass(frozen=True)
class WeightCurve:
    """What every weight of one further modality scores on the validation split.

    Args:
        modality: what is added.
        weights: its candidate weights, ascending from 0; what it is added to has one minus the weight.
        scores: mean reciprocal rank of each.
        best: the weight that scores highest; of several the smallest.
    """

    modality: str
    weights: tuple[float, ...]
    scores: tuple[float, ...]
    best: float


@dataclass(frozen=True)
class FittedWeights:
    """Weights of all modalities of a side, and how they were found.

    Args:
        weights: modality name -> weight; they sum to 1.
        curves: one for each further modality, in the order in which they were added.
    """

    weights: dict[str, float]
    curves: tuple[WeightCurve, ...]

    @property
    def of_added(self) -> float:
        """Weight of all further modalities together; 0 means that leaving them out is best."""
        return round(sum(list(self.weights.values())[1:]), 10)


def fit_weights(question: Question, score: Score, grid: tuple[float, ...] = GRID) -> FittedWeights:
    """Add one modality after another, each with the weight of the grid that scores highest.

    With w for the next modality, those before it keep their proportions and share 1 - w. As w = 0 is a candidate of
    every step, the fitted weights never score below the first modality alone on the data they were fitted on.

    Args:
        question: the first modality and the further ones.
        score: mean reciprocal rank of weights on the validation split; modalities of weight 0 are left out by it.
        grid: candidates, ascending from 0.
    """
    if not grid or grid[0] != 0.0 or list(grid) != sorted(set(grid)) or grid[-1] > 1.0:
        raise ConfigError(f"candidate weights ascend within [0, 1] and begin with 0, got {grid}")
    found = {question.first: 1.0}
    curves = []
    for modality in question.added:
        candidates = [_with(found, modality, weight) for weight in grid]
        scores = tuple(score(candidate) for candidate in candidates)
        place = max(range(len(grid)), key=lambda index: (scores[index], -index))
        curves.append(WeightCurve(modality, grid, scores, grid[place]))
        found = candidates[place]
    return FittedWeights(found, tuple(curves))


def _with(weights: Mapping[str, float], modality: str, weight: float) -> dict[str, float]:
    return {**{name: round(held * (1.0 - weight), 10) for name, held in weights.items()}, modality: weight}
