from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trichord.data.importers.narration import GrownClip, Narration, grow, read_narration
from trichord.errors import DataError


def narration(*spans: tuple[float, float]) -> Narration:
    return Narration(*np.array(spans, dtype=float).T, [f"caption {k}" for k in range(len(spans))])


EVEN = narration(*[(4.0 * k, 4.0 * k + 4) for k in range(6)])


@pytest.mark.parametrize(
    ("seed", "seconds", "first", "last", "order"),
    [
        (2, 4, 2, 2, (2,)),  # long enough as it is
        (2, 4.5, 1, 2, (2, 1)),  # a tie: the one before
        (2, 10, 0, 2, (2, 1, 0)),  # 8 s, then 12 s both ways: the one before again
        (0, 10, 0, 2, (0, 1, 2)),  # nothing before
        (5, 10, 3, 5, (5, 4, 3)),  # nothing after
        (3, 24, 0, 5, (3, 2, 1, 0, 4, 5)),
        (3, 1000, 0, 5, (3, 2, 1, 0, 4, 5)),  # the whole video is shorter
        (1, 0, 1, 1, (1,)),
    ],
)
def test_captions_of_four_seconds(seed, seconds, first, last, order):
    assert grow(EVEN, seed, seconds) == GrownClip(first, last, order)


def test_the_neighbour_that_makes_it_shorter():
    spans = narration((0, 1), (5, 6), (6, 7), (7, 20))
    assert grow(spans, 2, 2).order == (2, 1)  # 2 s against 14 s
    assert grow(spans, 1, 2).order == (1, 2)  # 6 s against 2 s
    assert grow(spans, 2, 5).order == (2, 1, 0)  # 7 s against 15 s
    # Pauses count: a clip is as long as from its first start to its last end.
    assert grow(narration((0, 1), (100, 101), (102, 103)), 1, 10).order == (1, 2, 0)


def test_one_caption_of_a_video():
    assert grow(narration((3, 4)), 0, 10) == GrownClip(0, 0, (0,))


spans = st.lists(
    st.tuples(st.floats(0, 12), st.floats(0.01, 8)).map(lambda s: (round(s[0], 2), round(s[1], 2))),
    min_size=1,
    max_size=25,
)


def in_order(drawn: list[tuple[float, float]]) -> Narration:
    """Captions with pauses and lengths as drawn, one after another."""
    start = np.cumsum([pause for pause, _ in drawn]) + np.cumsum([0, *(length for _, length in drawn[:-1])])
    return Narration(start, start + [length for _, length in drawn], [""] * len(drawn))


def by_search(spoken: Narration, seed: int, seconds: float) -> set[int]:
    """The clip by trying sets: of the contiguous sets one larger than the last one, the shortest; a tie, the first."""
    held = {seed}
    everything = set(range(len(spoken.start)))

    def length(captions: set[int]) -> float:
        return float(spoken.end[max(captions)] - spoken.start[min(captions)])

    while length(held) < seconds and held != everything:
        neighbours = [held | {k} for k in sorted(everything - held) if k in (min(held) - 1, max(held) + 1)]
        held = min(neighbours, key=length)
    return held


@given(drawn=spans, seconds=st.floats(0, 40), data=st.data())
def test_what_holds_of_every_clip(drawn, seconds, data):
    spoken = in_order(drawn)
    seed = data.draw(st.integers(0, len(drawn) - 1))
    clip = grow(spoken, seed, seconds)
    assert clip.order[0] == seed
    assert sorted(clip.order) == list(range(clip.first, clip.last + 1))
    for k in range(1, len(clip.order)):
        taken = clip.order[: k + 1]
        assert max(taken) - min(taken) == k, "contiguous at every step"
        earlier = clip.order[:k]
        assert spoken.end[max(earlier)] - spoken.start[min(earlier)] < seconds, "no caption was taken without need"
    long_enough = spoken.end[clip.last] - spoken.start[clip.first] >= seconds
    assert long_enough or (clip.first, clip.last) == (0, len(drawn) - 1)
    assert set(clip.order) == by_search(spoken, seed, seconds)
    assert set(grow(spoken, seed, seconds + 1).order) >= set(clip.order)


@given(drawn=spans, shift=st.integers(1, 1000), data=st.data())
@example(drawn=[(0.0, 4.0)] * 5, shift=3, data=None)
def test_a_later_beginning_changes_nothing(drawn, shift, data):
    rounded = [(round(8 * pause) / 8, max(1, round(8 * length)) / 8) for pause, length in drawn]  # exact in binary
    spoken = in_order(rounded)
    seed = 2 if data is None else data.draw(st.integers(0, len(drawn) - 1))
    later = Narration(spoken.start + shift, spoken.end + shift, spoken.text)
    assert grow(later, seed, 10.0) == grow(spoken, seed, 10.0)


def test_reading_an_entry():
    read = read_narration({"start": [0.0, 1.5], "end": np.array([1.0, 3.0]), "text": ("a", "b"), "more": 1})
    assert (read.start.tolist(), read.end.tolist(), list(read.text), read.not_text) == (
        [0, 1.5],
        [1, 3],
        ["a", "b"],
        (),
    )
    odd = read_narration({"start": [0, 1, 2], "end": [1, 2, 3], "text": ["a", math.nan, "\ud800"]})
    assert (list(odd.text), odd.not_text) == (["a", "", ""], (1, 2))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ([1, 2], "a dictionary of start, end and text; found list"),
        ({"start": [0], "end": [1]}, r"found \['end', 'start'\]"),
        ({"start": [], "end": [], "text": []}, r"one entry per caption, found \[0, 0, 0\]"),
        ({"start": [0, 1], "end": [1], "text": ["a"]}, r"found \[2, 1, 1\]"),
        ({"start": [0], "end": [1], "text": "a"}, r"found \[1, 1, 0\]"),
        ({"start": ["now"], "end": [1], "text": ["a"]}, "start and end are seconds"),
        ({"start": [None], "end": [1], "text": ["a"]}, "start and end are (seconds|finite)"),
        ({"start": [[0, 1]], "end": [1], "text": ["a"]}, "start and end are (seconds|finite)"),
        ({"start": [0], "end": [math.nan], "text": ["a"]}, "start and end are finite numbers"),
        ({"start": [-math.inf], "end": [1], "text": ["a"]}, "start and end are finite numbers"),
        ({"start": np.float32(1), "end": [1], "text": ["a"]}, r"found \[0, 1, 1\]"),
    ],
)
def test_entries_that_cannot_be_read(entry, message):
    with pytest.raises(DataError, match=message):
        read_narration(entry)


def test_lists_in_lists_are_refused_at_once():
    doubled: object = 1.0
    for _ in range(60):
        doubled = [doubled, doubled]
    with pytest.raises(DataError, match="start and end are seconds, found list"):
        read_narration({"start": [doubled], "end": [1.0], "text": ["a"]})
    with pytest.raises(DataError, match="start and end are seconds"):
        read_narration({"start": [10**400], "end": [1.0], "text": ["a"]})
