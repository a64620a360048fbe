"""Gap, alignment, uniformity and hubness: plain loops, closed forms, invariances, degenerate cases."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch

from trichord.errors import ConfigError, ProtocolError
from trichord.metrics.gap import alignment, chance_alignment, modality_gap
from trichord.metrics.hubness import chance_hubness, measure_hubness, occurrence_counts
from trichord.metrics.lengths import check_unit
from trichord.metrics.uniformity import uniformity


def unit(rows: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def turn(dim: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0].astype(np.float32)


def test_gap_and_alignment_equal_plain_loops() -> None:
    left, right = unit(13, 6, 0), unit(13, 6, 1)
    centres = [sum(side[i] for i in range(13)) / 13 for side in (left, right)]
    assert modality_gap(left, right) == pytest.approx(math.dist(*centres), rel=1e-5)
    squared = [[sum((left[i][d] - right[j][d]) ** 2 for d in range(6)) for j in range(13)] for i in range(13)]
    assert alignment(left, right) == pytest.approx(np.mean([squared[i][i] for i in range(13)]), rel=1e-5)
    others = [squared[i][j] for i in range(13) for j in range(13) if i != j]
    assert chance_alignment(left, right) == pytest.approx(np.mean(others), rel=1e-5)


def test_gap_and_alignment_in_closed_form() -> None:
    """Two cones of half angle a around opposite poles: the centres lie at height cos a on either side."""
    angles = np.arange(8) * math.pi / 4
    for a in (0.1, 0.7, 1.2):
        ring = np.stack([np.cos(angles) * math.sin(a), np.sin(angles) * math.sin(a), np.full(8, math.cos(a))], axis=1)
        below = ring * [1.0, 1.0, -1.0]
        assert modality_gap(ring, below) == pytest.approx(2 * math.cos(a))
        assert alignment(ring, below) == pytest.approx(4 * math.cos(a) ** 2)
        assert alignment(ring, ring) == pytest.approx(0.0, abs=1e-12)
    vectors = unit(10, 4, 0)
    assert alignment(vectors, -vectors) == pytest.approx(4.0)


def test_gap_of_samples_of_one_distribution_shrinks_as_stated() -> None:
    for rows in (100, 1600):
        found = modality_gap(unit(rows, 64, 2), unit(rows, 64, 3))
        assert found == pytest.approx(math.sqrt(2 / rows), rel=0.25)


def test_gap_and_alignment_do_not_change_under_rotation_and_order() -> None:
    left, right, rotation = unit(20, 5, 0), unit(20, 5, 1), turn(5, 2)
    order = np.random.default_rng(3).permutation(20)
    for measure in (modality_gap, alignment, chance_alignment):
        expected = measure(left, right)
        assert measure(left @ rotation, right @ rotation) == pytest.approx(expected, rel=1e-4)
        assert measure(left[order], right[order]) == pytest.approx(expected, rel=1e-5)
        assert measure(right, left) == pytest.approx(expected, rel=1e-5)
    assert alignment(left, right[order]) != pytest.approx(alignment(left, right), rel=1e-2)


def test_uniformity_equals_a_plain_loop_whatever_the_chunk() -> None:
    vectors = unit(37, 5, 0)
    for t in (2.0, 0.5):
        plain = np.mean([math.exp(-t * math.dist(x, y) ** 2) for x, y in combinations(vectors.tolist(), 2)])
        for chunk in (1, 8, 36, 37, 1024):
            assert uniformity(vectors, t=t, chunk=chunk) == pytest.approx(math.log(plain), abs=1e-5)


def test_uniformity_in_closed_form() -> None:
    assert uniformity(np.array([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8.0)
    assert uniformity(np.eye(7)) == pytest.approx(-4.0), "all at right angles"
    square = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    assert uniformity(np.array(square)) == pytest.approx(math.log((4 * math.exp(-4) + 2 * math.exp(-8)) / 6), abs=1e-6)


def test_uniformity_of_equal_vectors_is_zero_and_spreading_lowers_it() -> None:
    one = np.repeat(unit(1, 16, 0), 50, axis=0)
    assert uniformity(one) == pytest.approx(0.0, abs=1e-5)
    found = []
    for noise in (0.1, 0.3, 1.0):
        spread = one + noise * np.random.default_rng(1).normal(size=one.shape)
        found.append(uniformity(spread / np.linalg.norm(spread, axis=1, keepdims=True)))
    assert 0.0 > found[0] > found[1] > found[2] > -4.1
    rotated = unit(50, 16, 4)
    assert uniformity(rotated @ turn(16, 5)) == pytest.approx(uniformity(rotated), abs=1e-4)


def plain_counts(queries: np.ndarray, gallery: np.ndarray, k: int) -> np.ndarray:
    """Average over many random orders of equal scores."""
    generator = np.random.default_rng(0)
    counts = np.zeros(len(gallery))
    trials = 400
    for _ in range(trials):
        for query in queries:
            shuffled = generator.permutation(len(gallery))
            scores = [float(np.dot(query, gallery[row])) for row in shuffled]
            best = sorted(range(len(gallery)), key=lambda place: -scores[place])[:k]
            counts[shuffled[best]] += 1 / trials
    return counts


def test_occurrences_equal_a_plain_sort() -> None:
    queries, gallery = unit(31, 6, 0), unit(23, 6, 1)
    scores = queries.astype(np.float64) @ gallery.T.astype(np.float64)
    for k in (1, 5, 22):
        expected = np.bincount(np.argsort(-scores, axis=1)[:, :k].reshape(-1), minlength=23)
        for chunk in (1, 7, 512):
            found = occurrence_counts(torch.from_numpy(queries), torch.from_numpy(gallery), k, chunk)
            np.testing.assert_array_equal(found, expected)


def test_ties_share_the_places_that_are_left() -> None:
    gallery = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [-1, 0]], dtype=np.float32)
    queries = np.array([[1, 0], [0, 1], [-1, 0]], dtype=np.float32)
    counts = occurrence_counts(torch.from_numpy(queries), torch.from_numpy(gallery), 2)
    # Query 1: three rows at score 1 for two places. Query 2: row 3, then four rows at 0 for one place. Query 3: row 4,
    # then row 3.
    np.testing.assert_allclose(counts, [2 / 3 + 1 / 4] * 3 + [2.0, 1 / 4 + 1.0])
    np.testing.assert_allclose(counts, plain_counts(queries, gallery, 2), atol=0.15)
    order = np.array([4, 2, 0, 3, 1])
    moved = occurrence_counts(torch.from_numpy(queries), torch.from_numpy(gallery[order]), 2)
    np.testing.assert_allclose(moved, counts[order])
    assert counts.sum() == pytest.approx(3 * 2)


def test_equal_gallery_rows_count_alike_among_many() -> None:
    gallery = np.repeat(unit(40, 33, 0), 3, axis=0)[np.random.default_rng(1).permutation(120)]
    counts = occurrence_counts(torch.from_numpy(unit(50, 33, 2)), torch.from_numpy(gallery), 10, chunk=17)
    for row in gallery[:10]:
        same = (gallery == row).all(axis=1)
        assert same.sum() == 3
        assert np.ptp(counts[same]) < 1e-9


def test_one_hub_in_closed_form() -> None:
    """Every query has the same k nearest: k rows with N = queries, the others with 0, a two-point distribution."""
    gallery = np.array([[math.cos(a), math.sin(a)] for a in 0.1 * np.arange(20)], dtype=np.float32)
    queries = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (9, 1))
    found = measure_hubness(torch.from_numpy(queries), torch.from_numpy(gallery), 5)
    p = 5 / 20
    assert found.skewness == pytest.approx((1 - 2 * p) / math.sqrt(p * (1 - p)))
    assert found.antihub_share == pytest.approx(15 / 20)
    assert found.largest_hub_share == 1.0


def test_evenly_retrieved_rows_are_no_hubs() -> None:
    around = np.array([[math.cos(a), math.sin(a)] for a in 2 * math.pi * np.arange(30) / 30], dtype=np.float32)
    between = np.array([[math.cos(a), math.sin(a)] for a in 2 * math.pi * (np.arange(30) + 0.2) / 30], dtype=np.float32)
    found = measure_hubness(torch.from_numpy(between), torch.from_numpy(around), 3)
    assert (found.skewness, found.antihub_share, found.largest_hub_share) == (0.0, 0.0, pytest.approx(3 / 30))


def test_chance_is_what_random_draws_give() -> None:
    queries, gallery, k = 400, 50, 10
    generator = np.random.default_rng(0)
    drawn = np.zeros(gallery)
    skewness, never = [], []
    for _ in range(300):
        drawn = np.bincount(
            np.argpartition(generator.random((queries // 10, gallery)), k, axis=1)[:, :k].reshape(-1), minlength=gallery
        )
        skewness.append(np.mean(((drawn - drawn.mean()) / drawn.std()) ** 3))
        never.append(np.mean(drawn == 0))
    expected = chance_hubness(queries // 10, gallery, k)
    assert np.mean(skewness) == pytest.approx(expected.skewness, abs=0.06)
    assert np.mean(never) == pytest.approx(expected.antihub_share, abs=2e-4)
    assert drawn.max() / (queries // 10) >= expected.largest_hub_share


def test_a_centre_makes_hubs() -> None:
    """The concentration of Radovanovic et al.: rows near the mean of the queries come up again and again."""
    queries = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32)
    gallery = np.random.default_rng(1).normal(size=(300, 40)).astype(np.float32)
    even = measure_hubness(
        torch.from_numpy(queries), torch.from_numpy(gallery / np.linalg.norm(gallery, axis=1)[:, None])
    )
    shifted = queries + 2.0
    hubs = measure_hubness(
        torch.from_numpy(shifted), torch.from_numpy(gallery / np.linalg.norm(gallery, axis=1)[:, None])
    )
    assert hubs.skewness > even.skewness + 1.0
    assert hubs.antihub_share > even.antihub_share + 0.3
    assert hubs.largest_hub_share > 0.9


@pytest.mark.parametrize("measure", [modality_gap, alignment, chance_alignment])
def test_vectors_that_are_not_of_length_one_are_refused(measure: object) -> None:
    good, bad = unit(4, 3, 0), unit(4, 3, 1)
    bad[2] *= 1.5
    with pytest.raises(ProtocolError, match=r"row 2 of the right side has length 1\.5 \(1 of 4"):
        measure(good, bad)  # type: ignore[operator]
    bad[2] = np.nan
    with pytest.raises(ProtocolError, match="row 2 of the left side"):
        measure(bad, good)  # type: ignore[operator]


def test_degenerate_input_is_refused_with_its_reason() -> None:
    with pytest.raises(ProtocolError, match="come in pairs, got 4 on the left and 5"):
        alignment(unit(4, 3, 0), unit(5, 3, 0))
    with pytest.raises(ProtocolError, match="3 and 4 wide"):
        modality_gap(unit(4, 3, 0), unit(4, 4, 0))
    with pytest.raises(ProtocolError, match="at least 2"):
        uniformity(unit(1, 3, 0))
    with pytest.raises(ProtocolError, match="at least 2"):
        chance_alignment(unit(1, 3, 0), unit(1, 3, 1))
    with pytest.raises(ConfigError, match="t = 0"):
        uniformity(unit(4, 3, 0), t=0)
    rows = torch.from_numpy(unit(10, 3, 0))
    with pytest.raises(ProtocolError, match="10 nearest of 10 gallery rows"):
        measure_hubness(rows, rows)
    with pytest.raises(ConfigError, match="at least 1"):
        occurrence_counts(rows, rows, 0)
    with pytest.raises(ProtocolError, match="gallery row 3 is zero"):
        occurrence_counts(rows, rows * (torch.arange(10) != 3)[:, None], 2)
    with pytest.raises(ProtocolError, match="cannot be drawn"):
        chance_hubness(5, 10, 10)
    check_unit(unit(3, 3, 0).astype(np.float16), "left")
