"""How much picking the best promises too much: closed forms, independent references, invariances."""

import math

import numpy as np
import pytest

from trichord.errors import ProtocolError
from trichord.studies.graphs.optimism import (
    corrected_value,
    expected_luck,
    expected_maximum,
    query_noise,
    seed_noise,
)

ROOT_PI = math.sqrt(math.pi)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, 0.0),
        (2, 1 / ROOT_PI),
        (3, 3 / (2 * ROOT_PI)),
        (4, 6 / math.pi**1.5 * math.atan(math.sqrt(2))),
        (5, 15 / (2 * math.pi**1.5) * (math.pi / 6 + math.asin(1 / 3))),
    ],
)
def test_the_expected_maximum_has_its_closed_form(number: int, expected: float) -> None:
    assert expected_maximum(number) == pytest.approx(expected, abs=1e-10)


def test_the_expected_maximum_is_that_of_drawn_values() -> None:
    drawn = np.random.default_rng(0).standard_normal((40_000, 30)).max(axis=1)
    assert expected_maximum(30) == pytest.approx(drawn.mean(), abs=4 * drawn.std() / 200)


def test_the_expected_maximum_grows_ever_more_slowly_and_reaches_far() -> None:
    values = [expected_maximum(n) for n in range(1, 40)]
    steps = np.diff(values)
    assert (steps > 0).all()
    assert (np.diff(steps) < 0).all()
    assert 4.86 < expected_maximum(10**6) < math.sqrt(2 * math.log(10**6))


def test_luck_is_measured_in_noise() -> None:
    assert expected_luck(2, 3.0) == pytest.approx(3 / ROOT_PI)
    assert expected_luck(50, 0.0) == 0.0
    with pytest.raises(ProtocolError, match="give at least one"):
        expected_maximum(0)


def test_noise_of_seeds_is_what_graph_and_seed_leave_unexplained() -> None:
    assert seed_noise(np.array([[1.0, -1.0], [-1.0, 1.0]])) == pytest.approx(2.0)
    generator = np.random.default_rng(0)
    moved = generator.standard_normal((60, 1)) + generator.standard_normal((1, 40))
    assert seed_noise(moved) == pytest.approx(0.0, abs=1e-12)
    assert seed_noise(moved + 0.3 * generator.standard_normal((60, 40))) == pytest.approx(0.3, rel=0.05)
    assert seed_noise(np.array([[1.0, 9.0]])) == seed_noise(np.array([[1.0], [9.0]])) == 0.0


def test_noise_of_queries_is_the_bootstrap_of_paired_differences() -> None:
    generator = np.random.default_rng(1)
    groups = np.repeat(np.arange(40), generator.integers(1, 4, 40))
    values = generator.random((2, len(groups)))
    members = [np.flatnonzero(groups == item) for item in range(40)]
    differences = []
    for _ in range(3000):
        drawn = np.concatenate([members[item] for item in generator.integers(0, 40, 40)])
        differences.append(float((values[0] - values[1])[drawn].mean()))
    assert query_noise(values, groups) == pytest.approx(np.std(differences) / math.sqrt(2), rel=0.06)


def test_what_all_graphs_share_makes_none_the_best() -> None:
    hard = np.random.default_rng(2).random(30)
    groups = np.arange(30)
    assert query_noise(np.stack([hard, hard + 0.2, hard - 0.1]), groups) == pytest.approx(0.0, abs=1e-12)
    assert query_noise(hard[None], groups) == 0.0
    many = np.random.default_rng(3).random((30, 30))  # more than 200 pairs: some of them
    assert query_noise(many, groups) == pytest.approx(math.sqrt(1 / 12 / 30), rel=0.2)


def reference_bbc(values: np.ndarray, groups: np.ndarray, seed: int, num_resamples: int) -> float:
    """BBC-CV as one would write it by hand, over its own resamples."""
    generator = np.random.default_rng(seed)
    items = np.unique(groups)
    scores = []
    for _ in range(num_resamples):
        drawn = generator.choice(items, len(items))
        inside = np.concatenate([np.flatnonzero(groups == item) for item in drawn])
        outside = np.flatnonzero(~np.isin(groups, drawn))
        if len(outside):
            scores.append(values[np.argmax(values[:, inside].mean(axis=1)), outside].mean())
    return float(np.mean(scores))


def test_the_corrected_value_is_that_of_a_plain_loop() -> None:
    generator = np.random.default_rng(4)
    groups = np.repeat(np.arange(25), generator.integers(1, 5, 25))
    values = generator.random((8, len(groups)))
    ours = corrected_value(values, groups, num_resamples=4000)
    assert ours == pytest.approx(reference_bbc(values, groups, 5, 4000), abs=0.005)


def test_noise_is_corrected_and_a_clear_winner_is_not() -> None:
    noise = np.random.default_rng(6).random((60, 50))
    groups = np.arange(50)
    apparent = noise.mean(axis=1).max()
    corrected = corrected_value(noise, groups)
    assert corrected is not None
    assert corrected < apparent - 0.05
    assert corrected == pytest.approx(0.5, abs=0.06)
    noise[7] += 10
    clear = corrected_value(noise, groups)
    assert clear == pytest.approx(noise[7].mean(), abs=0.01)


def test_one_graph_and_many_equal_ones_need_no_correction() -> None:
    row = np.random.default_rng(7).random(40)
    groups = np.arange(40)
    one, many = corrected_value(row[None], groups), corrected_value(np.stack([row] * 9), groups)
    assert one == pytest.approx(many, abs=1e-12)
    assert one == pytest.approx(row.mean(), abs=0.01)


def test_all_queries_of_an_item_are_drawn_together() -> None:
    # Graph g is right on every query of item g and on nothing else. Were queries drawn one by one, some queries of the
    # item that made a graph the best would be left out and would speak for it.
    groups = np.repeat(np.arange(12), 10)
    values = (groups[None] == np.arange(12)[:, None]).astype(float)
    assert corrected_value(values, groups) == pytest.approx(0.0, abs=1e-12)


def test_nothing_is_told_where_nothing_can_be_left_out() -> None:
    assert corrected_value(np.array([[0.2, 0.4]]), np.array([3, 3])) is None
    with pytest.raises(ProtocolError, match="a graph and a query"):
        corrected_value(np.zeros((0, 3)), np.arange(3))
