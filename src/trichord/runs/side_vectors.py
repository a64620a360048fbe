"""The vectors of one side of a route, such that a dot product of a query's and a gallery's is the route's score.

A route by scores judges a pair of rows by the weighted mean of the cosines of the legs both hold,

    score(q, g) = sum of w_l <q_l, g_l> / sum of w_l        over the shared legs l, with unit vectors q_l and g_l.

Let the weights sum to one. The unit vectors of all legs laid end to end, each times sqrt(w_l), have the dot product
sum of w_l <q_l, g_l>. A row that lacks legs has zeros there, and its other parts are divided by the sum W of the
weights it holds: against a row that holds all legs the shared weights are W, so the dot product is the score exactly.
Two rows that lack different legs share less than either holds, and no vectors can say that; such routes are refused as
soon as a row lacks a leg, see `side_vectors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trichord.adapters.bank import AdapterBank
from trichord.adapters.settings import BASE
from trichord.errors import ConfigError, DataError
from trichord.evaluation.route import LegConfig, RouteConfig
from trichord.evaluation.sides import unit_vectors
from trichord.shapes import Bool, Float

SideName = Literal["query", "gallery"]


@dataclass(frozen=True)
class Held:
    """One modality's vectors, row by row.

    Args:
        vectors: (rows, dim) float32; rows that lack the modality hold anything.
        held: (rows,) which rows hold it.
    """

    vectors: Float[np.ndarray, "rows dim"]
    held: Bool[np.ndarray, " rows"]


def names_of(leg: LegConfig | RouteConfig, side: SideName) -> tuple[str, ...]:
    """Return the modality names of a side of a leg or of a route's task; raise `ConfigError` for no side."""
    if side not in ("query", "gallery"):
        raise ConfigError(f"a side of a route is 'query' or 'gallery', got {side!r}")
    return leg.query if side == "query" else leg.gallery


def used_modalities(route: RouteConfig, side: SideName) -> tuple[str, ...]:
    """Return the modalities of a side that legs of a weight above 0 use, in the order of the task."""
    used = {name for leg in route.active for name in names_of(leg, side)}
    return tuple(name for name in names_of(route, side) if name in used)


def find_makers(route: RouteConfig, side: SideName, bank: AdapterBank) -> tuple[dict[str, str], ...]:
    """Return for each active leg: modality of the side -> the adapter that makes its vectors.

    That is `BASE` where the leg's adapter leaves the modality alone, so that what is equal has one name.
    """
    return tuple(
        {name: leg.adapter if name in bank.sides(leg.adapter) else BASE for name in names_of(leg, side)}
        for leg in route.active
    )


def shares(route: RouteConfig) -> tuple[float, ...]:
    """Return the weights of the active legs, divided by their sum."""
    total = sum(leg.weight for leg in route.active)
    return tuple(leg.weight / total for leg in route.active)


def summed(parts: Mapping[str, Held]) -> Held:
    """Return the sum of the unit vectors of the modalities that a row holds, brought to length one.

    Raises:
        ProtocolError: a vector is zero and has no direction.
    """
    held = np.any([part.held for part in parts.values()], axis=0)
    rows = np.arange(len(held))
    total = np.zeros_like(next(iter(parts.values())).vectors)
    for name, part in parts.items():
        total[part.held] += unit_vectors(part.vectors[part.held], name, rows[part.held])
    total[held] = unit_vectors(total[held], "+".join(parts), rows[held])
    return Held(total, held)


def side_vectors(
    route: RouteConfig, side: SideName, vectors: Sequence[Mapping[str, Held]]
) -> Float[np.ndarray, "rows width"]:
    """Lay the legs of one side end to end; see the head of this file.

    Args:
        route: the route.
        side: which side.
        vectors: for each active leg, modality of the side -> its vectors, all of equally many rows.

    Returns:
        (rows, legs x dim) float32; of a single leg, unit vectors. Of a route by ranks the unit vectors of the legs,
        zero where a row lacks one: their ranks are fused by `trichord.runs.search`.

    Raises:
        ConfigError: a row lacks a leg on a side where that cannot be said by vectors.
        DataError: a row has no leg at all.
        ProtocolError: a vector is zero.
    """
    legs = [summed(parts) for parts in vectors]
    held = np.stack([leg.held for leg in legs])
    if not held.any(axis=0).all():
        row = int(np.flatnonzero(~held.any(axis=0))[0])
        raise DataError(
            f"the entry holds none of {list(used_modalities(route, side))}, which the {side} side is made of",
            row=row,
            remedy="leave it out; the route cannot rank it",
        )
    if by_ranks(route):
        return np.concatenate([np.where(leg.held[:, None], leg.vectors, np.float32(0)) for leg in legs], axis=1)
    if not held.all() and _may_lack_legs(route, "gallery" if side == "query" else "query"):
        row = int(np.flatnonzero(~held.all(axis=0))[0])
        raise ConfigError(
            f"row {row} of the {side} side lacks a leg of the route, and rows of the other side may lack others: no "
            "vectors can be made whose dot product is the score of the shared legs. Leave such rows out, or encode and "
            "search the legs one by one"
        )
    weights = np.asarray(shares(route))
    factors = np.sqrt(weights)[:, None] * held / (weights[:, None] * held).sum(axis=0)
    laid = [leg.vectors * factor[:, None].astype(np.float32) for leg, factor in zip(legs, factors, strict=True)]
    return np.concatenate(laid, axis=1) if len(legs) > 1 else legs[0].vectors


def by_ranks(route: RouteConfig) -> bool:
    """Whether a route fuses ranks; those of one leg are in the order of its scores."""
    return route.fusion == "ranks" and len(route.active) > 1


def require_scores(route: RouteConfig) -> None:
    """Raise `ConfigError` for a route whose score is no dot product: one that fuses the ranks of several legs."""
    if by_ranks(route):
        legs = "; ".join(f"{'+'.join(leg.query)} > {'+'.join(leg.gallery)} under {leg.adapter}" for leg in route.active)
        raise ConfigError(
            "a route by ranks has no vectors whose dot product is its score; encode and search its legs one by one "
            f"({legs}), store its sides with `trichord encode` and let `trichord search` fuse the ranks, or take a "
            "route by scores"
        )


def _may_lack_legs(route: RouteConfig, side: SideName) -> bool:
    """Whether a row of a side can hold one leg and lack another: only where legs ask for different modalities."""
    return len({frozenset(names_of(leg, side)) for leg in route.active}) > 1
