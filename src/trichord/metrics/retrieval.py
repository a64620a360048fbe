"""Retrieval measures of a set of queries: R@k, median and mean rank, MRR, and what chance would score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trichord.errors import ProtocolError
from trichord.metrics.expected import expected_rank, expected_recall, expected_reciprocal_rank
from trichord.metrics.ranks import RankCounts
from trichord.shapes import Float, Int

RECALL_DEPTHS = (1, 5, 10)
METRICS = ("R@1", "R@5", "R@10", "MedR", "MeanR", "MRR")
HIGHER_IS_BETTER = {"R@1": True, "R@5": True, "R@10": True, "MedR": False, "MeanR": False, "MRR": True}


@dataclass(frozen=True)
class QueryScores:
    """One value per query; random order of ties is averaged out exactly.

    Args:
        rank: (queries,) expected rank of the best relevant row, from 1.
        recall: k -> (queries,) probability in [0, 1] that a relevant row is among the first k.
        reciprocal_rank: (queries,) expected 1 / rank.
    """

    rank: Float[np.ndarray, " queries"]
    recall: dict[int, np.ndarray]
    reciprocal_rank: Float[np.ndarray, " queries"]


@dataclass(frozen=True)
class RetrievalMetrics:
    """Measures over all queries: recalls in percent, ranks from 1, MRR in [0, 1]."""

    recall: dict[int, float]
    median_rank: float
    mean_rank: float
    mrr: float

    def named(self) -> dict[str, float]:
        """Return the measures under their names: R@1 R@5 R@10 MedR MeanR MRR."""
        recalls = {f"R@{k}": value for k, value in self.recall.items()}
        return {**recalls, "MedR": self.median_rank, "MeanR": self.mean_rank, "MRR": self.mrr}


def score_queries(counts: RankCounts) -> QueryScores:
    """Turn counts into expected values per query."""
    recall = {k: expected_recall(counts, k) for k in RECALL_DEPTHS}
    return QueryScores(expected_rank(counts), recall, expected_reciprocal_rank(counts))


def with_misses(scores: QueryScores, scored: np.ndarray, last_rank: int) -> QueryScores:
    """Place scores among all queries; those that could not be scored are misses.

    Args:
        scores: values of the queries that could be scored, in order.
        scored: (all queries,) bool, which of them they are.
        last_rank: the rank of a miss; its recall and reciprocal rank are 0.
    """
    recall = {k: _spread(values, scored, 0.0) for k, values in scores.recall.items()}
    rank = _spread(scores.rank, scored, float(last_rank))
    return QueryScores(rank, recall, _spread(scores.reciprocal_rank, scored, 0.0))


def _spread(values: np.ndarray, scored: np.ndarray, miss: float) -> np.ndarray:
    total = np.full(len(scored), miss)
    total[scored] = values
    return total


def summarise(scores: QueryScores) -> RetrievalMetrics:
    """Average the values of the queries; the median rank is that of the expected ranks."""
    if len(scores.rank) == 0:
        raise ProtocolError("there is no query to average over; the split holds no item of the task")
    recall = {k: 100.0 * float(values.mean()) for k, values in scores.recall.items()}
    return RetrievalMetrics(
        recall, float(np.median(scores.rank)), float(scores.rank.mean()), float(scores.reciprocal_rank.mean())
    )


def chance_counts(num_relevant: Int[np.ndarray, " queries"], gallery_size: int) -> RankCounts:
    """Counts of a model that scores every gallery row alike: the relevant rows are anywhere, R@k = 100 k / N."""
    relevant = num_relevant.astype(np.int64)
    return RankCounts(np.zeros_like(relevant), gallery_size - relevant, relevant, gallery_size)


def chance_recall(num_relevant: Int[np.ndarray, " queries"], gallery_size: int, k: int) -> float:
    """R@k in percent of random ranking, each query with its number of relevant rows."""
    return 100.0 * float(expected_recall(chance_counts(num_relevant, gallery_size), k).mean())
