"""Choosing a task's route on the validation split: every further piece has to earn its place."""

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
from trichord.shapes import Float, Int

Rule = Literal["one standard error", "best"]


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
        standard_error: of the paired difference between the way with the highest and `base`, over items.
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


@dataclass(frozen=True)
class _Tried:
    """A candidate with the reciprocal ranks of all queries."""

    candidate: Candidate
    values: Float[np.ndarray, " queries"]

    @property
    def mean(self) -> float:
        return float(self.values.mean())


def choose_route(
    scorers: Sequence[RouteScorer],
    task: Task,
    adapters: Mapping[str, AdapterIdentity],
    known: Sequence[Modality],
    rule: Rule = "one standard error",
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
        rule: "best" takes the highest, which among many ways owes something to luck. "one standard error" starts from
            the best way of one modality on either side over the base, goes on to the best of several modalities only
            if it is ahead by more than one standard error of their paired difference, and from there to the best way
            with adapters only if that is, in turn (after Breiman et al. 1984, section 3.4.3).
        usable: candidates it is false for are left out.

    Raises:
        ProtocolError: there is no candidate, or one that can retrieve nothing: no item holds what it ranks.
    """
    listed = [candidate for candidate in candidates(task, adapters) if usable(candidate)]
    if not listed or not scorers:
        raise ProtocolError(f"there is nothing to choose from for {spell_task(task, known)}")
    try:
        items = _items(scorers, listed[0])
        tried = [_Tried(candidate, _values(scorers, candidate)) for candidate in listed]
    except ProtocolError as error:
        raise ProtocolError(f"choosing a route for {spell_task(task, known)}: {error}") from error
    best = max(tried, key=lambda one: one.mean)
    bare = [one for one in tried if not one.candidate.adapted] or tried
    base = _earned([[one for one in bare if one.candidate.alone], bare], items, rule)
    chosen = _earned([[base], [one for one in tried if one.candidate.adapted]], items, rule)
    return Choice(
        task=spell_task(task, known),
        candidate=chosen.candidate,
        mrr=chosen.mean,
        best_mrr=best.mean,
        base=base.candidate,
        base_mrr=base.mean,
        num_tried=len(listed),
        standard_error=standard_error(best.values - base.values, items),
    )


def _earned(levels: Sequence[Sequence[_Tried]], items: np.ndarray, rule: Rule) -> _Tried:
    """Return the best of the first level, or of a later one that is ahead of it by more than the rule asks for."""
    chosen: _Tried | None = None
    for level in levels:
        if not level:
            continue
        best = max(level, key=lambda one: one.mean)
        if chosen is None:
            chosen = best
            continue
        asked = standard_error(best.values - chosen.values, items) if rule == "one standard error" else 0.0
        if best.mean - chosen.mean > asked:
            chosen = best
    assert chosen is not None, "some level has a candidate"
    return chosen


def mean_reciprocal_rank(scorers: Sequence[RouteScorer], candidate: Candidate) -> float:
    """Return a candidate's mean reciprocal rank over all queries, averaged over models that ranked the same ones."""
    return float(_values(scorers, candidate).mean())


def standard_error(differences: Float[np.ndarray, " queries"], items: Int[np.ndarray, " queries"]) -> float:
    """Return the standard error of a mean over queries, those of one item being together; infinite for one item."""
    _, item_of = np.unique(items, return_inverse=True)
    count = int(item_of.max()) + 1
    if count < 2:
        return float("inf")
    sums = np.bincount(item_of, weights=differences - differences.mean())
    return float(np.sqrt(count / (count - 1) * np.square(sums).sum()) / len(differences))


def _values(scorers: Sequence[RouteScorer], candidate: Candidate) -> Float[np.ndarray, " queries"]:
    """Return (queries,) reciprocal ranks of all items, averaged over the models that ranked the same ones."""
    ranked: dict[bytes, list[np.ndarray]] = {}
    for scorer in scorers:
        found = scorer.rank(candidate.route).scores.reciprocal_rank
        ranked.setdefault(scorer.items.tobytes(), []).append(found)
    return np.concatenate([np.mean(of_items, axis=0) for of_items in ranked.values()])


def _items(scorers: Sequence[RouteScorer], candidate: Candidate) -> Int[np.ndarray, " queries"]:
    """Return (queries,) the item of each of the values, told apart over folds."""
    of_items: dict[bytes, np.ndarray] = {}
    for scorer in scorers:
        key = scorer.items.tobytes()
        if key not in of_items:
            positions = scorer.rank(candidate.route).positions
            of_items[key] = positions + sum(int(found.max()) + 1 for found in of_items.values())
    return np.concatenate(list(of_items.values()))
