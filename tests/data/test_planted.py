from __future__ import annotations

import numpy as np
import pytest

from trichord.config import from_dict
from trichord.data import Dataset
from trichord.data.check import check_dataset
from trichord.data.planted import PlantedConfig, plant, write_planted
from trichord.data.winners import planted_scores, planted_winners
from trichord.errors import ConfigError

TASKS = {
    "T>V": "VT_A",
    "V>T": "VT_A",
    "T>A": "AT_V",
    "A>T": "AT_V",
    "A>V": "AV_T",
    "V>A": "AV_T",
    "T>VA": "AVT",
    "VA>T": "AVT",
}


def canonical_correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Linear CCA by QR: the singular values of Q1' Q2."""
    q1, q2 = (np.linalg.qr(matrix - matrix.mean(axis=0))[0] for matrix in (one, other))
    return np.linalg.svd(q1.T @ q2, compute_uv=False)


def small(**changes) -> PlantedConfig:
    plain = {
        "num_items": {"train": 6000},
        "attributes": {"VT": 3, "VA": 2},
        "strength": {"VT": 1.0, "VA": 0.7},
        "dim": {"video": 16, "audio": 14, "text": 12},
        "num_private": {"video": 4, "audio": 4, "text": 4},
        "noise": {"video": 0.3, "audio": 0.4, "text": 0.5},
        "num_captions": 1,
    }
    return PlantedConfig(**{**plain, **changes})


def expected(config: PlantedConfig, group: str, one: str, other: str) -> np.ndarray:
    size = config.strength[group] * config.decay ** np.arange(config.attributes[group])
    return size**2 / np.sqrt((size**2 + config.noise[one] ** 2) * (size**2 + config.noise[other] ** 2))


def test_groups_are_shared_as_strongly_as_computed_and_nothing_else_is():
    config = small()
    features = {name: values[:, 0] for name, values in plant(config).features.items()}
    for one, other, group in (("video", "text", "VT"), ("video", "audio", "VA"), ("audio", "text", None)):
        found = canonical_correlations(features[one], features[other])
        wanted = np.zeros(0) if group is None else expected(config, group, one, other)
        np.testing.assert_allclose(found[: len(wanted)], wanted, atol=0.03)
        assert found[len(wanted)] < 0.12, "chance for 12 by 12 dimensions and 6,000 items is about 0.09"


def test_a_group_of_three_is_shared_by_every_pair():
    features = plant(small(attributes={"VAT": 1}, strength={"VAT": 1.0})).features
    for one, other in (("video", "text"), ("video", "audio"), ("audio", "text")):
        found = canonical_correlations(features[one][:, 0], features[other][:, 0])
        assert found[0] > 0.75
        assert found[1] < 0.12


def test_captions_of_an_item_share_attributes_but_not_noise():
    corpus = plant(small(num_captions=2))
    first, second = corpus.features["text"][:, 0], corpus.features["text"][:, 1]
    config = small()
    np.testing.assert_allclose(
        canonical_correlations(first, second)[:4], [*expected(config, "VT", "text", "text"), 0], atol=0.1
    )
    assert all(len(captions) == 2 for captions in corpus.captions)
    words = [set(captions[0].split()) for captions in corpus.captions]
    bright = np.array(["bright" in found for found in words]), np.array(["dark" in found for found in words])
    attribute = corpus.latents["VT"][:, 0]
    assert attribute[bright[0]].mean() > 0.5
    assert attribute[bright[1]].mean() < -0.5


def test_the_same_seed_gives_the_same_bits(tmp_path):
    config = PlantedConfig(num_items={"train": 40, "test": 20})
    one = write_planted(tmp_path / "one", config)
    assert one.fingerprint() == write_planted(tmp_path / "two", config).fingerprint()
    other = PlantedConfig(num_items={"train": 40, "test": 20}, seed=1)
    assert one.fingerprint() != write_planted(tmp_path / "three", other).fingerprint()


def test_a_split_does_not_depend_on_the_others():
    few = plant(PlantedConfig(num_items={"train": 10, "test": 20})).features["audio"][10:]
    many = plant(PlantedConfig(num_items={"train": 300, "test": 20})).features["audio"][300:]
    np.testing.assert_allclose(few, many, rtol=1e-6, atol=1e-6)


def test_the_written_set_is_sound(tmp_path):
    config = PlantedConfig(num_items={"train": 400, "test": 50}, missing={"audio": 0.3, "text": 0.1})
    dataset = write_planted(tmp_path / "set", config)
    report = check_dataset(dataset.path)
    assert report.ok
    assert report.splits == {"train": 400, "test": 50}
    held = dataset.has("audio").mean(), dataset.has("text").mean(), dataset.has("video").mean()
    assert abs(held[0] - 0.7) < 0.07
    assert abs(held[1] - 0.9) < 0.05
    assert held[2] == 1
    assert set(dataset.instances("text").count.tolist()) == {0, 2}
    assert all(len(dataset.captions(item)) == count for item, count in enumerate(dataset.instances("text").count))
    assert Dataset.open(dataset.path).spec.name == "planted"


def test_curvature_bends_towards_a_bound():
    straight, bent = plant(small()).features["video"], plant(small(curvature=2.0)).features["video"]
    np.testing.assert_allclose(np.tanh(2 * straight) / 2, bent, atol=1e-5)
    assert np.abs(bent).max() <= 0.5


def test_the_default_has_a_winner_for_every_task():
    assert planted_winners(PlantedConfig()) == TASKS


def test_winners_follow_what_is_planted():
    no_pair = PlantedConfig(attributes={"VT": 12, "AT": 12}, strength={"VT": 1.0, "AT": 1.0})
    winners = planted_winners(no_pair)
    assert "A>V" not in winners, "nothing is shared by V and A, so nobody can win"
    assert winners["T>V"] == "VT_A"
    scores = planted_scores(no_pair)
    assert scores["A>V"] == dict.fromkeys(scores["A>V"], 0.0)
    swapped = PlantedConfig(attributes={"VT": 12}, strength={"VT": 1.0})
    assert set(planted_winners(swapped)) == set(), "one pair only: joint training loses nothing"


def test_the_configuration_survives_json():
    config = small(missing={"audio": 0.25})
    assert from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    "changes",
    [
        {"attributes": {"V": 3}, "strength": {"V": 1.0}},
        {"attributes": {"VT": 3, "TV": 3}, "strength": {"VT": 1.0, "TV": 1.0}},
        {"strength": {"VT": 1.0}},
        {"dim": {"video": 8, "audio": 14, "text": 12}},
        {"missing": {"depth": 0.1}},
        {"missing": {"audio": 1.0}},
        {"decay": 1.5},
        {"num_captions": 0},
        {"num_items": {}},
    ],
)
def test_settings_that_cannot_be_planted_are_refused(changes):
    with pytest.raises(ConfigError):
        small(**changes)
