"""Late fusion: one ranking from several, by their scores or by their ranks.

A leg scores query rows against gallery rows by the cosine of its own unit vectors. Not every row has every leg: an item
without audio has none in the leg that hears. A pair of rows is judged by the legs both rows have, and the weights of
these count relative to their sum:

    fused(q, g) = sum of w_l v_l(q, g) over the shared legs l / sum of w_l over the shared legs

where v_l is the cosine, or 1 / (k + rank of g for q in leg l) for reciprocal-rank fusion. A gallery row that shares no
leg with a query is not in its ranking at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trichord.errors import ProtocolError
from trichord.metrics.duplicates import distinct_rows
from trichord.metrics.ranks import RankCounts, check_vectors, count_ranks
from trichord.shapes import Bool, Float, Int, Tensor

CELLS = 2**22
TALLEST = 64


@dataclass(frozen=True)
class Leg:
    """One of the rankings that are fused.

    Args:
        query, gallery: (queries, dim) and (gallery, dim) unit vectors in float32; rows without the leg hold anything
            finite.
        query_held, gallery_held: which rows have the leg.
    """

    query: Float[Tensor, "queries dim"]
    gallery: Float[Tensor, "gallery dim"]
    query_held: Bool[np.ndarray, " queries"]
    gallery_held: Bool[np.ndarray, " gallery"]

    def of_queries(self, chosen: Bool[np.ndarray, " queries"]) -> Leg:
        """Return the leg of some of the queries."""
        if chosen.all():
            return self
        return Leg(self.query[torch.from_numpy(chosen)], self.gallery, self.query_held[chosen], self.gallery_held)


def count_fused_scores(
    legs: Sequence[Leg],
    weights: Sequence[float],
    query_items: Int[np.ndarray, " queries"],
    gallery_items: Int[np.ndarray, " gallery"],
    chunk: int = 512,
) -> RankCounts:
    """Rank by the weighted mean of cosines, exactly, without the matrix of scores.

    A weighted sum of dot products is one dot product of vectors laid end to end. All weights go to the gallery's
    vectors, where those of a row that lacks legs are scaled up; queries are taken together with others that have the
    same legs. One leg is `count_ranks` of its vectors, bit for bit. Memory: one copy of the vectors of all legs.

    Args:
        legs: the rankings.
        weights: one per leg, above zero.
        query_items, gallery_items: item of each row; relevant = the same item.
        chunk: queries scored at once; see `count_ranks`.

    Raises:
        ProtocolError: a query shares no leg with any relevant row, or its vectors are zero or not finite.
    """
    shares = _shares(legs, weights)
    held = np.stack([leg.query_held for leg in legs])
    gallery_held = np.stack([leg.gallery_held for leg in legs])
    counts = np.empty((3, len(query_items)), dtype=np.int64)
    for pattern in np.unique(held, axis=1).T:
        queries = np.flatnonzero((held == pattern[:, None]).all(axis=0))
        used = [leg for leg, has in zip(legs, pattern, strict=True) if has]
        reached = gallery_held[pattern].any(axis=0)
        if not reached.any():
            raise ProtocolError("a query has none of the legs that rank the gallery; count it as a miss instead")
        parts = shares[pattern, None] * gallery_held[pattern][:, reached]
        factors = (parts / parts.sum(axis=0)).astype(np.float32)
        found = count_ranks(
            _take(used[0].query if len(used) == 1 else torch.cat([leg.query for leg in used], dim=1), queries),
            _laid_out([leg.gallery for leg in used], factors, np.flatnonzero(reached)),
            torch.from_numpy(query_items[queries]),
            torch.from_numpy(gallery_items[reached]),
            chunk=chunk,
        )
        counts[:, queries] = found.greater, found.tied, found.relevant_tied
    return RankCounts(counts[0], counts[1], counts[2], len(gallery_items))


def count_fused_ranks(
    legs: Sequence[Leg],
    weights: Sequence[float],
    query_items: Int[np.ndarray, " queries"],
    gallery_items: Int[np.ndarray, " gallery"],
    *,
    constant: float,
) -> RankCounts:
    """Rank by weighted reciprocal-rank fusion: the mean of 1 / (constant + rank) over the legs, by weight.

    Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods"
    (SIGIR 2009), equation 1, with weights. There, a document that a system did not return adds nothing; here, a gallery
    row without a leg is judged by the legs it has, so that an item without sound is not punished for that. Rows that
    score alike in a leg share the mean of their ranks.

    Memory beyond the inputs is some arrays of at most `CELLS` numbers, or of one row of the gallery where that is more.

    Args:
        legs, weights, query_items, gallery_items: as in `count_fused_scores`.
        constant: k, at least 0; the published value is 60. The larger it is, the less the first places stand out.

    Raises:
        ProtocolError: as `count_fused_scores` does.
    """
    shares = _shares(legs, weights)
    for leg in legs:
        check_vectors(leg.query[torch.from_numpy(leg.query_held)], "query")
        check_vectors(leg.gallery[torch.from_numpy(leg.gallery_held)], "gallery")
    height = max(1, min(TALLEST, CELLS // max(1, len(gallery_items))))
    columns = [_distinct(leg.gallery) for leg in legs]
    parts: list[RankCounts] = []
    for first in range(0, len(query_items), height):
        chosen = slice(first, first + height)
        values = [
            reciprocal_ranks(mean_ranks(_score(_padded(leg.query[chosen], height), *found), leg.gallery_held), constant)
            for leg, found in zip(legs, columns, strict=True)
        ]
        here = len(query_items[chosen])
        fused = fuse(
            [value[:here] for value in values],
            shares.tolist(),
            np.stack([leg.query_held[chosen] for leg in legs]),
            np.stack([leg.gallery_held for leg in legs]),
        )
        parts.append(count_matrix(fused, query_items[chosen], gallery_items))
    return RankCounts(
        np.concatenate([part.greater for part in parts]),
        np.concatenate([part.tied for part in parts]),
        np.concatenate([part.relevant_tied for part in parts]),
        len(gallery_items),
    )


def cosines(leg: Leg) -> Float[np.ndarray, "queries gallery"]:
    """Return the whole matrix of a leg's cosines, for few rows; equal gallery rows score exactly alike."""
    return _score(leg.query, *_distinct(leg.gallery))


def mean_ranks(
    scores: Float[np.ndarray, "queries gallery"], held: Bool[np.ndarray, " gallery"]
) -> Float[np.ndarray, "queries gallery"]:
    """Return the rank of every gallery row for every query, from 1 for the highest score.

    Rows of equal score share the mean of their ranks. Rows that are not held are not ranked; theirs is infinite.
    """
    if not held.all():
        ranks = np.full(scores.shape, np.inf, dtype=np.float32)
        ranks[:, held] = mean_ranks(scores[:, held], np.ones(int(held.sum()), dtype=bool))
        return ranks
    order = np.argsort(-scores, axis=1)
    ordered = np.take_along_axis(scores, order, axis=1)
    changes = ordered[:, 1:] != ordered[:, :-1]
    places = np.arange(scores.shape[1])
    ranks = np.empty(scores.shape, dtype=np.float32)
    np.put_along_axis(ranks, order, np.broadcast_to((places + 1).astype(np.float32), scores.shape), axis=1)
    level = np.flatnonzero(np.logical_not(changes.all(axis=1)))
    if len(level):
        edge = np.ones((len(level), 1), dtype=bool)
        first = np.maximum.accumulate(np.where(np.hstack([edge, changes[level]]), places, 0), axis=1)
        ends = np.where(np.hstack([changes[level], edge]), places, scores.shape[1])
        last = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
        shared = np.empty(first.shape, dtype=np.float32)
        np.put_along_axis(shared, order[level], (0.5 * (first + last) + 1.0).astype(np.float32), axis=1)
        ranks[level] = shared
    return ranks


def reciprocal_ranks(
    ranks: Float[np.ndarray, "queries gallery"], constant: float
) -> Float[np.ndarray, "queries gallery"]:
    """Return 1 / (constant + rank) in float64; 0 for rows that are not ranked."""
    values: np.ndarray = 1.0 / (constant + ranks.astype(np.float64))
    return values


def fuse(
    values: Sequence[Float[np.ndarray, "queries gallery"]],
    weights: Sequence[float],
    query_held: Bool[np.ndarray, "legs queries"],
    gallery_held: Bool[np.ndarray, "legs gallery"],
) -> Float[np.ndarray, "queries gallery"]:
    """Return the mean of the legs' values by weight over the legs both rows have, -inf where they share none.

    The result is float32, so that sums of the same numbers in another order tie.
    """
    total_weight = float(sum(weights))
    if query_held.all() and gallery_held.all():
        total = values[0] * (weights[0] / total_weight)
        for value, weight in zip(values[1:], weights[1:], strict=True):
            total += value * (weight / total_weight)
        return total.astype(np.float32, copy=False)
    total, share = np.zeros((2, *values[0].shape))
    for value, weight, queries, gallery in zip(values, weights, query_held, gallery_held, strict=True):
        both = queries[:, None] & gallery[None, :]
        np.add(total, value * np.float64(weight / total_weight), out=total, where=both)
        np.add(share, weight / total_weight, out=share, where=both)
    fused = np.full(share.shape, -np.inf)
    np.divide(total, share, out=fused, where=share > 0)
    return fused.astype(np.float32)


def count_matrix(
    scores: Float[np.ndarray, "queries gallery"],
    query_items: Int[np.ndarray, " queries"],
    gallery_items: Int[np.ndarray, " gallery"],
) -> RankCounts:
    """Count the rows above and beside each query's best relevant row in a matrix of scores; -inf: not in the ranking.

    Raises:
        ProtocolError: a query has no relevant row, or none in its ranking.
    """
    order = np.argsort(gallery_items, kind="stable")
    ordered = gallery_items[order]
    starts = np.searchsorted(ordered, query_items, side="left")
    counts = np.searchsorted(ordered, query_items, side="right") - starts
    lost = np.flatnonzero(counts == 0)
    if len(lost) == 0:
        segments = np.cumsum(counts) - counts
        owners = np.repeat(np.arange(len(counts)), counts)
        columns = order[np.repeat(starts - segments, counts) + np.arange(len(owners))]
        relevant = scores[owners, columns]
        best = np.maximum.reduceat(relevant, segments) if len(owners) else relevant
        lost = np.flatnonzero(np.isneginf(best))
    if len(lost):
        raise ProtocolError(
            f"query row {lost[0]} (item {query_items[lost[0]]}) has no relevant row in its ranking; score such queries "
            "by the missing policy instead"
        )
    greater = np.count_nonzero(scores > best[:, None], axis=1)
    level = np.count_nonzero(scores == best[:, None], axis=1)
    relevant_tied = np.bincount(owners[relevant == best[owners]], minlength=len(counts))
    return RankCounts(greater, level - relevant_tied, relevant_tied, scores.shape[1])


def _shares(legs: Sequence[Leg], weights: Sequence[float]) -> np.ndarray:
    if not legs or len(legs) != len(weights) or not all(0 < weight < np.inf for weight in weights):
        raise ProtocolError(
            f"fusion takes one or more legs, each with a finite weight above 0, got {len(legs)} legs and the weights "
            f"{list(weights)}; leave out legs that weigh nothing"
        )
    return np.asarray(weights, dtype=np.float64) / sum(weights)


def _take(vectors: Tensor, rows: np.ndarray) -> Tensor:
    return vectors if len(rows) == len(vectors) else vectors[torch.from_numpy(rows)]


def _laid_out(parts: Sequence[Tensor], factors: np.ndarray, rows: np.ndarray) -> Tensor:
    """Lay the vectors of legs end to end, each row times its factor; one leg alone is left as it is."""
    if len(parts) == 1:
        return _take(parts[0], rows)
    widths = [part.shape[1] for part in parts]
    laid = parts[0].new_empty(len(rows), sum(widths))
    for part, factor, block in zip(parts, factors, torch.split(laid, widths, dim=1), strict=True):
        torch.mul(_take(part, rows), torch.from_numpy(factor)[:, None], out=block)
    return laid


def _distinct(gallery: Tensor) -> tuple[Tensor, np.ndarray | None]:
    """Return the distinct rows, and which of them each row equals (None: they all differ)."""
    found = distinct_rows(gallery)
    return (gallery, None) if found is None else (gallery[torch.from_numpy(found.representatives)], found.index)


def _score(query: Tensor, distinct: Tensor, index: np.ndarray | None) -> np.ndarray:
    scores: np.ndarray = (query @ distinct.T).numpy()
    return scores if index is None else scores[:, index]


def _padded(query: Tensor, height: int) -> Tensor:
    """Add rows of zeros: every product has the same shape, so that the bits of a score are those of its rows alone."""
    if len(query) == height:
        return query
    padded = query.new_zeros(height, query.shape[1])
    padded[: len(query)] = query
    return padded
