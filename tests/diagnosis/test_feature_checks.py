"""Features where a model is measured beside those it learnt from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from diagnosis_cases import BAD_SCORE, features, gaussian, healthy, modality

from trichord.data import Dataset, ModalityArrays, write_dataset
from trichord.diagnosis.check_features import (
    check_decibels,
    check_plain_scale,
    check_recorded_lengths,
    check_scale,
    check_shift,
    check_zeros,
    mean_shift,
)
from trichord.diagnosis.diagnose import CHECKS
from trichord.diagnosis.facts import Facts, ModalityFacts
from trichord.diagnosis.features import SEQUENCES, VECTORS, describe_features, sample_features


def of(*modalities: ModalityFacts, **changes: object) -> Facts:
    return healthy(modalities=modalities, **changes)


@pytest.mark.parametrize("seed", range(5))
def test_two_samples_of_one_population_pass_every_check(seed: int) -> None:
    facts = of(modality(gaussian(2 * seed + 1), gaussian(2 * seed)))
    assert [finding for check in CHECKS if (finding := check(facts)) is not None] == []


def test_nothing_is_said_of_a_modality_that_is_not_measured() -> None:
    alone = replace(modality(gaussian(1)), evaluated=None)
    assert check_scale(of(alone)) is None
    assert check_shift(of(alone)) is None


@pytest.mark.parametrize(("factor", "said"), [(50.0, "times as large"), (0.02, "times as small")])
def test_scale(factor: float, said: str) -> None:
    same = gaussian(0)
    found = check_scale(of(modality(factor * same, same)))
    assert found is not None
    assert found.severity == "cause"
    assert f"are 50 {said} as those" in found.sentence
    assert check_scale(of(modality(1.5 * same, same))) is None


def test_a_stream_that_was_not_normalised_is_found_although_the_whole_is_hardly_longer() -> None:
    raw = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    unit = np.concatenate(
        [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (raw[:, :4], raw[:, 4:])], axis=1
    )
    spoilt = unit.copy()
    spoilt[:, 4:] *= 1.5
    blocks = (("2d", 4), ("3d", 4))
    good = describe_features(unit, "data, train", 50, blocks, unit=True)
    bad = describe_features(spoilt, "data, test", 50, blocks, unit=True)
    assert good is not None
    assert bad is not None
    assert good.lengths == pytest.approx((1.0, 1.0))
    assert bad.lengths == pytest.approx((1.0, 1.5))
    facts = of(replace(modality(gaussian(1)), trained=good, evaluated=bad))
    assert check_scale(facts) is None
    found = check_recorded_lengths(facts)
    assert found is not None
    assert "data, test says that every stream is one long, and 100% of its vectors are not" in found.sentence
    assert check_recorded_lengths(of(replace(modality(gaussian(1)), trained=good, evaluated=good))) is None
    silent = replace(bad, unit=False)
    assert check_recorded_lengths(of(replace(modality(gaussian(1)), trained=good, evaluated=silent))) is None


def test_shift_in_closed_form_and_its_severity() -> None:
    same = gaussian(0)
    trained = features(same)
    assert mean_shift(trained, features(same + 2 * trained.deviation)) == pytest.approx(2.0)
    assert mean_shift(trained, features(7 * same - 6 * trained.mean)) == pytest.approx(0.0, abs=1e-6), (
        "wider, not moved"
    )
    for step, severity in ((0.3, None), (0.7, "warning"), (3.0, "cause")):
        found = check_shift(of(modality(same + step * trained.deviation, same)))
        assert (None if found is None else found.severity) == severity


@pytest.mark.parametrize(
    ("step", "here", "elsewhere"),
    [
        (0.4, None, None),
        (1.4, "warning", None),  # generated HowTo100M to YouCook2, audio: other videos, and nothing wrong
        (1.7, "warning", "warning"),
        (2.1, "cause", "cause"),
    ],
)
def test_another_collection_may_lie_further_away(step: float, here: str | None, elsewhere: str | None) -> None:
    same = gaussian(0)
    moved = modality(same + step * features(same).deviation, same)
    for measured, severity in (("data", here), ("other", elsewhere)):
        found = check_shift(of(moved, measured_data=measured))
        assert (None if found is None else found.severity) == severity
        if found is not None:
            assert found.evidence[0].expected == ("below 0.5" if measured == "data" else "below 1.5")


def test_constant_features_are_equal_or_infinitely_far() -> None:
    constant = features(np.ones((5, 3)))
    assert mean_shift(constant, constant) == 0.0
    assert mean_shift(constant, features(np.full((5, 3), 2.0))) == float("inf")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-80.0, 0.0, None),
        (0.0, 3.0, "linear power"),
        (-20.0, 40.0, "another reference"),
        (-400.0, 0.0, "another reference"),
    ],
)
def test_decibels(low: float, high: float, said: str | None) -> None:
    right = np.random.default_rng(0).uniform(-80, 0, (400, 40))
    spoilt = np.random.default_rng(1).uniform(low, high, (400, 40))
    found = check_decibels(of(modality(spoilt, right, kind="sequence", log_mel=True)))
    assert (found is None) == (said is None)
    if said is not None and found is not None:
        assert found.severity == "cause"
        assert said in found.sentence
    assert check_decibels(of(modality(spoilt, right, kind="sequence", log_mel=False))) is None


def test_decibels_that_were_wrong_in_training_too_matter_where_the_score_is_bad() -> None:
    power = np.random.default_rng(1).uniform(0, 3, (400, 40))
    spoilt = modality(power, power, kind="sequence", log_mel=True)
    for scores, severity in (((), "warning"), ((BAD_SCORE,), "cause")):
        found = check_decibels(of(spoilt, scores=scores))
        assert found is not None
        assert found.severity == severity


def test_zero_and_not_finite_vectors() -> None:
    for value, number, severity in ((0.0, 1, None), (0.0, 20, "warning"), (0.0, 200, "cause"), (np.nan, 200, "cause")):
        spoilt = gaussian(1)
        spoilt[:number] = value
        found = check_zeros(of(modality(spoilt)))
        assert (None if found is None else found.severity) == severity


def test_plain_input_of_an_unusual_length() -> None:
    large = 1000 * gaussian(0)
    for standardized, scores, severity in ((True, (), None), (False, (), "warning"), (False, (BAD_SCORE,), "cause")):
        found = check_plain_scale(of(modality(large, large, standardized=standardized), scores=scores))
        assert (None if found is None else found.severity) == severity


def write(folder: Path, transforms: tuple[str, ...], number: int = 300) -> Dataset:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 4, number)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    frames = random.uniform(-80, 0, (offsets[-1], 40)).astype(np.float32)
    return write_dataset(
        folder,
        name="made",
        items={"id": [str(n) for n in range(number)], "split": ["train"] * number},
        modalities={
            "video": ModalityArrays(random.standard_normal((number, 6)).astype(np.float32), transforms=transforms),
            "audio": ModalityArrays(frames, offsets=offsets),
        },
    )


def test_a_sample_is_bounded_and_repeatable(tmp_path: Path) -> None:
    data = write(tmp_path / "data", ("2D and 3D stream: x / |x|",))
    video = sample_features(data, "video", data.split("train"), "here")
    audio = sample_features(data, "audio", data.split("train"), "here")
    again = sample_features(data, "video", data.split("train"), "here")
    assert video is not None
    assert audio is not None
    assert again is not None
    assert (video.instances, video.blocks, video.unit) == (VECTORS, ("2d", "3d"), True)
    assert (audio.instances, audio.blocks, audio.unit) == (SEQUENCES, ("whole vector",), False)
    assert np.array_equal(video.mean, again.mean)
    assert video.uneven > 0.9, "the record is wrong: these are no unit vectors"
    assert audio.zero == 0.0, "padding is not looked at"
    assert sample_features(data, "video", np.zeros(0, np.int64), "here") is None
