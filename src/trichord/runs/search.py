"""Exact search: the best rows of a gallery for each query of the same route, ties in the order of the gallery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trichord.errors import ConfigError, RunError
from trichord.metrics.duplicates import distinct_rows
from trichord.metrics.fusion import Leg, cosines, fuse, mean_ranks, reciprocal_ranks
from trichord.runs.stamps import require_same_space
from trichord.runs.vectors import VectorFile
from trichord.shapes import Float, Int, Tensor

CELLS = 2**24
TALLEST = 256


@dataclass(frozen=True)
class Top:
    """The best rows of a gallery.

    Args:
        rows: (queries, k) rows of the gallery, best first.
        scores: (queries, k) their dot products, or fused reciprocal ranks.
    """

    rows: Int[np.ndarray, "queries k"]
    scores: Float[np.ndarray, "queries k"]


@dataclass(frozen=True)
class Hits:
    """What was found.

    Args:
        queries, gallery: the two files.
        top: the best rows.
    """

    queries: VectorFile
    gallery: VectorFile
    top: Top

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the stamps, and for each query the ids found, best first, with instance and score."""
        gallery = self.gallery
        found = [
            {
                "id": name,
                "instance": int(instance),
                "hits": [
                    {"id": gallery.ids[row], "instance": int(gallery.instances[row]), "score": float(score)}
                    for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
                ],
            }
            for name, instance, rows, scores in zip(
                self.queries.ids, self.queries.instances, self.top.rows, self.top.scores, strict=True
            )
        ]
        stamps = {"queries": self.queries.stamp.to_dict(), "gallery": self.gallery.stamp.to_dict()}
        return {"stamps": stamps, "k": self.top.rows.shape[1], "results": found}


def search(queries: VectorFile, gallery: VectorFile, k: int = 10) -> Hits:
    """Find the best rows of a gallery for each query.

    Args:
        queries, gallery: the two sides of one route.
        k: how many; all where the gallery has fewer.

    Raises:
        RunError: the two are of different spaces; see `require_same_space`.
        ConfigError: k is below 1.
    """
    if k < 1:
        raise ConfigError(f"a search finds one row or more, got k = {k}")
    require_same_space(queries.stamp, gallery.stamp)
    asked, stored = torch.from_numpy(queries.vectors), torch.from_numpy(gallery.vectors)
    if gallery.stamp.rank_constant is None:
        return Hits(queries, gallery, top_rows(asked, stored, k))
    return Hits(queries, gallery, top_fused(asked, stored, k, gallery.stamp.weights, gallery.stamp.rank_constant))


def top_rows(queries: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"], k: int) -> Top:
    """Return the rows of highest dot product, some queries at a time; the gallery's order decides between equals.

    Equal gallery rows score exactly alike, and every product has the same shape, so that neither the place of a row
    nor the number of queries shows in the bits of a score.
    """
    found = distinct_rows(gallery)
    columns = gallery if found is None else gallery[torch.from_numpy(found.representatives)]
    k, height = min(k, len(gallery)), max(1, min(TALLEST, CELLS // len(gallery)))
    rows = np.empty((len(queries), k), np.int64)
    values = np.empty((len(queries), k), np.float32)
    for first in range(0, len(queries), height):
        part = queries[first : first + height]
        padded = torch.nn.functional.pad(part, (0, 0, 0, height - len(part)))
        scores = (padded @ columns.T)[: len(part)]
        if found is not None:
            scores = scores[:, torch.from_numpy(found.index)]
        best = _best(scores, k)
        rows[first : first + height], values[first : first + height] = best.rows, best.scores
    return Top(rows, values)


def top_fused(
    queries: Float[Tensor, "queries width"],
    gallery: Float[Tensor, "gallery width"],
    k: int,
    weights: Sequence[float],
    constant: float,
) -> Top:
    """Return the rows of highest weighted reciprocal rank, see `trichord.metrics.fusion`; ties as in `top_rows`.

    Args:
        queries, gallery: unit vectors of the legs end to end, zero where a row lacks a leg.
        k: how many.
        weights: of the legs.
        constant: k of reciprocal-rank fusion.

    Raises:
        RunError: a query shares no leg with a row that would have to be among its best.
    """
    stored = torch.chunk(gallery, len(weights), dim=1)
    stored_held = [leg.any(dim=1).numpy() for leg in stored]
    k, height = min(k, len(gallery)), max(1, min(TALLEST, CELLS // len(gallery)))
    rows = np.empty((len(queries), k), np.int64)
    values = np.empty((len(queries), k), np.float32)
    for first in range(0, len(queries), height):
        part = slice(first, first + height)
        asked = torch.chunk(queries[part], len(weights), dim=1)
        legs = [
            Leg(one.contiguous(), other.contiguous(), one.any(dim=1).numpy(), held)
            for one, other, held in zip(asked, stored, stored_held, strict=True)
        ]
        ranks = (mean_ranks(cosines(leg), leg.gallery_held) for leg in legs)
        fused = fuse(
            [reciprocal_ranks(found, constant) for found in ranks],
            weights,
            np.stack([leg.query_held for leg in legs]),
            np.stack(stored_held),
        )
        best = _best(torch.from_numpy(fused), k)
        rows[part], values[part] = best.rows, best.scores
    lost = np.flatnonzero(np.isneginf(values).any(axis=1))
    if len(lost):
        raise RunError(
            f"query row {lost[0]} shares no leg with some of the {k} rows it asks for; ask for fewer, or leave out "
            "rows that hold few modalities"
        )
    return Top(rows, values)


def _best(scores: Float[Tensor, "queries gallery"], k: int) -> Top:
    """Return the k best columns of every row; the first of equals."""
    rows, values = np.empty((len(scores), k), np.int64), np.empty((len(scores), k), np.float32)
    least = torch.topk(scores, k, dim=1).values[:, -1].numpy()
    for query, (row, bound) in enumerate(zip(scores.numpy(), least, strict=True)):
        candidates = np.flatnonzero(row >= bound)
        chosen = candidates[np.argsort(-row[candidates], kind="stable")[:k]]
        rows[query], values[query] = chosen, row[chosen]
    return Top(rows, values)
