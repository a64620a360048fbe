"""Scoring routes: a task answered by one or several adapters, comparable with every other route of the task."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from trichord.adapters.settings import BASE
from trichord.errors import ConfigError, ProtocolError, nearest
from trichord.evaluation.embed import EmbeddingTable
from trichord.evaluation.guards import collapse_flags
from trichord.evaluation.result import RetrievalResult
from trichord.evaluation.retrieval import RankedTask, check_some, make_result, rank_rows
from trichord.evaluation.route import LegConfig, RouteConfig, check_route
from trichord.evaluation.settings import EvaluationConfig, EvaluationSet
from trichord.evaluation.sides import Side, build_side
from trichord.evaluation.views import Views
from trichord.metrics.fusion import (
    Leg,
    cosines,
    count_fused_ranks,
    count_fused_scores,
    count_matrix,
    fuse,
    mean_ranks,
    reciprocal_ranks,
)
from trichord.metrics.ranks import RankCounts
from trichord.modality import spell_task
from trichord.shapes import Bool, Float, Int, Tensor

__all__ = ["LegConfig", "RouteConfig", "RouteScorer", "check_route", "evaluate_route", "rank_route"]

FUSION, SIMILARITY = "by route", "cosine by route"
FEW_SCORES = 2**21
REMEMBERED_BYTES = 2**28


@dataclass(frozen=True)
class _Placed:
    """A leg's vectors at the rows that a route ranks, zero where the leg has none."""

    vectors: Float[Tensor, "rows dim"]
    held: Bool[np.ndarray, " rows"]


class _Memory:
    """Matrices that were made, the latest of them up to some size in bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most, self._size = most_bytes, 0
        self._made: dict[Hashable, np.ndarray] = {}

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        if key in self._made:
            return self._made[key]
        made = self._made[key] = make()
        self._size += made.nbytes
        while self._size > self._most and len(self._made) > 1:
            self._size -= self._made.pop(next(iter(self._made))).nbytes
        return made


class RouteScorer:
    """Ranks many routes over one set of items, and makes what they have in common once.

    Queries and their number depend on the task alone, whatever a route leaves out. Where there are few rows (at most
    `FEW_SCORES` scores), the scores and ranks of each leg are kept, and a route of several legs costs their sum;
    otherwise scores are fused without a matrix, see `trichord.metrics.fusion`. Both add the same cosines in float32.
    A route of one leg is ranked as `rank_task` ranks, bit for bit.

    Args:
        views: adapter name, `BASE` included -> modality name -> vectors.
        items: rows of the items in their data set.
        config: `captions` and `chunk` are used; similarity and fusion are those of the route.

    Raises:
        ProtocolError: the views are not of the same instances.
    """

    def __init__(self, views: Views, items: Int[np.ndarray, " items"], config: EvaluationConfig | None = None) -> None:
        if BASE not in views:
            raise ProtocolError(f"views hold the vectors of {BASE!r} besides those of adapters, got {sorted(views)}")
        for adapter, tables in views.items():
            for name, table in tables.items():
                base = views[BASE].get(name)
                if base is None or (table is not base and not np.array_equal(table.items, base.items)):
                    raise ProtocolError(
                        f"the {name} vectors under {adapter!r} are not of the instances of those of the base; embed "
                        "both on the same items"
                    )
        self.views, self.items = views, items
        self.config = EvaluationConfig() if config is None else config
        self._sides: dict[Hashable, Side] = {}
        self._laid: dict[tuple[str, ...], Side] = {}
        self._placed: dict[Hashable, _Placed] = {}
        self._memory = _Memory(REMEMBERED_BYTES)

    def rank(self, route: RouteConfig) -> RankedTask:
        """Score every query of the route's task; see `rank_task` for what counts as a miss.

        So does a query that shares no leg with the rows of its item. The queries are the rows of all the task's query
        modalities; the gallery is the rows of those of its modalities that the route uses. Both sides of the result
        are without vectors, for every leg has its own: see `sides`.

        Raises:
            ConfigError: there are no vectors under an adapter of the route.
            ProtocolError: there are none of a modality, or nothing can be retrieved.
        """
        self._check(route)
        used = tuple(name for name in route.gallery if name not in route.silent)
        query, gallery = self.rows(route.query), self.rows(used)
        keys = [self._key(leg.adapter, leg.query) + self._key(leg.adapter, leg.gallery) for leg in route.active]
        legs = [self._leg(leg, route.query, used) for leg in route.active]
        scored = np.zeros(len(query.positions), dtype=bool)
        for leg in legs:
            reached = np.zeros(len(self.items), dtype=bool)
            reached[gallery.positions[leg.gallery_held]] = True
            scored |= leg.query_held & reached[query.positions]
        check_some(scored)
        if len(legs) > 1 and len(query.positions) * len(gallery.positions) <= FEW_SCORES:
            values = [self._values(route, leg, (key, route.query, used)) for leg, key in zip(legs, keys, strict=True)]
            counts = _count_few(route, legs, values, query.positions, gallery.positions, scored)
        else:
            legs = [leg.of_queries(scored) for leg in legs]
            counts = _count_many(route, legs, query.positions[scored], gallery.positions, self.config.chunk)
        return rank_rows(query, gallery, scored, counts)

    def sides(self, leg: LegConfig) -> tuple[Side, Side]:
        """Return the query and the gallery side of a leg, with its vectors."""
        return self._side(leg.adapter, leg.query), self._side(leg.adapter, leg.gallery)

    def _check(self, route: RouteConfig) -> None:
        base = self.views[BASE]
        for name in (*route.query, *route.gallery):
            if name not in base:
                raise ProtocolError(
                    f"the route asks for {name!r}, and there are vectors of {' and '.join(sorted(base))} only; embed "
                    "that too, or take a route of a task without it"
                )
        for adapter in route.adapters:
            if adapter not in self.views:
                raise ConfigError(
                    f"the route asks for the adapter {adapter!r}, and there are no vectors under it; "
                    f"{nearest(adapter, tuple(self.views))}"
                )

    def rows(self, names: tuple[str, ...]) -> Side:
        """Return the rows of a side of several modalities, with vectors of no width."""
        if names not in self._laid:
            bare = {name: EmbeddingTable(table.vectors[:, :0], table.items) for name, table in self.views[BASE].items()}
            self._laid[names] = self._build(bare, names, fusion="sum of vectors", similarity="dot product")
        return self._laid[names]

    def _side(self, adapter: str, names: tuple[str, ...]) -> Side:
        key = self._key(adapter, names)
        if key not in self._sides:
            self._sides[key] = self._build(
                self.views[adapter], names, fusion="sum of unit vectors", similarity="dot product of unit vectors"
            )
        return self._sides[key]

    def _build(self, tables: Mapping[str, EmbeddingTable], names: tuple[str, ...], **choices: str) -> Side:
        return build_side(tables, names, self.items, captions=self.config.captions, **choices)

    def _key(self, adapter: str, names: tuple[str, ...]) -> tuple[Hashable, ...]:
        """What a side's vectors depend on: where an adapter leaves a modality alone, the table is the base's."""
        return tuple((name, id(self.views[adapter][name])) for name in names)

    def _leg(self, leg: LegConfig, query: tuple[str, ...], gallery: tuple[str, ...]) -> Leg:
        """Return a leg's vectors at the rows that hold some of the query modalities, and some of the gallery's."""
        placed = []
        for names, rows in ((leg.query, query), (leg.gallery, gallery)):
            key = (self._key(leg.adapter, names), rows)
            if key not in self._placed:
                self._placed[key] = _place(self._side(leg.adapter, names), self.rows(rows))
            placed.append(self._placed[key])
        return Leg(placed[0].vectors, placed[1].vectors, placed[0].held, placed[1].held)

    def _values(self, route: RouteConfig, leg: Leg, key: Hashable) -> np.ndarray:
        scores = self._memory.get(("scores", key), lambda: cosines(leg))
        if route.fusion == "scores":
            return scores
        ranks = self._memory.get(("ranks", key), lambda: mean_ranks(scores, leg.gallery_held))
        return reciprocal_ranks(ranks, route.rank_constant)


def rank_route(
    views: Views, route: RouteConfig, items: Int[np.ndarray, " items"], config: EvaluationConfig | None = None
) -> RankedTask:
    """Score every query of one route, without intervals; for many routes of the same items see `RouteScorer`."""
    return RouteScorer(views, items, config).rank(route)


def evaluate_route(
    views: Views,
    route: RouteConfig,
    evaluated: EvaluationSet,
    config: EvaluationConfig | None = None,
) -> RetrievalResult:
    """Score one route on the evaluated items, with intervals, chance values and flags.

    Results of any two routes of a task on the same items have one protocol and the same queries, so that
    `compare_results` pairs them; with those of `evaluate_task` they are not compared.

    Args:
        views: adapter name, `BASE` included -> modality name -> vectors; see `embed_views`.
        route: the task and how it is answered.
        evaluated: the items, and where they come from.
        config: choices; its similarity and fusion give way to those of the route, and the protocol says so.

    Raises:
        ConfigError: there are no vectors under an adapter of the route.
        ProtocolError: an embedding is zero or not finite, a table is missing, or no item has both sides of a leg.
    """
    scorer = RouteScorer(views, evaluated.items, config)
    try:
        ranked = scorer.rank(route)
    except ProtocolError as error:
        place = f"{evaluated.dataset}, split {evaluated.split!r}, {spell_task(route.task, evaluated.known)}"
        raise ProtocolError(f"{place} by the route {route.describe(evaluated.known)}: {error}") from error
    # Captions of the gallery are those of the task: what a route leaves out is the route's choice, not the protocol's.
    gallery = scorer.rows(route.gallery)
    return make_result(
        replace(ranked, gallery=gallery),
        route.task,
        evaluated,
        scorer.config,
        similarity=SIMILARITY,
        fusion=FUSION,
        flags=_collapse_flags(scorer, route, evaluated),
    )


def _place(side: Side, rows: Side) -> _Placed:
    """Find the row of a leg's side for each row that is ranked: the same instance of the item, or its only one."""
    count = np.bincount(side.positions, minlength=len(side.missing))
    first = np.cumsum(count) - count
    held = count[rows.positions] > 0
    chosen = first[rows.positions] + np.minimum(rows.instances, count[rows.positions] - 1)
    if held.all() and np.array_equal(chosen, np.arange(len(side.positions))):
        return _Placed(torch.from_numpy(side.vectors), held)
    vectors = np.zeros((len(held), side.vectors.shape[1]), dtype=np.float32)
    vectors[held] = side.vectors[chosen[held]]
    return _Placed(torch.from_numpy(vectors), held)


def _count_few(
    route: RouteConfig,
    legs: Sequence[Leg],
    values: Sequence[np.ndarray],
    query: np.ndarray,
    gallery: np.ndarray,
    scored: np.ndarray,
) -> RankCounts:
    fused = fuse(
        values,
        [leg.weight for leg in route.active],
        np.stack([leg.query_held for leg in legs]),
        np.stack([leg.gallery_held for leg in legs]),
    )
    if not scored.all():
        fused, query = fused[scored], query[scored]
    return count_matrix(fused, query, gallery)


def _count_many(
    route: RouteConfig, legs: Sequence[Leg], query: np.ndarray, gallery: np.ndarray, chunk: int
) -> RankCounts:
    weights = [leg.weight for leg in route.active]
    # The ranks of one leg alone are in the order of its scores, so these need no second way.
    if route.fusion == "scores" or len(legs) == 1:
        return count_fused_scores(legs, weights, query, gallery, chunk)
    return count_fused_ranks(legs, weights, query, gallery, constant=route.rank_constant)


def _collapse_flags(scorer: RouteScorer, route: RouteConfig, evaluated: EvaluationSet) -> list[str]:
    """Return sentences about legs whose sides have collapsed, each naming its leg where there are several."""
    flags: list[str] = []
    for leg in route.active:
        found = collapse_flags(*scorer.sides(leg), spell_task(leg.task, evaluated.known))
        named = f"collapsed: leg {leg.describe(evaluated.known)}: "
        flags += found if len(route.active) == 1 else [flag.replace("collapsed: ", named, 1) for flag in found]
    return flags
