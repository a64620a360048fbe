"""Planted corpora to classify: what they hold, and what is claimed that can be told apart in them at best."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from math import erf, sqrt
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy.special import expit

from trichord.cli.generate_planted import ClassPlanting
from trichord.cli.main import main
from trichord.config import from_dict
from trichord.data import Dataset
from trichord.data.check import check_dataset
from trichord.data.classes import read_labels
from trichord.data.planted_ceilings import ceilings, planted_probabilities
from trichord.data.planted_classes import (
    PlantedClassesConfig,
    ViewConfig,
    mixing,
    plant_classes,
    write_planted_classes,
)
from trichord.data.planted_corpora import CLASS_CORPORA, COMPLEMENTARY, CONFLICTING, LABELS, REDUNDANT
from trichord.errors import ConfigError
from trichord.files import read_json

VIDEO, AUDIO = ViewConfig(bits=(0, 1), dim=12, num_private=3), ViewConfig(bits=(1, 2), dim=14, num_private=3, folds=2)
SMALL = PlantedClassesConfig(bits=3, views={"video": VIDEO, "audio": AUDIO}, num_items={"train": 200, "test": 80})


def below(value: float) -> float:
    """Probability that a standard normal draw is below a value."""
    return (1 + erf(value / sqrt(2))) / 2


def header(dataset: Dataset) -> dict:
    return read_json(dataset.path / "dataset.json")


def accuracies(config: PlantedClassesConfig, **more) -> dict[str, float]:
    return {letters: found.values["accuracy"] / 100 for letters, found in ceilings(config, **more).items()}


# What is planted


def test_a_corpus_is_a_function_of_settings_and_seed(tmp_path: Path) -> None:
    one = write_planted_classes(tmp_path / "one", SMALL)
    assert one.fingerprint() == write_planted_classes(tmp_path / "two", SMALL).fingerprint()
    assert one.fingerprint() != write_planted_classes(tmp_path / "three", replace(SMALL, seed=1)).fingerprint()
    assert from_dict(json.loads(header(one)["notes"])) == SMALL


def test_a_split_does_not_depend_on_the_size_of_the_others() -> None:
    few, many = (plant_classes(replace(SMALL, num_items={"train": size, "test": 20})) for size in (10, 300))
    np.testing.assert_array_equal(few.bits[10:], many.bits[300:])
    np.testing.assert_allclose(few.features["audio"][10:], many.features["audio"][300:], rtol=1e-5, atol=1e-5)


def test_features_are_signs_nuisance_and_noise_where_the_settings_say() -> None:
    config = replace(SMALL, num_items={"train": 20_000})
    corpus = plant_classes(config)
    for name, view in config.views.items():
        hidden = corpus.features[name] @ mixing(config, name)
        shown = len(view.bits) * view.folds
        signs = hidden[:, :shown].reshape(-1, len(view.bits), view.folds)
        targets = np.where(corpus.bits[:, list(view.bits)], 1.0, -1.0)
        # The mean of a product of independent draws is the product of the means, whatever the other signs are.
        wanted = view.strength**view.folds
        np.testing.assert_allclose((signs.prod(axis=2) * targets).mean(axis=0), wanted, rtol=0.05)
        np.testing.assert_allclose(hidden[:, :shown].var(axis=0), view.strength**2 + view.noise**2, rtol=0.05)
        np.testing.assert_allclose(hidden[:, shown:].var(axis=0), view.private_strength**2 + view.noise**2, rtol=0.06)
        rest = corpus.features[name] - hidden @ mixing(config, name).T
        np.testing.assert_allclose(rest.var(axis=0).sum(), (view.dim - hidden.shape[1]) * view.noise**2, rtol=0.03)
    one_direction = corpus.features["audio"] @ mixing(config, "audio")[:, :4]
    for number in range(3):
        shift = one_direction[corpus.bits[:, number]].mean(axis=0) - one_direction[~corpus.bits[:, number]].mean(axis=0)
        assert np.abs(shift).max() < 0.15, "with two folds no direction alone says anything"


def test_a_conflict_shows_another_class_for_its_share_of_the_split() -> None:
    view = ViewConfig(bits=(0, 1, 2), noise=1e-3, conflict={"test": 0.3})
    config = PlantedClassesConfig(bits=3, views={"video": view}, num_items={"train": 500, "test": 9000})
    corpus = plant_classes(config)
    shown = corpus.features["video"] @ mixing(config, "video")[:, :3] > 0
    wrong = (shown != corpus.bits).any(axis=1)
    assert not wrong[:500].any()
    assert wrong[500:].mean() == pytest.approx(0.3, abs=0.02)
    away = ((shown[500:] << np.arange(3)).sum(axis=1) - corpus.numbers[500:]) % 8
    np.testing.assert_allclose(np.bincount(away[away > 0])[1:] / wrong.sum(), 1 / 7, atol=0.02)


@pytest.mark.parametrize("name", CLASS_CORPORA)
def test_every_corpus_can_be_written_and_learnt_from(name: str, tmp_path: Path) -> None:
    config = CLASS_CORPORA[name]
    dataset = write_planted_classes(tmp_path / "set", config)
    assert check_dataset(dataset.path).ok
    assert dataset.spec.splits == config.num_items == {"train": 1500, "val": 300, "test": 600}
    labels = read_labels(dataset, "classes" if config.several else "class", config.several, tuple(config.num_items))
    assert labels.names == config.classes
    corpus = plant_classes(config)
    np.testing.assert_array_equal(labels.truth, corpus.bits if config.several else corpus.numbers)
    for modality, view in config.views.items():
        np.testing.assert_array_equal(dataset.has(modality), corpus.present[modality])
        assert 1 - dataset.has(modality).mean() == pytest.approx(view.missing, abs=0.03)
        rows = np.flatnonzero(dataset.has(modality))
        stored = dataset.read(modality, np.arange(len(rows))).values
        np.testing.assert_array_equal(stored, corpus.features[modality][rows])


# What can be told apart at best


def test_bits_in_one_direction_each_are_told_as_often_as_noise_allows() -> None:
    found = accuracies(COMPLEMENTARY)
    group = below(2.0) ** 2
    assert found == pytest.approx({"V": group / 4, "A": group / 4, "VA": group**2}, abs=0.003)
    found = accuracies(REDUNDANT)
    alone, both = below(1.8) ** 3, below(1.8 * sqrt(2)) ** 3
    assert found == pytest.approx({"V": alone, "A": alone, "VA": both}, abs=0.003)


def test_an_exclusive_or_is_told_where_both_signs_are_or_neither_is() -> None:
    right = below(1.9)
    folded = (right**2 + (1 - right) ** 2) ** 3
    plain, share = below(3.0) ** 3, 0.15
    # Of the contradicted items, those taken for another class than is shown may by luck be taken for their own.
    strong = (1 - share) * plain + share * (1 - plain) / 7
    found = accuracies(CONFLICTING)
    assert (found["V"], found["A"]) == pytest.approx((strong, folded), abs=0.003)
    assert found["VA"] > found["V"] + 0.08, "the weak modality is of use"
    assert accuracies(CONFLICTING, split="train")["V"] == pytest.approx(plain, abs=0.003)


def test_no_noise_tells_all_that_is_shown_and_no_signal_nothing() -> None:
    clear = {name: replace(view, noise=1e-3) for name, view in SMALL.views.items()}
    assert accuracies(replace(SMALL, views=clear), draws=500) == pytest.approx({"V": 0.5, "A": 0.5, "VA": 1.0})
    silent = {name: replace(view, strength=0.0) for name, view in SMALL.views.items()}
    assert accuracies(replace(SMALL, views=silent), draws=500) == pytest.approx(dict.fromkeys(("V", "A", "VA"), 1 / 8))


def test_an_item_that_has_no_modality_is_wrong() -> None:
    lacking = {name: replace(view, noise=1e-3, missing=0.4) for name, view in SMALL.views.items()}
    found = accuracies(replace(SMALL, views=lacking))
    both, one = 0.6 * 0.6, 2 * 0.6 * 0.4
    assert found == pytest.approx({"V": 0.3, "A": 0.3, "VA": both + one / 2}, abs=0.006)


def test_probabilities_are_those_of_the_densities_of_the_features() -> None:
    """Bayes' rule on the features themselves, over every combination of signs, without the projection."""
    views = {"video": replace(VIDEO, conflict={"test": 0.2}), "audio": replace(AUDIO, noise=1.4)}
    config = replace(SMALL, views=views, num_items={"train": 10, "test": 30})
    corpus = plant_classes(config)
    found = planted_probabilities(config, corpus, ("video", "audio"))
    wanted = np.ones((40, 8))
    for name, view in views.items():
        directions, nuisance = np.split(mixing(config, name), [len(view.bits) * view.folds], axis=1)
        covariance = view.noise**2 * np.eye(view.dim) + view.private_strength**2 * nuisance @ nuisance.T
        density = np.zeros((40, 8))
        for signs in product((-1, 1), repeat=len(view.bits) * view.folds):
            away = corpus.features[name] - view.strength * directions @ np.array(signs)
            folded = np.array(signs).reshape(-1, view.folds).prod(axis=1)
            like = np.exp(-0.5 * np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away))
            for number in range(8):
                if all(folded[place] == (1 if number >> bit & 1 else -1) for place, bit in enumerate(view.bits)):
                    density[:, number] += like
        share = np.array([[view.conflict.get(split, 0.0)] for split in corpus.splits])
        wanted *= (1 - share) * density + share * (density.sum(axis=1, keepdims=True) - density) / 7
    np.testing.assert_allclose(found, wanted / wanted.sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-9)


def test_the_share_of_items_that_are_right_is_the_one_computed() -> None:
    config = replace(CONFLICTING, num_items={"train": 10, "val": 10, "test": 6000})
    corpus = plant_classes(config)
    for letters, names in (("V", ("video",)), ("A", ("audio",)), ("VA", ("video", "audio"))):
        answers = planted_probabilities(config, corpus, names)[20:].argmax(axis=1)
        assert (answers == corpus.numbers[20:]).mean() == pytest.approx(accuracies(config)[letters], abs=0.02)


def test_f1_of_several_classes_is_that_of_known_odds() -> None:
    """A class seen through signals of sizes s has log-odds that are normal: mean +- 2 q, variance 4 q, q = s's/n^2."""
    found = ceilings(LABELS, draws=100_000)["VAT"].values
    prior = np.log(LABELS.share / (1 - LABELS.share))
    there, given, right = np.zeros((3, 6))
    for held in product((False, True), repeat=3):
        chance = np.prod(
            [1 - v.missing if has else v.missing for has, v in zip(held, LABELS.views.values(), strict=True)]
        )
        for bit in range(6):
            seen = sum(has and bit in view.bits for has, view in zip(held, LABELS.views.values(), strict=True))
            power = seen * 1.6**2
            hit = below((prior + 2 * power) / sqrt(4 * power)) if seen else 0.0
            false = below((prior - 2 * power) / sqrt(4 * power)) if seen else 0.0
            there[bit] += chance * LABELS.share
            right[bit] += chance * LABELS.share * hit
            given[bit] += chance * (LABELS.share * hit + (1 - LABELS.share) * false)
    each = 2 * right / (there + given)
    assert found["macro F1"] == pytest.approx(100 * each.mean(), abs=0.4)
    assert found["micro F1"] == pytest.approx(200 * right.sum() / (there + given).sum(), abs=0.4)


def test_probabilities_of_several_classes_are_those_of_a_logistic_sum() -> None:
    config = replace(LABELS, num_items={"train": 200, "val": 10, "test": 10})
    corpus = plant_classes(config)
    odds = np.full((220, 6), np.log(0.3 / 0.7))
    for name in ("audio", "text"):
        view = config.views[name]
        for place, bit in enumerate(view.bits):
            seen = corpus.features[name] @ mixing(config, name)[:, place]
            odds[:, bit] += np.where(corpus.present[name], 2 * view.strength * seen / view.noise**2, 0)
    np.testing.assert_allclose(planted_probabilities(config, corpus, ("audio", "text")), expit(odds), rtol=1e-4)


# The command, and what is refused


def test_the_command_writes_a_corpus_and_says_what_it_can_reach(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(get_args(ClassPlanting)) == set(CLASS_CORPORA)
    main(["generate", "planted", "--planting", "labels", "--seed", "3", "--out", str(tmp_path / "set")])
    found = ceilings(replace(LABELS, seed=3))["VAT"].values
    line = f"VAT: micro F1 {found['micro F1']:.1f} %, macro F1 {found['macro F1']:.1f} %"
    assert f"at best, on test: {line}" in capsys.readouterr().out
    dataset = Dataset.open(tmp_path / "set")
    assert line in header(dataset)["description"]
    assert from_dict(json.loads(header(dataset)["notes"])) == replace(LABELS, seed=3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"views": {}}, "views are of"),
        ({"views": {"depth": VIDEO}}, "views are of"),
        ({"bits": 0}, "bits are 1 to"),
        ({"bits": 1}, "counted from 0"),
        ({"several": True, "share": 1.0}, "share lies between"),
        ({"num_items": {"train": 0}}, "every split has an item"),
        ({"views": {"video": replace(VIDEO, conflict={"dev": 0.1})}}, "conflict names splits"),
        ({"views": {"video": replace(VIDEO, conflict={"test": 0.1})}, "several": True}, "only where an item has one"),
    ],
)
def test_settings_that_cannot_be_planted_are_refused(changes: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(SMALL, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bits": ()}, "one bit or more"),
        ({"bits": (1, 1)}, "named once"),
        ({"folds": 0}, "folds are at least 1"),
        ({"noise": 0.0}, "noise is positive"),
        ({"dim": 4}, "need 5 dims, got 4"),
        ({"missing": 1.0}, "from 0 to below 1"),
        ({"conflict": {"test": 1.0}}, "from 0 to below 1"),
    ],
)
def test_a_view_that_cannot_be_shown_is_refused(changes: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(VIDEO, **changes)


def test_ceilings_are_of_a_split_that_is_there() -> None:
    with pytest.raises(ConfigError, match="no split 'dev'"):
        ceilings(SMALL, split="dev")
