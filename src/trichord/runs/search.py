"""Exact search: the rows of a gallery of highest dot product with each query, ties in the order of the gallery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trichord.errors import ConfigError
from trichord.metrics.duplicates import distinct_rows
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
        scores: (queries, k) their dot products.
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
    return Hits(queries, gallery, top_rows(torch.from_numpy(queries.vectors), torch.from_numpy(gallery.vectors), k))


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
        least = torch.topk(scores, k, dim=1).values[:, -1].numpy()
        for query, (row, bound) in enumerate(zip(scores.numpy(), least, strict=True), start=first):
            candidates = np.flatnonzero(row >= bound)
            chosen = candidates[np.argsort(-row[candidates], kind="stable")[:k]]
            rows[query], values[query] = chosen, row[chosen]
    return Top(rows, values)
