"""Dot products of the vectors of two sides are the scores of their route, whatever is missing."""

from dataclasses import replace

import numpy as np
import pytest

from trichord.errors import ConfigError, DataError, ProtocolError
from trichord.evaluation.route import LegConfig, RouteConfig
from trichord.metrics.fusion import fuse
from trichord.runs.side_vectors import Held, require_scores, side_vectors, summed

RNG = np.random.default_rng(0)
WEIGHTED = RouteConfig(
    query=("text",),
    gallery=("video", "audio"),
    legs=(
        LegConfig(adapter="VT", query=("text",), gallery=("video",), weight=2.0),
        LegConfig(adapter="AT", query=("text",), gallery=("audio",), weight=0.5),
        LegConfig(adapter="T-VA", query=("text",), gallery=("video", "audio"), weight=1.0),
    ),
)


def drawn(rows: int, held: np.ndarray | None = None) -> Held:
    return Held(RNG.normal(size=(rows, 5)).astype(np.float32), np.ones(rows, bool) if held is None else held)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_dot_products_are_the_weighted_mean_of_the_shared_legs() -> None:
    video = np.array([True, True, False, True, True, False])
    audio = np.array([True, False, True, True, False, True])
    query = [{"text": drawn(4)} for _ in WEIGHTED.legs]
    gallery = [
        {"video": drawn(6, video)},
        {"audio": drawn(6, audio)},
        {"video": drawn(6, video), "audio": drawn(6, audio)},
    ]
    found = side_vectors(WEIGHTED, "query", query) @ side_vectors(WEIGHTED, "gallery", gallery).T

    sides = []
    for leg in gallery:
        total = sum(np.where(part.held[:, None], unit(part.vectors), 0) for part in leg.values())
        sides.append(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9))
    cosines = [unit(leg["text"].vectors) @ side.T for leg, side in zip(query, sides, strict=True)]
    expected = fuse(cosines, [2.0, 0.5, 1.0], np.ones((3, 4), bool), np.stack([video, audio, video | audio]))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    # Full rows have length one, and rows that lack legs are longer: what they have must make up for it.
    lengths = np.linalg.norm(side_vectors(WEIGHTED, "gallery", gallery), axis=1)
    np.testing.assert_allclose(lengths[video & audio], 1, atol=1e-6)
    assert (lengths[~(video & audio)] > 1.05).all()


def test_only_ratios_of_weights_matter_and_a_leg_of_weight_zero_is_not_there() -> None:
    query = [{"text": drawn(3)} for _ in range(2)]
    legs = WEIGHTED.legs[:2]
    routes = [
        RouteConfig(
            query=("text",),
            gallery=("video", "audio"),
            legs=tuple(replace(leg, weight=leg.weight * factor) for leg in legs),
        )
        for factor in (1.0, 7.0)
    ]
    np.testing.assert_allclose(*(side_vectors(route, "query", query) for route in routes), atol=1e-6)
    silent = RouteConfig(
        query=("text",),
        gallery=("video", "audio"),
        legs=(legs[0], LegConfig(adapter="AT", query=("text",), gallery=("audio",), weight=0.0)),
    )
    np.testing.assert_allclose(side_vectors(silent, "query", query[:1]), unit(query[0]["text"].vectors), atol=1e-6)


def test_one_leg_gives_the_sum_of_unit_vectors_over_what_is_held() -> None:
    parts = {"video": drawn(3, np.array([True, True, False])), "audio": drawn(3, np.array([True, False, True]))}
    found = summed(parts).vectors
    video, audio = unit(parts["video"].vectors), unit(parts["audio"].vectors)
    np.testing.assert_allclose(found, np.stack([unit((video + audio)[:1])[0], video[1], audio[2]]), atol=1e-6)


def test_what_cannot_be_said_by_vectors_is_refused() -> None:
    lacking = np.array([True, False])
    with pytest.raises(DataError, match=r"row 1.*none of \['video', 'audio'\], which the gallery side"):
        side_vectors(
            WEIGHTED,
            "gallery",
            [{"video": drawn(2, lacking)}, {"audio": drawn(2, lacking)}, {"video": drawn(2, lacking)}],
        )
    by_ranks = RouteConfig(query=("text",), gallery=("video", "audio"), legs=WEIGHTED.legs, fusion="ranks")
    with pytest.raises(ConfigError, match=r"by ranks has no vectors whose dot.*text > video under VT; text > audio"):
        require_scores(by_ranks)
    zero = Held(np.zeros((2, 5), np.float32), np.ones(2, bool))
    with pytest.raises(ProtocolError, match="zero"):
        side_vectors(WEIGHTED, "query", [{"text": zero}] * 3)


def test_rows_that_may_lack_different_legs_on_either_side_are_refused_once_they_do() -> None:
    crossed = RouteConfig(
        query=("text", "depth"),
        gallery=("video", "audio"),
        legs=(
            LegConfig(adapter="VT", query=("text",), gallery=("video",)),
            LegConfig(adapter="AD", query=("depth",), gallery=("audio",)),
        ),
    )
    full = [{"text": drawn(2)}, {"depth": drawn(2)}]
    assert side_vectors(crossed, "query", full).shape == (2, 10)
    with pytest.raises(ConfigError, match="row 1 of the query side lacks a leg"):
        side_vectors(crossed, "query", [full[0], {"depth": drawn(2, np.array([True, False]))}])
