"""Expected rank, recall and reciprocal rank when ties are broken at random: closed forms, one value per query.

Legend, per query: g rows score higher than the best relevant row; at its score stand t non-relevant and r >= 1
relevant rows, in random order. The first relevant row among these t + r stands at position J, 1 <= J <= t + 1, with
P(J = j) = C(t + r - j, r - 1) / C(t + r, r); its rank is g + J.
"""

from __future__ import annotations

import numpy as np

from trichord.errors import ProtocolError
from trichord.metrics.ranks import RankCounts
from trichord.shapes import Float


def expected_rank(counts: RankCounts) -> Float[np.ndarray, " queries"]:
    """Expected rank of the first relevant row, from 1: g + E[J] with E[J] = 1 + t / (r + 1)."""
    return 1.0 + counts.greater + counts.tied / (counts.relevant_tied + 1.0)


def expected_recall(counts: RankCounts, k: int) -> Float[np.ndarray, " queries"]:
    """Probability that a relevant row is among the first k.

    With s = k - g places left for the tied rows, 1 - C(t, s) / C(t + r, s) (hypergeometric); for r = 1 this is
    s / (t + 1), clipped to [0, 1].
    """
    if k < 1:
        raise ProtocolError(f"recall at k needs k >= 1, got {k}")
    tied, relevant = counts.tied, counts.relevant_tied
    places = np.clip(k - counts.greater, 0, tied + relevant)
    missed = np.ones(len(tied))
    for i in range(1, int(relevant.max(initial=0)) + 1):
        factor = np.maximum(tied - places + i, 0) / (tied + i)
        missed = np.where(i <= relevant, missed * factor, missed)
    single = np.minimum(places / (tied + 1.0), 1.0)
    return np.where(relevant == 1, single, 1.0 - missed)


def expected_reciprocal_rank(counts: RankCounts) -> Float[np.ndarray, " queries"]:
    """Expectation of 1 / (g + J): for r = 1 a difference of harmonic numbers, otherwise the sum over j."""
    greater, tied = counts.greater, counts.tied
    highest = int((greater + tied).max(initial=0)) + 1
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, highest + 1))])
    single = (harmonic[greater + tied + 1] - harmonic[greater]) / (tied + 1.0)
    result = np.where(tied == 0, 1.0 / (greater + 1.0), single)
    several = np.flatnonzero((counts.relevant_tied > 1) & (tied > 0))
    result[several] = _sum_over_positions(greater[several], tied[several], counts.relevant_tied[several])
    return result


def _sum_over_positions(greater: np.ndarray, tied: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Sum P(J = j) / (g + j), with P(1) = r / (t + r) and P(j + 1) = P(j) (t + 1 - j) / (t + r - j)."""
    probability = relevant / (tied + relevant)
    total = np.zeros(len(greater))
    for j in range(1, int(tied.max(initial=0)) + 2):
        total += probability / (greater + j)
        probability = probability * np.maximum(tied + 1 - j, 0) / np.maximum(tied + relevant - j, 1)
    return total
