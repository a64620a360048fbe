"""Which queries are won and which are lost between two ways of answering, with their ranks and captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trichord.data.dataset import Dataset
from trichord.errors import ProtocolError
from trichord.evaluation.result import RetrievalResult

DEPTH = 10


@dataclass(frozen=True)
class QueryChange:
    """One query before and after; everything is averaged over seeds.

    Args:
        item: id of the query's item.
        instance: which instance (caption) of the item asks, from 0.
        caption: the caption: the one that asks where text asks, and otherwise the item's first; None where the data
            store none.
        rank_before, rank_after: expected rank, from 1.
        gain: change of the mean reciprocal rank; above 0 is won.
    """

    item: str
    instance: int
    caption: str | None
    rank_before: float
    rank_after: float
    gain: float


@dataclass(frozen=True)
class Changes:
    """All queries that change.

    Args:
        won, lost: the changed queries, the largest change first.
        unchanged: number of the others.
        entered, left: queries that come among the first `DEPTH` and that fall out of them, in at least half of the
            seeds.
    """

    won: tuple[QueryChange, ...]
    lost: tuple[QueryChange, ...]
    unchanged: int
    entered: int
    left: int


def stores_captions(dataset: Dataset) -> bool:
    """Whether the text of captions is in the data set at all; features of text do not hold it."""
    return "captions" in dataset.table.column_names


def find_changes(
    before: Sequence[RetrievalResult], after: Sequence[RetrievalResult], dataset: Dataset, *, text_asks: bool
) -> Changes:
    """List the queries that one way answers better or worse than another.

    Args:
        before, after: one result per seed, on the same queries.
        dataset: gives ids and captions.
        text_asks: whether the k-th instance of a query is the item's k-th caption.

    Raises:
        ProtocolError: the results are not of the same queries.
    """
    first = before[0]
    for result in (*before, *after):
        same = np.array_equal(result.query_items, first.query_items)
        if not same or not np.array_equal(result.query_instances, first.query_instances):
            raise ProtocolError(
                f"{first.task}: changes are of the same queries, in the same order; evaluate both again"
            )
    ranks = [np.mean([result.scores.rank for result in side], axis=0) for side in (before, after)]
    values = [np.mean([result.scores.reciprocal_rank for result in side], axis=0) for side in (before, after)]
    found = [np.mean([result.scores.recall[DEPTH] for result in side], axis=0) >= 0.5 for side in (before, after)]
    gains = values[1] - values[0]
    changed = np.flatnonzero(np.abs(gains) > 1e-12)
    order = changed[np.argsort(-np.abs(gains[changed]), kind="stable")]

    def describe(query: int) -> QueryChange:
        item, instance = int(first.query_items[query]), int(first.query_instances[query])
        captions = dataset.captions(item)
        asking = instance if text_asks else 0
        return QueryChange(
            item=dataset.ids[item],
            instance=instance,
            caption=captions[asking] if asking < len(captions) else None,
            rank_before=float(ranks[0][query]),
            rank_after=float(ranks[1][query]),
            gain=float(gains[query]),
        )

    return Changes(
        won=tuple(describe(query) for query in order.tolist() if gains[query] > 0),
        lost=tuple(describe(query) for query in order.tolist() if gains[query] < 0),
        unchanged=len(gains) - len(changed),
        entered=int((found[1] & ~found[0]).sum()),
        left=int((found[0] & ~found[1]).sum()),
    )
