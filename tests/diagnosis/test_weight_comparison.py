"""Weights beside their initialisation: closed forms, scipy as reference, and what counts as untrained."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diagnosis_cases import ENCODER, STAGE, healthy
from scipy.stats import ks_2samp

from trichord.diagnosis.check_rate import check_too_high, check_too_low, reach_of
from trichord.diagnosis.check_weights import check_file, check_trained
from trichord.diagnosis.facts import WeightFacts
from trichord.diagnosis.looked_at import list_looked_at
from trichord.diagnosis.weights import kolmogorov_smirnov, looks_fresh


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_is_that_of_scipy(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.integers(0, 9, 40).astype(float), random.standard_normal(70)
    assert kolmogorov_smirnov(a, b) == pytest.approx(ks_2samp(a, b).statistic)


def test_the_distance_in_closed_form() -> None:
    assert kolmogorov_smirnov(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0.0
    assert kolmogorov_smirnov(np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0])) == 1.0
    assert kolmogorov_smirnov(np.array([1.0, 3.0]), np.array([2.0, 3.0])) == 0.5


def matrix(seed: int, spread: float = 0.1) -> dict[str, torch.Tensor]:
    return {
        "w": spread * (2 * torch.rand(30, 40, generator=torch.Generator().manual_seed(seed)) - 1),
        "b": torch.zeros(30),
    }


def test_fresh_are_other_values_of_the_same_distribution() -> None:
    start = matrix(0)
    assert looks_fresh(start, matrix(1))
    assert not looks_fresh(start, start), "unchanged is found otherwise"
    assert not looks_fresh(start, matrix(1, spread=0.15)), "grown"
    assert not looks_fresh(start, {"w": start["w"] + 0.01 * matrix(1)["w"], "b": start["b"]}), "trained a little"
    assert not looks_fresh({"b": torch.zeros(500)}, {"b": torch.ones(500)}), "no matrix, no verdict"


def test_a_healthy_encoder_has_moved() -> None:
    assert check_trained(healthy()) is None
    assert check_file(healthy()) is None
    assert check_trained(healthy(weights=None)) is None
    assert check_file(healthy(weights=None)) is None


@pytest.mark.parametrize("moved", [0.0, 0.0001])
def test_an_encoder_that_did_not_move(moved: float) -> None:
    idle = replace(ENCODER, modality="text", moved_rms=moved)
    found = check_trained(healthy(weights=WeightFacts(True, True, (ENCODER, idle))))
    assert found is not None
    assert found.severity == "cause"
    assert "the text encoder is as it was initialised" in found.sentence
    assert len(found.evidence) == 2


def test_an_encoder_that_no_stage_trains_is_named() -> None:
    never = replace(ENCODER, modality="audio", stages=(), moved_rms=0.0, least_path=0.0)
    found = check_trained(healthy(weights=WeightFacts(True, True, (ENCODER, never))))
    assert found is not None
    assert "no stage trains audio" in found.sentence


def test_little_movement_under_a_small_rate_is_movement() -> None:
    slow = replace(ENCODER, moved_rms=1e-5, least_path=1e-5)
    assert check_trained(healthy(weights=WeightFacts(True, True, (slow,)))) is None


@pytest.mark.parametrize(
    ("own", "status", "handed_on"), [(False, None, None), (True, False, None), (True, True, False)]
)
def test_a_file_with_other_weights(own: bool, status: bool | None, handed_on: bool | None) -> None:
    encoder = replace(ENCODER, as_recorded=handed_on)
    found = check_file(healthy(weights=WeightFacts(own, status, (encoder,))))
    assert found is not None
    assert found.severity == "cause"
    assert ("(video)" if handed_on is False else "(the whole model)") in found.sentence


def test_a_file_without_any_record_is_not_accused() -> None:
    weights = WeightFacts(True, None, (replace(ENCODER, as_recorded=None),))
    assert check_file(healthy(weights=weights)) is None


GONE_ON = replace(ENCODER, start_rms=None, moved_rms=None, end_rms=1e6)


def gone_on(**changes: object) -> WeightFacts:
    return WeightFacts(True, True, (replace(GONE_ON, **changes),), "abc123")


def test_nothing_is_said_of_a_start_that_is_not_kept() -> None:
    slow = replace(STAGE, losses=(9.0,) * 120, learning_rate=1e-30)
    facts = healthy(weights=gone_on(), stages=(slow,))
    assert GONE_ON.relative_change is None
    assert GONE_ON.growth is None
    assert reach_of(facts, slow) is None
    assert [check(facts) for check in (check_file, check_trained, check_too_high, check_too_low)] == [None] * 4
    lines = [str(evidence) for evidence in list_looked_at(facts) if "weights" in evidence.what]
    assert lines == ["change of the weights: unknown (the weights it started from, abc123, are not kept)"]


def test_the_usual_rate_is_known_without_the_start() -> None:
    slow = replace(STAGE, losses=(9.0,) * 120, learning_rate=5e-6, usual_learning_rate=5e-3)
    found = check_too_low(healthy(weights=gone_on(), stages=(slow,)))
    assert found is not None
    assert "it is too low, 1,000 times below the usual one, and the loss stayed" in found.sentence
    assert not any("initial" in evidence.what for evidence in found.evidence)


def test_random_weights_and_other_hashes_are_found_without_the_start() -> None:
    random = check_trained(healthy(weights=gone_on(as_drawn=True)))
    assert random is not None
    assert random.severity == "cause"
    assert random.sentence.endswith(
        "the video encoder is as it was initialised at random, though the run went on from another model."
    )
    assert [str(evidence) for evidence in random.evidence] == [
        "video encoder is exactly the random one of the seed: True (False)"
    ]
    stranger = check_file(healthy(weights=gone_on(as_recorded=False)))
    assert stranger is not None
    assert "(video)" in stranger.sentence
    assert "random" not in stranger.sentence
