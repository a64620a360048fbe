from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_reference import brute_force

from trichord.errors import ProtocolError
from trichord.metrics.expected import expected_rank, expected_recall, expected_reciprocal_rank
from trichord.metrics.ranks import RankCounts
from trichord.metrics.retrieval import chance_counts, chance_recall, score_queries, summarise, with_misses


def one(greater: int, tied: int, relevant_tied: int, gallery_size: int) -> RankCounts:
    return RankCounts(np.array([greater]), np.array([tied]), np.array([relevant_tied]), gallery_size)


@settings(max_examples=80, deadline=None)
@given(
    greater=st.integers(0, 4),
    tied=st.integers(0, 4),
    relevant_tied=st.integers(1, 3),
    lower=st.lists(st.booleans(), max_size=4),
    k=st.integers(1, 12),
)
def test_formulas_equal_every_order_enumerated(
    greater: int, tied: int, relevant_tied: int, lower: list[bool], k: int
) -> None:
    scores = [2.0] * greater + [1.0] * (tied + relevant_tied) + [0.0] * len(lower)
    relevant = [False] * (greater + tied) + [True] * relevant_tied + lower
    rank, recall, reciprocal = brute_force(scores, relevant, k)
    counts = one(greater, tied, relevant_tied, len(scores))
    assert expected_rank(counts)[0] == pytest.approx(rank)
    assert expected_recall(counts, k)[0] == pytest.approx(recall)
    assert expected_reciprocal_rank(counts)[0] == pytest.approx(reciprocal)


def test_rows_of_a_table_do_not_disturb_each_other() -> None:
    table = [(0, 0, 1), (3, 2, 1), (1, 4, 3), (0, 9, 2), (7, 0, 2)]
    columns = [np.array(column) for column in zip(*table, strict=True)]
    together = RankCounts(columns[0], columns[1], columns[2], 20)
    for function in (expected_rank, expected_reciprocal_rank, lambda counts: expected_recall(counts, 5)):
        assert function(together).tolist() == [function(one(*row, 20))[0] for row in table]


def test_without_ties_values_are_exact() -> None:
    counts = one(4, 0, 1, 10)
    assert expected_rank(counts)[0] == 5.0
    assert expected_reciprocal_rank(counts)[0] == 0.2
    assert [expected_recall(counts, k)[0] for k in (1, 4, 5, 10)] == [0.0, 0.0, 1.0, 1.0]


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 3000))
def test_chance_has_its_closed_form(size: int) -> None:
    scores = score_queries(chance_counts(np.array([1, 1]), size))
    named = summarise(scores).named()
    for k in (1, 5, 10):
        assert named[f"R@{k}"] == pytest.approx(100.0 * min(k, size) / size, abs=1e-9)
        assert chance_recall(np.array([1]), size, k) == pytest.approx(100.0 * min(k, size) / size, abs=1e-9)
    assert named["MeanR"] == named["MedR"] == pytest.approx((size + 1) / 2)
    assert named["MRR"] == pytest.approx(sum(1 / i for i in range(1, size + 1)) / size)


def test_misses_score_nothing_and_take_the_last_rank() -> None:
    scores = score_queries(RankCounts(np.array([0, 1]), np.array([0, 0]), np.array([1, 1]), 2))
    all_queries = with_misses(scores, np.array([True, False, True, False]), last_rank=4)
    assert all_queries.rank.tolist() == [1.0, 4.0, 2.0, 4.0]
    assert all_queries.recall[1].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert summarise(all_queries).named() == {
        "R@1": 25.0, "R@5": 50.0, "R@10": 50.0, "MedR": 3.0, "MeanR": 2.75, "MRR": 0.375,
    }  # fmt: skip


def test_recall_at_zero_and_no_queries_are_refused() -> None:
    with pytest.raises(ProtocolError, match="k >= 1"):
        expected_recall(one(0, 0, 1, 1), 0)
    none = np.array([], dtype=np.int64)
    with pytest.raises(ProtocolError, match="no query"):
        summarise(score_queries(RankCounts(none, none, none, 3)))
