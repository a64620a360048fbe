from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_reference import count_by_loops

from trichord.errors import ProtocolError
from trichord.metrics import ranks
from trichord.metrics.duplicates import distinct_rows
from trichord.metrics.ranks import RankCounts, count_ranks


def as_rows(counts: RankCounts) -> list[tuple[int, int, int]]:
    return [tuple(row) for row in np.stack([counts.greater, counts.tied, counts.relevant_tied], axis=1).tolist()]


def nonzero_integers(generator: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    values = generator.integers(-2, 3, (rows, dim)).astype(np.float32)
    values[(values == 0).all(axis=1)] = 1.0
    return values


@settings(max_examples=60, deadline=None)
@given(
    num_queries=st.integers(1, 9),
    num_gallery=st.integers(1, 12),
    num_items=st.integers(1, 6),
    dim=st.integers(1, 4),
    seed=st.integers(0, 10**6),
)
def test_equals_plain_loops_with_ties_duplicates_and_several_relevant_rows(
    num_queries: int, num_gallery: int, num_items: int, dim: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    gallery_items = generator.integers(0, num_items, num_gallery)
    query_items = generator.choice(gallery_items, num_queries)
    # Small whole numbers: products are exact in float32, so the reference sees the very same ties.
    queries, gallery = nonzero_integers(generator, num_queries, dim), nonzero_integers(generator, num_gallery, dim)
    counts = count_ranks(
        torch.from_numpy(queries),
        torch.from_numpy(gallery),
        torch.from_numpy(query_items),
        torch.from_numpy(gallery_items),
        chunk=4,
    )
    assert as_rows(counts) == count_by_loops(queries @ gallery.T, query_items, gallery_items)
    assert counts.gallery_size == num_gallery


def test_equals_float64_loops_on_well_separated_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "TILE_GALLERY", 64)
    generator = np.random.default_rng(1)
    queries, gallery = generator.normal(size=(150, 16)), generator.normal(size=(300, 16))
    gallery_items = generator.permutation(300) // 2
    query_items = generator.choice(gallery_items, 150)
    expected = count_by_loops(queries @ gallery.T, query_items, gallery_items)
    counts = count_ranks(
        torch.from_numpy(queries),
        torch.from_numpy(gallery),
        torch.from_numpy(query_items),
        torch.from_numpy(gallery_items),
    )
    assert as_rows(counts) == expected


@pytest.mark.parametrize("chunk", [1, 7, 64, 100, 128, 10**6])
def test_chunks_change_no_bit(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "TILE_GALLERY", 128)
    generator = torch.Generator().manual_seed(0)
    # Nearly equal vectors: scores differ in the last bits only, so any change of summation would show.
    queries = 1 + 1e-4 * torch.randn(200, 33, generator=generator)
    gallery = 1 + 1e-4 * torch.randn(333, 33, generator=generator)
    items = torch.randperm(333, generator=generator)
    whole = count_ranks(queries, gallery, items[:200], items, chunk=1024)
    assert as_rows(count_ranks(queries, gallery, items[:200], items, chunk=chunk)) == as_rows(whole)
    assert whole.tied.sum() > 0, "the case should hold ties of rounding, else it tests little"


def test_order_of_queries_and_gallery_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(3)
    queries, gallery = torch.randn(70, 8, generator=generator), torch.randn(90, 8, generator=generator)
    query_items, gallery_items = torch.arange(70), torch.arange(90)
    plain = as_rows(count_ranks(queries, gallery, query_items, gallery_items))
    p, q = torch.randperm(70, generator=generator), torch.randperm(90, generator=generator)
    shuffled = as_rows(count_ranks(queries[p], gallery[q], query_items[p], gallery_items[q]))
    assert shuffled == [plain[i] for i in p.tolist()]


def test_equal_vectors_tie_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "TILE_GALLERY", 64)
    vector = torch.randn(1, 517, generator=torch.Generator().manual_seed(0))
    counts = count_ranks(vector.expand(150, -1), vector.expand(301, -1), torch.arange(150), torch.arange(301))
    assert set(as_rows(counts)) == {(0, 300, 1)}
    assert counts.gallery_size == 301


def test_rectangular_one_row() -> None:
    one = torch.ones(1, 3)
    assert as_rows(count_ranks(one, one, torch.tensor([5]), torch.tensor([5]))) == [(0, 0, 1)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("side", ["query", "gallery"])
def test_values_that_are_not_finite_are_refused_by_row(value: float, side: str) -> None:
    sides = {"query": torch.ones(4, 3), "gallery": torch.ones(4, 3)}
    sides[side][2, 1] = value
    with pytest.raises(ProtocolError, match=f"{side} row 2 .*not finite"):
        count_ranks(sides["query"], sides["gallery"], torch.arange(4), torch.arange(4))


def test_zero_and_extreme_vectors_are_refused() -> None:
    for factor, words in ((0.0, "row 3 is zero"), (1e-20, "row 3 has the length"), (1e25, "row 3 has the length")):
        queries = torch.ones(4, 3)
        queries[3] *= factor
        with pytest.raises(ProtocolError, match=words):
            count_ranks(queries, torch.ones(4, 3), torch.arange(4), torch.arange(4))


def test_query_without_relevant_row_is_refused() -> None:
    with pytest.raises(ProtocolError, match="query row 1 \\(item 9\\)"):
        count_ranks(torch.ones(2, 3), torch.ones(2, 3), torch.tensor([0, 9]), torch.tensor([0, 1]))


def test_chunk_must_be_positive() -> None:
    with pytest.raises(ProtocolError, match="at least 1"):
        count_ranks(
            torch.ones(1, 2), torch.ones(1, 2), torch.zeros(1, dtype=torch.long), torch.zeros(1).long(), chunk=0
        )


def test_counts_that_break_their_rule_are_refused() -> None:
    with pytest.raises(ProtocolError, match="gallery's 3 rows"):
        RankCounts(np.array([2]), np.array([1]), np.array([1]), 3)
    with pytest.raises(ProtocolError, match="relevant_tied >= 1"):
        RankCounts(np.array([0]), np.array([1]), np.array([0]), 3)


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(1, 20), dim=st.integers(1, 3), seed=st.integers(0, 10**6))
def test_distinct_rows_equal_the_sorted_definition(rows: int, dim: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(-1, 2, (rows, dim)).astype(np.float32)
    values[values == 0] *= np.random.default_rng(seed + 1).choice([-1.0, 1.0], (values == 0).sum())
    found = distinct_rows(torch.from_numpy(values), chunk=3)
    seen = {tuple(row.tolist()) for row in values + 0.0}
    if found is None:
        assert len(seen) == rows
        return
    assert len(found.representatives) == len(seen)
    assert (values[found.representatives[found.index]] == values).all()
    assert found.multiplicity.tolist() == [int((found.index == i).sum()) for i in range(len(seen))]


@pytest.mark.slow
def test_faster_than_a_full_sort() -> None:
    from time import perf_counter

    generator = torch.Generator().manual_seed(0)
    queries, gallery = torch.randn(10_000, 512, generator=generator), torch.randn(10_000, 512, generator=generator)
    items = torch.arange(10_000)
    start = perf_counter()
    count_ranks(queries, gallery, items, items)
    counted = perf_counter() - start
    start = perf_counter()
    for first in range(0, 10_000, 1000):
        torch.argsort(queries[first : first + 1000] @ gallery.T, dim=1, descending=True)
    assert perf_counter() - start > 2 * counted
