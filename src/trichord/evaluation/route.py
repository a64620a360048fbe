"""How a task is answered: which adapters' rankings, of which of its modalities, and how they are fused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.settings import BASE
from trichord.config import Config
from trichord.errors import ConfigError, nearest
from trichord.modality import STANDARD, Modality, Task, spell_task

FUSIONS = ("scores", "ranks")
SMALLEST_WEIGHT, LARGEST_WEIGHT = 1e-9, 1e9


@dataclass(frozen=True, kw_only=True)
class LegConfig(Config):
    """One ranking of a route: a query side against a gallery side, with the vectors of one adapter.

    Args:
        adapter: name of the adapter, or `BASE`.
        query, gallery: names of modalities; a side of several is the sum of their unit vectors, over those that an
            item holds.
        weight: how much it counts; 0 leaves it out.
    """

    adapter: str
    query: tuple[str, ...]
    gallery: tuple[str, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        _check_sides(self.query, self.gallery)
        if not self.adapter:
            raise ConfigError(f"a leg names its adapter; for none, say {BASE!r}")
        if not isfinite(self.weight) or (self.weight and not SMALLEST_WEIGHT <= self.weight <= LARGEST_WEIGHT):
            raise ConfigError(
                f"the weight of a leg is 0 or lies in [{SMALLEST_WEIGHT:g}, {LARGEST_WEIGHT:g}], got {self.weight}"
            )

    @property
    def task(self) -> Task:
        """What the leg ranks."""
        return Task(self.query, self.gallery)

    def describe(self, known: Sequence[Modality] = STANDARD) -> str:
        """Spell the leg without its weight: "T>V under VT"."""
        return f"{spell_task(self.task, known)} under {self.adapter}"


@dataclass(frozen=True, kw_only=True)
class RouteConfig(Config):
    """A task and the legs that answer it.

    Only the ratios of the weights matter. Every modality of the task is named by a leg; one that should not be used is
    named by a leg of weight 0, so that nothing is left out unseen.

    Args:
        query, gallery: names of the modalities of the task.
        legs: the rankings, at least one of a weight above 0; their sides are parts of the task's.
        fusion: "scores", the weighted mean of cosines, or "ranks", weighted reciprocal-rank fusion; see
            `trichord.metrics.fusion`.
        rank_constant: k of reciprocal-rank fusion.
    """

    query: tuple[str, ...]
    gallery: tuple[str, ...]
    legs: tuple[LegConfig, ...]
    fusion: Literal["scores", "ranks"] = "scores"
    rank_constant: float = 60.0

    def __post_init__(self) -> None:
        _check_sides(self.query, self.gallery)
        if self.fusion not in FUSIONS:
            raise ConfigError(f"RouteConfig.fusion is one of {FUSIONS}, got {self.fusion!r}")
        if not (isfinite(self.rank_constant) and self.rank_constant >= 0):
            raise ConfigError(f"RouteConfig.rank_constant is finite and at least 0, got {self.rank_constant}")
        if not any(leg.weight > 0 for leg in self.legs):
            raise ConfigError("a route needs at least one leg of a weight above 0; without one it ranks nothing")
        for leg in self.legs:
            for role in ("query", "gallery"):
                strange = set(getattr(leg, role)) - set(getattr(self, role))
                if strange:
                    raise ConfigError(
                        f"a leg's {role} is part of the task's {role} {self._side(role)}, got {sorted(strange)} besides"
                    )
        kinds = [(leg.adapter, frozenset(leg.query), frozenset(leg.gallery)) for leg in self.legs]
        twice = next((leg for leg, kind in zip(self.legs, kinds, strict=True) if kinds.count(kind) > 1), None)
        if twice is not None:
            raise ConfigError(
                f"a route has each leg once; {list(twice.query)} against {list(twice.gallery)} under {twice.adapter!r} "
                "is there twice. Add up their weights"
            )
        silent = {*self.query, *self.gallery} - {name for leg in self.legs for name in (*leg.query, *leg.gallery)}
        if silent:
            raise ConfigError(
                f"no leg names {sorted(silent)}, which the task asks for; to leave a modality out, give it a leg of "
                "weight 0"
            )

    def _side(self, role: str) -> list[str]:
        return list(getattr(self, role))

    @property
    def task(self) -> Task:
        """The task."""
        return Task(self.query, self.gallery)

    @property
    def active(self) -> tuple[LegConfig, ...]:
        """The legs of a weight above 0."""
        return tuple(leg for leg in self.legs if leg.weight > 0)

    @property
    def adapters(self) -> tuple[str, ...]:
        """Adapters of the active legs, `BASE` where one is the base's, each once in the order of the legs."""
        return tuple(dict.fromkeys(leg.adapter for leg in self.active))

    @property
    def silent(self) -> tuple[str, ...]:
        """Modalities of the task that no active leg uses."""
        used = {name for leg in self.active for name in (*leg.query, *leg.gallery)}
        return tuple(name for name in (*self.query, *self.gallery) if name not in used)

    def describe(self, known: Sequence[Modality] = STANDARD) -> str:
        """Say in words what the route does: "T>V under VT + 0.3 x T>A under AT, weighted scores".

        Args:
            known: the modalities and their letters.
        """
        if len(self.active) == 1:
            words = [_describe_alone(self.active[0])]
        else:
            factors = ("" if leg.weight == 1 else f"{leg.weight:g} x " for leg in self.active)
            terms = (f"{factor}{leg.describe(known)}" for factor, leg in zip(factors, self.active, strict=True))
            by_ranks = f"weighted ranks (k = {self.rank_constant:g})"
            words = [" + ".join(terms), by_ranks if self.fusion == "ranks" else "weighted scores"]
        return ", ".join([*words, *(f"without {name}" for name in self.silent)])


def check_route(
    route: RouteConfig, known: Sequence[Modality], adapters: Mapping[str, AdapterIdentity], *, strict: bool = True
) -> None:
    """Raise unless a route suits the modalities and the adapters at hand.

    An adapter that changes no modality of its leg is always refused: it would be the base under another name. Where
    `strict`, so is an adapter of another pair than the leg's: its pair must have one side that meets the leg's query
    and another that meets the leg's gallery, as VT and T-VA have for T>V, and VT has not for T>A. A mixture has no pair
    and serves every leg that it changes. Not strict, VT may rank T>A with the text side as it moved it: a cell of the
    table of every adapter on every task.

    Args:
        route: the route.
        known: modalities of the model or of the data it shall rank, and their letters.
        adapters: name -> identity of every adapter that is loaded.
        strict: whether adapters of other pairs are refused; for every route that somebody hands in.

    Raises:
        ConfigError: a modality that is not among the known, an adapter that is not loaded or does not suit its leg.
    """
    names = [modality.name for modality in known]
    for name in (*route.query, *route.gallery):
        if name not in names:
            raise ConfigError(
                f"the route {_task_in_names(route)} names {name!r}, which is not at hand; {nearest(name, names)}. Take "
                "a route of a task without it"
            )
    for leg in route.active:
        if leg.adapter == BASE:
            continue
        spelled = f"the route {route.describe(known)}"
        if leg.adapter not in adapters:
            raise ConfigError(
                f"{spelled} asks for the adapter {leg.adapter!r}, which is not loaded; "
                f"{nearest(leg.adapter, (BASE, *adapters))}"
            )
        identity, legwise = adapters[leg.adapter], spell_task(leg.task, known)
        if not _changes(identity, leg):
            raise ConfigError(
                f"{spelled}: the adapter {leg.adapter!r} changes {' and '.join(identity.sides)} only, so under it "
                f"{legwise} is that of the base; write {BASE!r}, or name another adapter"
            )
        if strict and not _joins(identity, leg):
            raise ConfigError(
                f"{spelled}: the adapter {leg.adapter!r} pulls {' and '.join(identity.left)} towards "
                f"{' and '.join(identity.right)}, another pair than {legwise} asks for; name the adapter of that pair, "
                f"or {BASE!r}"
            )


def _check_sides(query: tuple[str, ...], gallery: tuple[str, ...]) -> None:
    Task(query, gallery)
    for names in (query, gallery):
        if len(set(names)) != len(names):
            raise ConfigError(f"a side names each modality once, got {list(names)}")


def _describe_alone(leg: LegConfig) -> str:
    sums = (f"sum of {' and '.join(names)}" for names in (leg.query, leg.gallery) if len(names) > 1)
    return ", ".join([leg.adapter if leg.adapter == BASE else f"adapter {leg.adapter}", *sums])


def serves(identity: AdapterIdentity, leg: LegConfig) -> bool:
    """Whether a leg may pass through an adapter: it changes a modality of the leg, and its pair is the leg's."""
    return _changes(identity, leg) and _joins(identity, leg)


def _changes(identity: AdapterIdentity, leg: LegConfig) -> bool:
    return bool(set(identity.sides) & {*leg.query, *leg.gallery})


def _joins(identity: AdapterIdentity, leg: LegConfig) -> bool:
    """Whether one side of the adapter's pair meets the leg's query and the other its gallery; mixtures have no pair."""
    if not (identity.left or identity.right):
        return True
    left, right, query, gallery = map(set, (identity.left, identity.right, leg.query, leg.gallery))
    return bool((left & query and right & gallery) or (right & query and left & gallery))


def _task_in_names(route: RouteConfig) -> str:
    return f"{'+'.join(route.query)} > {'+'.join(route.gallery)}"
