"""Where the best relevant gallery row of each query stands, counted without sorting and without the whole matrix.

The score of a query against a gallery row is their float32 dot product. A rank needs two counts only: the rows that
score higher than the best relevant row, and the rows that score the same. Three things make the counts exact:

- every score comes from a product of one tile shape (`TILE_QUERIES` x `TILE_GALLERY`, smaller for few rows, padded
  with zeros), so the bits of a score do not depend on `chunk`;
- the score of a relevant row is taken out of the tile in which it is counted, never computed a second time;
- equal gallery rows are scored once and counted as often as they occur, so they tie on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from trichord.errors import ProtocolError
from trichord.metrics.duplicates import distinct_rows
from trichord.shapes import Float, Int, Tensor

TILE_QUERIES = 512
TILE_GALLERY = 4096
SMALLEST_TILE = 64
SHORTEST, LONGEST = 1e-15, 1e18


@dataclass(frozen=True)
class RankCounts:
    """What is known of the rank of each query's best relevant gallery row.

    Args:
        greater: (queries,) non-relevant rows that score strictly higher than it.
        tied: (queries,) non-relevant rows that score the same.
        relevant_tied: (queries,) relevant rows at that score, itself included, so at least 1.
        gallery_size: rows of the gallery.
    """

    greater: Int[np.ndarray, " queries"]
    tied: Int[np.ndarray, " queries"]
    relevant_tied: Int[np.ndarray, " queries"]
    gallery_size: int

    def __post_init__(self) -> None:
        lowest = min((int(counts.min()) for counts in (self.greater, self.tied) if counts.size), default=0)
        total = self.greater + self.tied + self.relevant_tied
        if lowest < 0 or (self.relevant_tied < 1).any() or (total > self.gallery_size).any():
            raise ProtocolError(
                "rank counts break their rule: greater >= 0, tied >= 0, relevant_tied >= 1, and together at most the "
                f"gallery's {self.gallery_size} rows"
            )


@dataclass(frozen=True)
class _Gallery:
    """Distinct gallery rows; those relevant to query i are rows[starts[i] : starts[i] + counts[i]]."""

    vectors: Tensor
    multiplicity: Tensor | None
    rows: np.ndarray
    starts: np.ndarray
    counts: np.ndarray

    @property
    def tile_width(self) -> int:
        """Columns of a tile."""
        return _tile_size(len(self.vectors), TILE_GALLERY)

    @cached_property
    def last_tile(self) -> Tensor:
        """Rows of the last tile, padded with zeros to its width; made once, for every chunk of queries."""
        rows = self.vectors[(len(self.vectors) - 1) // self.tile_width * self.tile_width :]
        return torch.cat([rows, rows.new_zeros(self.tile_width - len(rows), rows.shape[1])])


def _tile_size(num_rows: int, largest: int) -> int:
    """Return `largest`, or for few rows the next multiple of `SMALLEST_TILE`."""
    return min(largest, -(-num_rows // SMALLEST_TILE) * SMALLEST_TILE)


def count_ranks(
    queries: Float[Tensor, "queries dim"],
    gallery: Float[Tensor, "gallery dim"],
    query_items: Int[Tensor, " queries"],
    gallery_items: Int[Tensor, " gallery"],
    chunk: int = 512,
) -> RankCounts:
    """Count, for every query, the rows above and beside its best relevant row; relevant = the same item number.

    Memory beyond the inputs (and one copy of the gallery, where it is not in item order or not float32) is that of
    `chunk` x `TILE_GALLERY` scores, once for the tiles that hold the chunk's relevant rows and once for all others.

    Args:
        chunk: queries scored at once, rounded up to whole tiles of at most `TILE_QUERIES`; it changes no result.

    Raises:
        ProtocolError: a vector is not finite, zero, or so short or long that float32 products vanish or overflow; a
            query has no relevant row; chunk < 1.
    """
    if chunk < 1:
        raise ProtocolError(f"chunk counts queries and is at least 1, got {chunk}")
    check_vectors(queries, "query")
    check_vectors(gallery, "gallery")
    order = np.argsort(query_items.cpu().numpy(), kind="stable")
    prepared = _prepare(gallery, query_items.cpu().numpy()[order], gallery_items.cpu().numpy(), order)
    counts = np.empty((3, len(order)), dtype=np.int64)
    height = _tile_size(max(1, len(order)), TILE_QUERIES)
    step = -(-chunk // height) * height
    for first in range(0, len(order), step):
        chosen = slice(first, min(first + step, len(order)))
        rows = torch.from_numpy(order[chosen]).to(queries.device)
        counts[:, order[chosen]] = _count_chunk(queries[rows].float(), prepared, chosen, height)
    return RankCounts(counts[0], counts[1], counts[2], len(gallery))


def check_vectors(vectors: Float[Tensor, "rows dim"], side: str) -> None:
    """Raise `ProtocolError` naming the first row that is not finite, zero, or out of float32's range for products."""
    for first in range(0, len(vectors), 65536):
        lengths = torch.linalg.vector_norm(vectors[first : first + 65536].float(), dim=1)
        wrong = ~((lengths >= SHORTEST) & (lengths <= LONGEST))
        if wrong.any():
            local = int(wrong.nonzero()[0, 0])
            vector = vectors[first + local]
            if not bool(vector.isfinite().all()):
                fault = "holds a value that is not finite (NaN or infinity)"
            elif bool((vector == 0).all()):
                fault = "is zero, so its similarity to everything is the same"
            else:
                fault = f"has the length {float(lengths[local]):.3g}, outside [{SHORTEST:g}, {LONGEST:g}]"
            raise ProtocolError(
                f"{side} row {first + local} {fault}; ranks of such vectors mean nothing. Look for the fault in the "
                "model or its input, or leave the item out as missing"
            )


def _prepare(gallery: Tensor, query_items: np.ndarray, gallery_items: np.ndarray, order: np.ndarray) -> _Gallery:
    """Put the gallery rows of queried items first, by item, so that a chunk's relevant rows share few tiles."""
    unqueried = ~np.isin(gallery_items, query_items)
    arranged = np.lexsort((gallery_items, unqueried))
    items = gallery_items[arranged][: len(gallery_items) - int(unqueried.sum())]
    starts = np.searchsorted(items, query_items, side="left")
    counts = np.searchsorted(items, query_items, side="right") - starts
    if (counts == 0).any():
        lost = int(np.flatnonzero(counts == 0)[0])
        raise ProtocolError(
            f"query row {order[lost]} (item {query_items[lost]}) has no relevant row in the gallery; score such "
            "queries by the missing policy instead"
        )
    vectors = gallery.float()
    if (arranged != np.arange(len(arranged))).any():
        vectors = vectors[torch.from_numpy(arranged).to(vectors.device)]
    distinct = distinct_rows(vectors)
    if distinct is None:
        return _Gallery(vectors, None, np.arange(len(vectors)), starts, counts)
    kept = torch.from_numpy(distinct.representatives).to(vectors.device)
    multiplicity = torch.from_numpy(distinct.multiplicity).to(vectors.device)
    return _Gallery(vectors[kept], multiplicity, distinct.index, starts, counts)


def _count_chunk(queries: Tensor, gallery: _Gallery, chosen: slice, height: int) -> np.ndarray:
    """Return (3, queries of the chunk): greater, tied, relevant_tied."""
    counts = gallery.counts[chosen]
    owners = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    relevant = gallery.rows[np.repeat(gallery.starts[chosen], counts) + within]
    tiles = relevant // gallery.tile_width
    # Padded to whole tiles: every product below has the same shape whatever the chunk.
    padded = queries.new_zeros(-(-len(queries) // height) * height, queries.shape[1])
    padded[: len(queries)] = queries
    kept: dict[int, Tensor] = {}
    for tile in np.unique(tiles).tolist():
        scored = _score_tile(padded, gallery, tile, height, padded.new_empty(len(padded), gallery.tile_width))
        kept[tile] = scored[: len(queries)]
    scores = queries.new_empty(len(owners))
    for tile, block in kept.items():
        here = np.flatnonzero(tiles == tile)
        columns = torch.from_numpy(relevant[here] - tile * gallery.tile_width)
        scores[torch.from_numpy(here)] = block[torch.from_numpy(owners[here]), columns]
    owner = torch.from_numpy(owners).to(scores.device)
    best = scores.new_full((len(queries),), -torch.inf).scatter_reduce_(0, owner, scores, "amax")
    relevant_tied = torch.zeros_like(best, dtype=torch.long).index_add_(0, owner, (scores == best[owner]).long())
    greater = torch.zeros_like(relevant_tied)
    level = torch.zeros_like(relevant_tied)
    for block, multiplicity in _blocks(padded, gallery, kept, len(queries), height):
        above, beside = _count(block, best[:, None], multiplicity)
        greater += above
        level += beside
    return torch.stack([greater, level - relevant_tied, relevant_tied]).cpu().numpy()


def _blocks(
    padded: Tensor, gallery: _Gallery, kept: dict[int, Tensor], num_queries: int, height: int
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield the scores of every tile of the gallery with the multiplicities of its columns; a block is soon reused."""
    scores = padded.new_empty(len(padded), gallery.tile_width)
    for tile in range(-(-len(gallery.vectors) // gallery.tile_width)):
        block = kept[tile] if tile in kept else _score_tile(padded, gallery, tile, height, scores)[:num_queries]
        first = tile * gallery.tile_width
        yield block, None if gallery.multiplicity is None else gallery.multiplicity[first : first + block.shape[1]]


def _score_tile(padded: Tensor, gallery: _Gallery, tile: int, height: int, scores: Tensor) -> Tensor:
    """Score all (padded) queries of the chunk against one tile of the gallery, into `scores`."""
    rows = gallery.vectors[tile * gallery.tile_width : (tile + 1) * gallery.tile_width]
    width = len(rows)
    if width < gallery.tile_width:
        rows = gallery.last_tile
    for first in range(0, len(padded), height):
        torch.mm(padded[first : first + height], rows.T, out=scores[first : first + height])
    return scores[:, :width]


def _count(block: Tensor, best: Tensor, multiplicity: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return for every query how many gallery rows score above its best relevant row, and how many the same."""
    if multiplicity is not None:
        weights = multiplicity.double()
        return ((block > best).double() @ weights).long(), ((block == best).double() @ weights).long()
    if block.device.type == "cpu":
        # NumPy counts on the calling thread; PyTorch would wait for all threads at every small step, which takes ten
        # times as long where cores are shared.
        scores, level = block.numpy(), best.numpy()
        counts = (np.count_nonzero(scores > level, axis=1), np.count_nonzero(scores == level, axis=1))
        return torch.from_numpy(counts[0]), torch.from_numpy(counts[1])
    return (block > best).sum(dim=1), (block == best).sum(dim=1)
