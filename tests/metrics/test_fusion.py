from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_reference import count_by_loops
from scipy.stats import rankdata

from trichord.errors import ProtocolError
from trichord.metrics import fusion
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
from trichord.metrics.ranks import RankCounts, count_ranks

WEIGHTS = (0.5, 0.25, 1.25)


def unit(generator: np.random.Generator, rows: int, dim: int, *, axes: bool) -> np.ndarray:
    """Random directions, or axes: cosines that are 0 or 1, so that most rows tie."""
    if axes:
        return np.eye(dim, dtype=np.float32)[generator.integers(0, dim, rows)]
    vectors = generator.normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def make(seed: int, num_legs: int, *, axes: bool, held: float = 1.0, items: int = 9) -> tuple[list[Leg], np.ndarray]:
    """Make legs of items with one query and one gallery row each; every item keeps its first leg on both sides."""
    generator = np.random.default_rng(seed)
    legs = []
    for number in range(num_legs):
        masks = [(generator.random(items) < held) | (np.arange(items) % num_legs == number) for _ in range(2)]
        vectors = [torch.from_numpy(unit(generator, items, 4, axes=axes)) for _ in range(2)]
        legs.append(Leg(vectors[0], vectors[1], masks[0], masks[1]))
    return legs, np.arange(items)


def ranks_by_loops(scores: list[float], held: list[bool]) -> list[Fraction | None]:
    """The rank of each held row: one, and those above, and half of the others that are level."""
    ranks: list[Fraction | None] = []
    for i, score in enumerate(scores):
        others = [scores[j] for j in range(len(scores)) if held[j] and j != i]
        above, level = sum(other > score for other in others), sum(other == score for other in others)
        ranks.append(1 + above + Fraction(level, 2) if held[i] else None)
    return ranks


def fused_by_loops(legs: list[Leg], weights: list[float], constant: float | None) -> list[list[Fraction | float]]:
    """The weighted mean over shared legs, pair by pair; `constant` None fuses scores, else ranks in exact fractions."""
    table: list[list[Fraction | float]] = []
    for q in range(len(legs[0].query_held)):
        row: list[Fraction | float] = []
        scores = [[float(leg.query[q].double() @ other.double()) for other in leg.gallery] for leg in legs]
        ranks = [ranks_by_loops(scores[i], legs[i].gallery_held.tolist()) for i in range(len(legs))]
        for g in range(len(legs[0].gallery_held)):
            total = weight_sum = Fraction(0)
            for i, leg in enumerate(legs):
                if leg.query_held[q] and leg.gallery_held[g]:
                    value = Fraction(scores[i][g]) if constant is None else 1 / (Fraction(constant) + ranks[i][g])
                    total += Fraction(weights[i]) * value
                    weight_sum += Fraction(weights[i])
            row.append(total / weight_sum if weight_sum else -np.inf)
        table.append(row)
    return table


def triples(counts: RankCounts) -> list[tuple[int, int, int]]:
    return list(zip(counts.greater.tolist(), counts.tied.tolist(), counts.relevant_tied.tolist(), strict=True))


def dense(legs: list[Leg], weights: list[float], items: np.ndarray, constant: float | None) -> RankCounts:
    values = [cosines(leg) for leg in legs]
    if constant is not None:
        values = [reciprocal_ranks(mean_ranks(v, leg.gallery_held), constant) for v, leg in zip(values, legs)]  # noqa: B905
    held = [np.stack(masks) for masks in zip(*((leg.query_held, leg.gallery_held) for leg in legs))]  # noqa: B905
    return count_matrix(fuse(values, weights, *held), items, items)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6), num_legs=st.integers(1, 3), axes=st.booleans(), held=st.sampled_from([1.0, 0.7, 0.3])
)
def test_fusion_of_scores_and_of_ranks_is_that_of_plain_loops(
    seed: int, num_legs: int, axes: bool, held: float
) -> None:
    legs, items = make(seed, num_legs, axes=axes, held=held)
    weights = list(WEIGHTS[:num_legs])
    for constant in (None, 60.0, 0.0):
        expected = count_by_loops(np.array(fused_by_loops(legs, weights, constant), dtype=object), items, items)
        found = (
            count_fused_scores(legs, weights, items, items)
            if constant is None
            else count_fused_ranks(legs, weights, items, items, constant=constant)
        )
        # With missing legs a mean of equal numbers may round; that matters where nearly all scores are equal.
        if constant is not None or held == 1.0 or not axes:
            assert triples(found) == expected
            assert triples(dense(legs, weights, items, constant)) == expected
        assert found.gallery_size == len(items)


def test_one_leg_is_count_ranks_bit_for_bit() -> None:
    generator = np.random.default_rng(0)
    vectors = [torch.from_numpy(unit(generator, 700, 3, axes=False)) for _ in range(2)]
    all_held, items = np.ones(700, dtype=bool), np.arange(700)
    expected = count_ranks(*vectors, torch.arange(700), torch.arange(700))
    found = count_fused_scores([Leg(*vectors, all_held, all_held)], [0.3], items, items)
    assert triples(found) == triples(expected)
    by_ranks = count_fused_ranks([Leg(*vectors, all_held, all_held)], [0.3], items, items, constant=60.0)
    assert np.mean(np.array(triples(by_ranks)) == triples(expected)) > 0.99, "two ways of rounding near ties"


def test_only_the_ratio_of_weights_matters_and_chunks_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    legs, items = make(3, 2, axes=False, held=0.8, items=150)
    first = count_fused_scores(legs, [1.0, 0.25], items, items)
    assert triples(first) == triples(count_fused_scores(legs, [8.0, 2.0], items, items, chunk=7))
    by_ranks = count_fused_ranks(legs, [1.0, 0.25], items, items, constant=60.0)
    assert triples(by_ranks) == triples(count_fused_ranks(legs, [8.0, 2.0], items, items, constant=60.0))
    monkeypatch.setattr(fusion, "CELLS", 150 * 7)
    assert triples(by_ranks) == triples(count_fused_ranks(legs, [1.0, 0.25], items, items, constant=60.0))


def test_mean_ranks_are_those_of_scipy() -> None:
    scores = np.random.default_rng(0).integers(0, 5, (40, 30)).astype(np.float32)
    everywhere = np.ones(30, dtype=bool)
    assert np.array_equal(mean_ranks(scores, everywhere), rankdata(-scores, method="average", axis=1))
    plain = np.random.default_rng(1).normal(size=(5, 30)).astype(np.float32)
    assert np.array_equal(mean_ranks(plain, everywhere), rankdata(-plain, axis=1))
    held = np.arange(30) % 3 > 0
    ranks = mean_ranks(scores, held)
    assert np.array_equal(ranks[:, held], rankdata(-scores[:, held], method="average", axis=1))
    assert np.isinf(ranks[:, ~held]).all()
    assert (reciprocal_ranks(ranks, 60.0)[:, ~held] == 0).all()


def test_sums_of_the_same_reciprocals_tie_in_any_order() -> None:
    # Rows 0, 1, 2 have the ranks (1, 2, 3), (2, 3, 1) and (3, 1, 2) in three legs of one weight: all alike.
    places = np.array([[1, 2, 3], [2, 3, 1], [3, 1, 2]], dtype=np.float32)
    held = np.ones((3, 1), dtype=bool)
    for constant in (60.0, 1.0, 7.0, 0.5):
        values = [reciprocal_ranks(places[:, leg][None], constant) for leg in range(3)]
        fused = fuse(values, [0.1, 0.1, 0.1], held, np.ones((3, 3), dtype=bool))
        counts = count_matrix(fused, np.array([1]), np.arange(3))
        assert triples(counts) == [(0, 2, 1)]


def test_a_row_without_a_leg_is_judged_by_those_it_has() -> None:
    half = np.sqrt(0.5)
    query = torch.tensor([[1.0, 0.0]])
    seen = torch.tensor([[0.8, 0.6], [half, half]], dtype=torch.float32)
    heard = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    one = np.ones(1, dtype=bool)
    legs = [Leg(query, seen, one, np.array([True, True])), Leg(query, heard, one, np.array([True, False]))]
    # Row 0: (0.8 + 0) / 2; row 1 has no second leg: 0.707, and not 0.707 / 2.
    for counts in (count_fused_scores(legs, [1.0, 1.0], np.array([0]), np.arange(2)), dense_pair(legs)):
        assert triples(counts) == [(1, 0, 1)]
    # Ranks: row 0 is first in both of its legs, row 1 second in its only one.
    by_ranks = count_fused_ranks(legs, [1.0, 1.0], np.array([0]), np.arange(2), constant=60.0)
    assert triples(by_ranks) == [(0, 0, 1)]


def dense_pair(legs: list[Leg]) -> RankCounts:
    masks = [np.stack([getattr(leg, side) for leg in legs]) for side in ("query_held", "gallery_held")]
    return count_matrix(fuse([cosines(leg) for leg in legs], [1.0, 1.0], *masks), np.array([0]), np.arange(2))


def test_a_gallery_row_that_shares_no_leg_is_in_no_ranking() -> None:
    eye = torch.eye(3)
    yes, no = np.array([True]), np.array([False])
    sees = Leg(eye[:1], eye, yes, np.array([True, False, False]))
    hears = Leg(eye[:1], eye[[0, 0, 0]], no, np.array([False, True, True]))
    for counts in (
        count_fused_scores([sees, hears], [1.0, 1.0], np.array([0]), np.arange(3)),
        count_fused_ranks([sees, hears], [1.0, 1.0], np.array([0]), np.arange(3), constant=60.0),
    ):
        assert triples(counts) == [(0, 0, 1)]
        assert counts.gallery_size == 3
    for count in (count_fused_scores, lambda *given: count_fused_ranks(*given, constant=60.0)):
        with pytest.raises(ProtocolError, match="has no relevant row"):
            count([sees, hears], [1.0, 1.0], np.array([1]), np.arange(3))


def test_several_relevant_rows_and_rows_in_any_order() -> None:
    generator = np.random.default_rng(5)
    scores = generator.integers(0, 4, (6, 20)).astype(np.float32)
    query_items, gallery_items = (
        generator.integers(0, 5, 6),
        np.concatenate([np.arange(5), generator.integers(0, 9, 15)]),
    )
    found = count_matrix(scores, query_items, gallery_items)
    assert triples(found) == count_by_loops(scores, query_items, gallery_items)
    none = np.zeros(0, dtype=np.int64)
    assert len(count_matrix(scores[:0], none, gallery_items).greater) == 0


def test_bad_weights_and_vectors_are_refused() -> None:
    legs, items = make(0, 2, axes=False)
    for weights in ([1.0], [1.0, 0.0], [1.0, -1.0], [1.0, np.inf], [1.0, np.nan]):
        with pytest.raises(ProtocolError, match="finite weight above 0"):
            count_fused_scores(legs, weights, items, items)
    with pytest.raises(ProtocolError, match="finite weight above 0"):
        count_fused_ranks([], [], items, items, constant=60.0)
    legs[0].gallery[2] = 0.0
    for count in (count_fused_scores, lambda *given: count_fused_ranks(*given, constant=60.0)):
        with pytest.raises(ProtocolError, match="is zero"):
            count([legs[0]], [1.0], items, items)
