"""Batches made of sources, against plain loops over Python lists."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trichord.data import SegmentColumns, group_by_source, grouped_epoch_batches, grouped_sampling, indexed_random
from trichord.data.grouped_sampling import draw_clips
from trichord.data.indexed_random import random_words
from trichord.randomness import derive_seed


def columns(source: list[int], start: list[float], length: float = 10.0) -> SegmentColumns:
    starts = np.array(start, dtype=np.float64)
    return SegmentColumns(np.array(source, dtype=np.int32), starts, starts + length)


def draw_table(number: int, num_sources: int, seed: int) -> SegmentColumns:
    """Rows of random sources, some null, with so few distinct starts that many are the same clip."""
    draws = np.random.default_rng(seed)
    start = draws.integers(0, 4, number).astype(float)
    start[draws.random(number) < 0.1] = np.nan
    return columns(draws.integers(-1, num_sources, number).tolist(), start.tolist())


def clips_by_source(table: SegmentColumns, items: np.ndarray) -> dict[object, dict[object, list[int]]]:
    """Source -> clip -> its items."""
    found: dict[object, dict[object, list[int]]] = {}
    for item in items.tolist():
        source, start, end = int(table.source[item]), float(table.start[item]), float(table.end[item])
        clip = (start, end) if start == start and end == end else ("unknown", item)
        found.setdefault(source if source >= 0 else ("null", item), {}).setdefault(clip, []).append(item)
    return found


def split_mix(seed: int, place: int) -> int:
    """Entry `place` of the stream, with Python's whole numbers."""
    word = (seed + (place + 1) * 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    return word ^ (word >> 31)


def test_the_random_stream_is_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert random_words(3, "clips", 2, np.array([5, 0, 10**9])).tolist() == [
        split_mix(derive_seed(3, "clips", 2), place) for place in (5, 0, 10**9)
    ]
    monkeypatch.setattr(indexed_random, "derive_seed", lambda *_: 1234567)
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert random_words(0, "", 0, np.arange(5)).tolist() == known


@given(st.integers(0, 60), st.integers(1, 8), st.integers(1, 4), st.integers(0, 2**40), st.integers(0, 5))
def test_draws_equal_a_plain_loop(number: int, num_sources: int, most: int, seed: int, epoch: int) -> None:
    table = draw_table(number, num_sources, seed % 1000)
    items = np.arange(number)[np.arange(number) % 7 != 3]
    expected = []
    for clips in clips_by_source(table, items).values():
        twins, order = (derive_seed(seed, purpose, epoch) for purpose in ("twins", "clips"))
        chosen = [min(same, key=lambda item, key=twins: split_mix(key, item)) for same in clips.values()]
        expected.append(sorted(chosen, key=lambda item, key=order: split_mix(key, item))[:most])
    groups = group_by_source(table, np.random.default_rng(0).permutation(items))
    assert len(groups) == len(expected)
    drawn = [draw_clips(groups, np.array([n]), most, seed, epoch).tolist() for n in range(len(groups))]
    assert sorted(drawn) == sorted(expected)
    together = draw_clips(groups, np.arange(len(groups)), most, seed, epoch).tolist()
    assert together == [item for one in drawn for item in one], "a draw does not depend on the batch"


@given(st.integers(1, 80), st.integers(1, 20), st.integers(1, 7), st.integers(1, 5), st.integers(0, 2**40))
def test_an_epoch_visits_every_source_once(
    number: int, num_sources: int, sources_per_batch: int, most: int, seed: int
) -> None:
    table, items = draw_table(number, num_sources, seed % 1000), np.arange(number)
    batches = list(grouped_epoch_batches(group_by_source(table, items), sources_per_batch, most, seed, 0))
    of_batches = [clips_by_source(table, batch) for batch in batches]
    sizes = [len(found) for found in of_batches]
    assert max(sizes) <= sources_per_batch
    assert max(sizes) - min(sizes) <= 1
    everything = clips_by_source(table, items)
    assert Counter(source for found in of_batches for source in found) == Counter(list(everything)), "once each"
    for batch, found in zip(batches, of_batches, strict=True):
        for source, clips in found.items():
            assert len(clips) == min(most, len(everything[source]))
            assert all(len(same) == 1 for same in clips.values()), "a clip is in a batch once"
        owners = [table.source[item] if table.source[item] >= 0 else -1 - item for item in batch]
        assert 1 + sum(a != b for a, b in pairwise(owners)) == len(found), "clips stand together"


def test_a_draw_is_a_function_of_seed_epoch_and_source() -> None:
    table = columns([0] * 20 + [1] * 20 + [2] * 3, [float(n) for n in range(43)])
    every = group_by_source(table, np.arange(43))
    alone = group_by_source(table, np.arange(20, 40))
    assert draw_clips(every, np.array([1]), 5, 7, 3).tolist() == draw_clips(alone, np.array([0]), 5, 7, 3).tolist()
    drawn = {tuple(draw_clips(every, np.array([1]), 5, seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(drawn) == 16
    orders = {
        tuple(table.source[batch[0]] for batch in grouped_epoch_batches(every, 1, 1, 0, epoch)) for epoch in range(40)
    }
    assert len(orders) == 6, "the order of three sources is drawn too"


def test_clips_are_drawn_evenly_and_so_are_the_items_of_one_clip() -> None:
    # Four clips of one source; the first is there three times.
    table = columns([0] * 6, [0.0, 0.0, 0.0, 1.0, 2.0, 3.0])
    groups = group_by_source(table, np.arange(6))
    seen = Counter(item for epoch in range(3000) for item in draw_clips(groups, np.array([0]), 2, 0, epoch).tolist())
    for item, expected in enumerate([500, 500, 500, 1500, 1500, 1500]):
        assert abs(seen[item] - expected) < 5 * np.sqrt(expected)


def test_what_is_not_known_makes_items_distinct() -> None:
    nowhere = SegmentColumns(np.zeros(4, np.int32), None, None)
    assert len(draw_clips(group_by_source(nowhere, np.arange(4)), np.array([0]), 9, 0, 0)) == 4
    no_source = SegmentColumns(None, np.zeros(4), np.ones(4))
    assert len(group_by_source(no_source, np.arange(4))) == 4
    half = SegmentColumns(np.array([-1, 0, -1, 0], np.int32), np.zeros(4), np.full(4, np.nan))
    batches = list(grouped_epoch_batches(group_by_source(half, np.arange(4)), 10, 10, 0, 0))
    assert [sorted(batch.tolist()) for batch in batches] == [[0, 1, 2, 3]]


def test_no_items_make_no_batches() -> None:
    groups = group_by_source(columns([0], [0.0]), np.arange(0))
    assert len(groups) == 0
    assert list(grouped_epoch_batches(groups, 4, 2, 0, 0)) == []


def test_a_batch_is_drawn_when_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    table = columns([n // 4 for n in range(400)], [float(n) for n in range(400)])
    groups = group_by_source(table, np.arange(400))
    whole = [batch.tolist() for batch in grouped_epoch_batches(groups, 8, 3, 0, 0)]
    calls = []

    def counted(*given: object) -> np.ndarray:
        calls.append(given)
        return draw_clips(*given)

    monkeypatch.setattr(grouped_sampling, "draw_clips", counted)
    batches = grouped_epoch_batches(groups, 8, 3, 0, 0)
    assert (len(batches), len(calls)) == (13, 0)
    assert batches[7].tolist() == whole[7], "taken up in the middle"
    assert len(calls) == 1
    assert [batch.tolist() for batch in batches] == whole


def test_most_drawn_counts_what_an_epoch_reads() -> None:
    table = columns([0] * 5 + [1] * 2 + [-1], [float(n) for n in range(8)])
    groups = group_by_source(table, np.arange(8))
    assert groups.most_drawn(3) == 3 + 2 + 1 == sum(map(len, grouped_epoch_batches(groups, 2, 3, 0, 0)))
