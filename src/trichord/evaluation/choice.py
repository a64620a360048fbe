"""Choosing a task's route on the validation split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from trichord.adapters.identity import AdapterIdentity
from trichord.errors import ProtocolError
from trichord.evaluation.candidates import Candidate, candidates
from trichord.evaluation.routes import RouteScorer
from trichord.modality import Modality, Task, spell_task
from trichord.shapes import Float

Rule = Literal["best", "one standard error"]


@dataclass(frozen=True)
class Choice:
    """What validation chose for a task.

    Args:
        task: spelled task.
        candidate: the way that was chosen.
        mrr: its mean reciprocal rank on validation, over seeds.
        best_mrr: that of the way with the highest.
        base: the best way without an adapter, and its mean reciprocal rank.
        base_mrr: see `base`.
        num_tried: how many ways were compared.
        standard_error: of the paired difference between the best way and the chosen one; where these are one, between
            it and `base`.
    """

    task: str
    candidate: Candidate
    mrr: float
    best_mrr: float
    base: Candidate
    base_mrr: float
    num_tried: int
    standard_error: float

    def to_dict(self, known: Sequence[Modality]) -> dict[str, Any]:
        """Return plain data."""
        return {
            "route": self.candidate.route.describe(known),
            "kind": self.candidate.kind,
            "adapted": self.candidate.adapted,
            "validation_mrr": self.mrr,
            "best_validation_mrr": self.best_mrr,
            "base_route": self.base.route.describe(known),
            "base_validation_mrr": self.base_mrr,
            "num_tried": self.num_tried,
            "standard_error": self.standard_error,
        }


def choose_route(
    scorers: Sequence[RouteScorer],
    task: Task,
    adapters: Mapping[str, AdapterIdentity],
    known: Sequence[Modality],
    rule: Rule = "best",
    usable: Callable[[Candidate], bool] = lambda _: True,
) -> Choice:
    """Choose among all candidates by mean reciprocal rank on the validation split, one choice for all seeds.

    The mean reciprocal rank moves with every query, where a recall moves with the few near its threshold only. Of
    equals the first wins, and candidates without adapters come first.

    Args:
        scorers: the validation split under the model of each seed. Those of other items (another fold of a
            cross-validation) add their queries; those of the same items are averaged.
        task: the task.
        adapters: identities of what may be used, those of the first seed.
        known: all modalities, for spelling.
        rule: "best"; or "one standard error": the first candidate, in the order of `candidates`, that is not further
            behind the best than one standard error of their paired difference (Breiman et al. 1984, section 3.4.3).
        usable: candidates it is false for are left out.

    Raises:
        ProtocolError: there is no candidate, or one that can retrieve nothing: no item holds what it ranks.
    """
    listed = [candidate for candidate in candidates(task, adapters) if usable(candidate)]
    if not listed or not scorers:
        raise ProtocolError(f"there is nothing to choose from for {spell_task(task, known)}")
    try:
        values = [_values(scorers, candidate) for candidate in listed]
    except ProtocolError as error:
        raise ProtocolError(f"choosing a route for {spell_task(task, known)}: {error}") from error
    means = np.array([value.mean() for value in values])
    best = int(np.argmax(means))
    errors = [_standard_error(values[best] - value) for value in values]
    chosen = best
    if rule == "one standard error":
        chosen = next(i for i, mean in enumerate(means) if means[best] - mean <= errors[i])
    bare = [i for i, candidate in enumerate(listed) if not candidate.adapted]
    base = max(bare, key=lambda i: (means[i], -i)) if bare else chosen
    other = chosen if chosen != best else base
    return Choice(
        task=spell_task(task, known),
        candidate=listed[chosen],
        mrr=float(means[chosen]),
        best_mrr=float(means[best]),
        base=listed[base],
        base_mrr=float(means[base]),
        num_tried=len(listed),
        standard_error=errors[other],
    )


def mean_reciprocal_rank(scorers: Sequence[RouteScorer], candidate: Candidate) -> float:
    """Return a candidate's mean reciprocal rank over queries and seeds."""
    return float(_values(scorers, candidate).mean())


def _values(scorers: Sequence[RouteScorer], candidate: Candidate) -> Float[np.ndarray, " queries"]:
    """Return (queries,) reciprocal ranks of all items, averaged over the models that ranked the same ones."""
    ranked: dict[bytes, list[np.ndarray]] = {}
    for scorer in scorers:
        found = scorer.rank(candidate.route).scores.reciprocal_rank
        ranked.setdefault(scorer.items.tobytes(), []).append(found)
    return np.concatenate([np.mean(of_items, axis=0) for of_items in ranked.values()])


def _standard_error(differences: Float[np.ndarray, " queries"]) -> float:
    count = len(differences)
    return float(differences.std(ddof=1) / np.sqrt(count)) if count > 1 else float("inf")
