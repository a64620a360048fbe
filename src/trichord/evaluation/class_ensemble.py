"""Classifiers of one modality each, averaged with weights that validation chose (an ensemble of uni-modal experts).

Legend: z_m (items, classes) logits of modality m, w_m >= 0 with sum 1, H the modalities that an item holds.
"logits": sum over H of w_m z_m / sum over H of w_m. "probabilities": the same mean of softmax(z_m), or of sigmoid(z_m)
where items have several classes, brought back to logits by log p, or log p / (1 - p), so that predictions are read off
in one way. Where all modalities that an item holds have weight 0, they count evenly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trichord.errors import ProtocolError
from trichord.evaluation.class_scores import ClassScores, check_alike, class_metrics, value
from trichord.shapes import Float

Combines = Literal["logits", "probabilities"]
COMBINES: tuple[Combines, ...] = ("logits", "probabilities")
STEPS = {1: 1, 2: 20, 3: 12, 4: 8, 5: 5, 6: 6}
"""Number of modalities -> steps that a weight takes from 0 to 1; even weights are among them."""
SMALLEST = 1e-30


@dataclass(frozen=True)
class Ensemble:
    """How members are averaged.

    Args:
        weights: modality -> its share; together 1.
        combines: what is averaged.
        tried: ways that it was chosen from.
        validation: deciding measure on validation, in percent, mean over seeds; None where nothing was chosen.
    """

    weights: Mapping[str, float]
    combines: Combines
    tried: int = 1
    validation: float | None = None

    def scores(self, members: Mapping[str, ClassScores]) -> ClassScores:
        """Return the scores of the members together.

        Args:
            members: modality -> scores of the same items; those that have a weight, each.

        Raises:
            ProtocolError: a member is missing or strange, or they are of different items.
        """
        first = check_alike(list(members.values()))
        if set(members) != set(self.weights):
            raise ProtocolError(f"the ensemble weighs {sorted(self.weights)}, got scores of {sorted(members)}")
        parts = {name: _parts(one, self.combines) for name, one in members.items()}
        held = np.stack([one.held for one in members.values()])
        weights = np.array([self.weights[name] for name in members])
        return _joined(first, np.stack(list(parts.values())), held, weights, self.combines)


def fit_ensemble(*seeds: Mapping[str, ClassScores]) -> Ensemble:
    """Choose weights on a grid of the simplex, and what is averaged, by the deciding measure on validation.

    Ties: the most even weights, then logits before probabilities, then the larger weight for the modality named first.

    Args:
        seeds: modality -> scores on validation, once per seed; all seeds share what is chosen.

    Raises:
        ProtocolError: there is nothing to choose on, seeds or members do not fit together, or there are more than six.
    """
    if not seeds:
        raise ProtocolError("an ensemble is chosen on the scores of one seed or more")
    names = tuple(seeds[0])
    for members in seeds:
        check_alike(list(members.values()))
        if tuple(members) != names:
            raise ProtocolError(f"every seed of an ensemble has the same members, got {names} and {tuple(members)}")
    if len(names) not in STEPS:
        raise ProtocolError(f"the weights of 1 to {max(STEPS)} modalities can be tried out, got {len(names)}")
    metric = class_metrics(next(iter(seeds[0].values())).several)[0]
    grid = sorted(
        _grid(len(names), STEPS[len(names)]), key=lambda parts: (sum(part**2 for part in parts), _last(parts))
    )
    combines = COMBINES if len(names) > 1 else COMBINES[:1]
    prepared = {how: [_prepare(members, how) for members in seeds] for how in combines}
    best: tuple[float, tuple[int, ...], Combines] | None = None
    for parts in grid:
        weights = np.array(parts) / STEPS[len(names)]
        for how in combines:
            found = [value(_joined(*one, weights, how), metric) for one in prepared[how]]
            mean = round(float(np.mean(found)), 9)  # equal values must not differ by the order of summation
            if best is None or mean > best[0]:
                best = (mean, parts, how)
    assert best is not None, "the grid is not empty"
    chosen = {name: part / STEPS[len(names)] for name, part in zip(names, best[1], strict=True)}
    return Ensemble(chosen, best[2], len(grid) * len(combines), best[0])


def _last(parts: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-part for part in parts)


def _grid(modalities: int, steps: int) -> Iterator[tuple[int, ...]]:
    """Yield every way to share whole steps out."""
    if modalities == 1:
        yield (steps,)
        return
    for first in range(steps + 1):
        yield from ((first, *rest) for rest in _grid(modalities - 1, steps - first))


def _prepare(members: Mapping[str, ClassScores], how: Combines) -> tuple[ClassScores, np.ndarray, np.ndarray]:
    first = next(iter(members.values()))
    held = np.stack([one.held for one in members.values()])
    return first, np.stack([_parts(one, how) for one in members.values()]), held


def _parts(scores: ClassScores, how: Combines) -> Float[np.ndarray, "items classes"]:
    logits = scores.logits.astype(np.float64)
    if how == "logits":
        return logits
    if scores.several:
        probabilities: np.ndarray = 0.5 * (1.0 + np.tanh(0.5 * logits))
        return probabilities
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _joined(first: ClassScores, parts: np.ndarray, held: np.ndarray, weights: np.ndarray, how: Combines) -> ClassScores:
    """Average (members, items, classes) parts over the members that an item holds."""
    shares = weights[:, None] * held
    total = shares.sum(axis=0)
    shares = np.where(total > 0, shares, held)
    shares = shares / np.maximum(shares.sum(axis=0), SMALLEST)
    mixed = np.einsum("mi,mic->ic", shares, parts)
    if how == "probabilities":
        below = np.maximum(1.0 - mixed, SMALLEST) if first.several else 1.0
        mixed = np.log(np.maximum(mixed, SMALLEST) / below)
    anything = np.asarray(held.any(axis=0))
    logits = np.where(anything[:, None], mixed, 0.0).astype(np.float32)
    return ClassScores(first.label, first.names, first.several, first.split, first.items, first.truth, logits, anything)
