"""The ways of answering a task of several modalities: each alone, their sum, and weighted scores or ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.settings import BASE
from trichord.evaluation import candidates
from trichord.evaluation.route import LegConfig, RouteConfig
from trichord.modality import Task
from trichord.reports.modalities.question import Question

Kind = Literal["alone", "sum", "weighted", "ranks"]
Fusion = Literal["scores", "ranks"]
KIND_OF: Mapping[Fusion, Kind] = {"scores": "weighted", "ranks": "ranks"}
CANDIDATE_OF: Mapping[Kind, candidates.Kind] = {
    "alone": "single",
    "sum": "sum",
    "weighted": "weighted scores",
    "ranks": "fused ranks",
}
Adapters = Mapping[str, AdapterIdentity]


@dataclass(frozen=True)
class Way:
    """One way of answering.

    Args:
        name: what tables call it: "V", "V+A sum".
        kind: what is done with the modalities.
        route: the same for the evaluation.
        legs: the same in words: "0.7 x T>V under base + 0.3 x T>A under base, weighted scores".
    """

    name: str
    kind: Kind
    route: RouteConfig
    legs: str

    @property
    def candidate(self) -> candidates.Candidate:
        """The same among the ways that routes are chosen from."""
        return candidates.Candidate(self.route, CANDIDATE_OF[self.kind])


def way_alone(question: Question, modality: str, adapters: Adapters) -> Way:
    """Answer with one modality; the others have a leg of weight 0, which says that they are left out."""
    weights: dict[tuple[str, ...], float] = {(name,): float(name == modality) for name in question.several}
    return _way(question, question.letters([modality]), "alone", weights, adapters)


def way_sum(question: Question, adapters: Adapters) -> Way:
    """Answer with the sum of the unit vectors of all."""
    return _way(question, f"{question.letters(question.several)} sum", "sum", {question.several: 1.0}, adapters)


def way_fused(question: Question, fusion: Fusion, weights: Mapping[str, float], adapters: Adapters) -> Way:
    """Answer with a weighted sum of cosines ("scores"), or with weighted reciprocal-rank fusion ("ranks")."""
    said = "weighted scores" if fusion == "scores" else "fused ranks"
    name = f"{question.letters(question.several)} {said}"
    return _way(
        question, name, KIND_OF[fusion], {(modality,): weight for modality, weight in weights.items()}, adapters
    )


def _way(
    question: Question, name: str, kind: Kind, weights: Mapping[tuple[str, ...], float], adapters: Adapters
) -> Way:
    route = RouteConfig(
        query=question.task.query,
        gallery=question.task.gallery,
        legs=tuple(_leg(question, names, weight, adapters) for names, weight in weights.items()),
        fusion="ranks" if kind == "ranks" else "scores",
    )
    return Way(name, kind, route, route.describe(question.known))


def _leg(question: Question, names: tuple[str, ...], weight: float, adapters: Adapters) -> LegConfig:
    """Take the adapter of the leg's own pair where it is there, and say `BASE` where it is not."""
    part = question.part(names)
    own = adapters_of(part, adapters)
    return LegConfig(adapter=own[0] if own else BASE, query=part.query, gallery=part.gallery, weight=weight)


def serving(question: Question, adapters: Adapters) -> dict[str, AdapterIdentity]:
    """Return the adapters that legs of a question pass through: those of the pair of a leg, whatever they are called.

    Of several adapters of one pair the first is taken.
    """
    sides = (question.several, *((name,) for name in question.several))
    own = [adapters_of(question.part(names), adapters)[:1] for names in sides]
    used = {name for names in own for name in names}
    return {name: identity for name, identity in adapters.items() if name in used}


def adapters_of(task: Task, adapters: Adapters) -> tuple[str, ...]:
    """Return the names of the adapters whose pair are the two sides of a task, in whatever order."""
    sides = {frozenset(task.query), frozenset(task.gallery)}
    return tuple(
        name for name, identity in adapters.items() if {frozenset(identity.left), frozenset(identity.right)} == sides
    )
