"""Every way a task could be answered with one base and its adapters, from the simplest to the most composite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.settings import BASE
from trichord.evaluation.route import LegConfig, RouteConfig, serves
from trichord.modality import Task

Kind = Literal["single", "blend", "sum", "weighted scores", "fused ranks"]
WEIGHTS = tuple(round(0.05 * step, 2) for step in range(21))
BLENDS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Candidate:
    """A way to answer a task.

    Args:
        route: the way.
        kind: what it does: "single": one ranking of one modality by another; "blend": the base's scores and those of an
            adapter, weighted; "sum": the vectors of a side's modalities added; or the scores or the ranks of each of
            them fused.
    """

    route: RouteConfig
    kind: Kind

    @property
    def alone(self) -> bool:
        """Whether it ranks by one modality on either side only."""
        return len({(*leg.query, *leg.gallery) for leg in self.route.active}) == 1 and all(
            len(leg.query) == len(leg.gallery) == 1 for leg in self.route.active
        )

    @property
    def adapted(self) -> bool:
        """Whether an adapter takes part."""
        return set(self.route.adapters) != {BASE}


def candidates(task: Task, adapters: Mapping[str, AdapterIdentity]) -> tuple[Candidate, ...]:
    """List the ways, those of the base first.

    An adapter takes part where one side of its pair meets the query and the other the gallery; so does a mixture that
    changes either. A side of several modalities is answered by their sum, and by each of them alone with every weight
    of `WEIGHTS`, 0 and 1 included: leaving one out is always among the ways. Each of them alone passes through the base
    or the adapter of just this pair: every further name would multiply the ways, and the luck of the best of them. Each
    way of answering with one of them only is a way of the whole task too, the others being left out by weight 0.

    Args:
        task: the task.
        adapters: name -> identity of all that may be used.
    """
    found = [*_composite(task, adapters)] if len(task.query) * len(task.gallery) > 1 else [*_single(task, adapters)]
    return tuple(sorted(found, key=lambda candidate: candidate.adapted))


def without_adapters(route: RouteConfig) -> RouteConfig:
    """Return the same fusion over the base: what a route gains by fusing, apart from what adapters add to it."""
    weights: dict[tuple[tuple[str, ...], tuple[str, ...]], float] = {}
    for leg in route.legs:
        sides = (leg.query, leg.gallery)
        weights[sides] = weights.get(sides, 0.0) + leg.weight
    legs = [LegConfig(adapter=BASE, query=q, gallery=g, weight=weight) for (q, g), weight in weights.items()]
    return replace(route, legs=tuple(legs))


def suitable(leg: LegConfig, adapters: Mapping[str, AdapterIdentity]) -> tuple[str, ...]:
    """Return `BASE` and the adapters that a leg of these sides may pass through."""
    return (BASE, *(name for name, identity in adapters.items() if serves(identity, leg)))


def own(leg: LegConfig, adapters: Mapping[str, AdapterIdentity]) -> tuple[str, ...]:
    """Return `BASE` and the adapters of just the pair of a leg."""
    sides = {leg.query, leg.gallery}
    names = (name for name, identity in adapters.items() if {identity.left, identity.right} == sides)
    return (BASE, *(name for name in names if serves(adapters[name], leg)))


def _single(task: Task, adapters: Mapping[str, AdapterIdentity]) -> Iterator[Candidate]:
    bare = LegConfig(adapter=BASE, query=task.query, gallery=task.gallery)
    names = suitable(bare, adapters)
    for name in names:
        yield Candidate(_route(task, [replace(bare, adapter=name)]), "single")
    for name, share in product(own(bare, adapters)[1:], BLENDS):
        legs = [replace(bare, weight=round(1 - share, 2)), replace(bare, adapter=name, weight=share)]
        yield Candidate(_route(task, legs), "blend")


def _composite(task: Task, adapters: Mapping[str, AdapterIdentity]) -> Iterator[Candidate]:
    whole = LegConfig(adapter=BASE, query=task.query, gallery=task.gallery)
    for name in suitable(whole, adapters):
        yield Candidate(_route(task, [replace(whole, adapter=name)]), "sum")
    bare = [LegConfig(adapter=BASE, query=(q,), gallery=(g,)) for q, g in product(task.query, task.gallery)]
    choices = [own(leg, adapters) for leg in bare]
    for names, weights in product(product(*choices), _shares(len(bare))):
        legs = [replace(leg, adapter=n, weight=w) for leg, n, w in zip(bare, names, weights, strict=True)]
        if any(leg.weight == 0 and leg.adapter != BASE for leg in legs):
            continue  # a leg that is left out is the same whatever adapter it names
        if sum(leg.weight > 0 for leg in legs) > 1:
            yield Candidate(_route(task, legs), "weighted scores")
            yield Candidate(replace(_route(task, legs), fusion="ranks"), "fused ranks")
    for leg in bare:
        for candidate in _single(leg.task, adapters):
            yield Candidate(lifted(candidate.route, task), candidate.kind)


def lifted(route: RouteConfig, task: Task) -> RouteConfig:
    """Return a route of a part of a task as a route of the task: what it does not use has a leg of weight 0."""
    silent = {*task.query, *task.gallery} - {name for leg in route.legs for name in (*leg.query, *leg.gallery)}
    first = route.legs[0]
    legs = [
        LegConfig(
            adapter=BASE,
            query=(name,) if name in task.query else first.query,
            gallery=(name,) if name in task.gallery else first.gallery,
            weight=0.0,
        )
        for name in (*task.query, *task.gallery)
        if name in silent
    ]
    return replace(route, query=task.query, gallery=task.gallery, legs=(*route.legs, *legs))


def _shares(count: int) -> Iterator[tuple[float, ...]]:
    """Yield shares that add up to 1: every weight of the grid for two legs, quarters for more."""
    if count == 2:
        yield from ((round(1 - weight, 2), weight) for weight in WEIGHTS)
        return
    for parts in product(range(5), repeat=count):
        if sum(parts) == 4:
            yield tuple(part / 4 for part in parts)


def _route(task: Task, legs: Sequence[LegConfig]) -> RouteConfig:
    return RouteConfig(query=task.query, gallery=task.gallery, legs=tuple(legs))
