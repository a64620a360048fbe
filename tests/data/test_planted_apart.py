"""Planted corpora in which two modalities are kept apart, and the one in which a third is the bridge."""

from ast import literal_eval
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from trichord.cli.generate_planted import Planting
from trichord.cli.main import main
from trichord.config import from_dict
from trichord.data import Dataset
from trichord.data.planted import LATER_FIELDS, PlantedConfig, PlantedCorpus, plant, write_planted
from trichord.data.planted_corpora import BRIDGED, CORPORA
from trichord.data.planted_routes import planted_routes
from trichord.data.winners import planted_winners
from trichord.errors import ConfigError
from trichord.files import read_json, write_json
from trichord.recipes import planted
from trichord.runs import RunOptions, run_experiment
from trichord.studies.planted_routes import planted_config

SMALL = PlantedConfig(num_items={"val": 50, "train": 2000, "test": 60})


def training(corpus: PlantedCorpus, name: str) -> np.ndarray:
    return corpus.present[name][np.array(corpus.splits) == "train"]


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_half_of_those_kept_apart_lack_the_one_and_half_the_other(share: float) -> None:
    corpus = plant(replace(SMALL, apart={"VT": share}))
    video, text, audio = (training(corpus, name) for name in ("video", "text", "audio"))
    assert audio.all()
    assert (video | text).all(), "nobody loses both"
    assert (video & text).mean() == pytest.approx(1 - share, abs=0.04)
    assert (~video).mean() == pytest.approx(share / 2, abs=0.04)
    assert (~text).mean() == pytest.approx(share / 2, abs=0.04)
    for name, present in corpus.present.items():
        assert present[np.array(corpus.splits) != "train"].all(), name
    assert all(bool(words) == held for words, held in zip(corpus.captions, corpus.present["text"], strict=True))


def test_keeping_apart_changes_no_feature_and_the_spelling_of_the_pair_nothing() -> None:
    plain, apart = plant(SMALL), plant(replace(SMALL, apart={"VT": 0.5}))
    for name, values in plain.features.items():
        np.testing.assert_array_equal(values, apart.features[name])
    swapped = plant(replace(SMALL, apart={"TV": 0.5}))
    for name, present in apart.present.items():
        np.testing.assert_array_equal(present, swapped.present[name])


def test_it_comes_on_top_of_what_is_missing_anyway() -> None:
    config = replace(SMALL, missing={"audio": 0.3, "video": 0.2})
    lacking, both = plant(config), plant(replace(config, apart={"VT": 0.5}))
    np.testing.assert_array_equal(lacking.present["audio"], both.present["audio"])
    assert not (both.present["video"] & ~lacking.present["video"]).any()
    assert training(both, "video").mean() == pytest.approx(0.8 * 0.75, abs=0.04)


def test_two_pairs_kept_apart_leave_the_third() -> None:
    corpus = plant(replace(SMALL, apart={"VT": 1.0, "AT": 1.0}))
    video, text, audio = (training(corpus, name) for name in ("video", "text", "audio"))
    assert not (video & text).any()
    assert not (audio & text).any()
    assert (audio & video).mean() == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize("apart", [{"V": 0.5}, {"VAT": 0.5}, {"VT": 1.1}, {"VT": -0.1}, {"VT": 0.5, "TV": 0.5}])
def test_what_cannot_be_kept_apart_is_refused(apart: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="apart"):
        replace(SMALL, apart=apart)
    with pytest.raises(ConfigError, match="items of 'train'"):
        PlantedConfig(num_items={"test": 10}, apart={"VT": 0.5})


def test_settings_written_before_there_was_such_a_thing_are_read_as_they_were_meant(tmp_path: Path) -> None:
    dataset = write_planted(tmp_path / "set", replace(SMALL, num_items={"train": 20}))
    header = read_json(dataset.path / "dataset.json")
    written = literal_eval(header["notes"])
    assert written.pop("apart") == {}
    write_json(dataset.path / "dataset.json", header | {"notes": str(written)})
    old = Dataset.open(dataset.path)
    assert old.fingerprint() == dataset.fingerprint()
    assert planted_config(old) == planted_config(dataset) == replace(SMALL, num_items={"train": 20})
    write_json(dataset.path / "dataset.json", header | {"notes": str(written | {"strange": 1})})
    assert planted_config(Dataset.open(dataset.path)) is None


def test_later_fields_stand_at_what_the_default_is() -> None:
    assert dict(LATER_FIELDS) == {name: PlantedConfig().to_dict()[name] for name in LATER_FIELDS}


def test_nothing_is_claimed_about_pairs_that_cannot_be_learnt() -> None:
    assert planted_winners(SMALL)
    assert planted_routes(SMALL)
    assert planted_winners(replace(SMALL, apart={"VT": 0.9})) == {}
    assert planted_routes(replace(SMALL, apart={"VT": 0.9})) == {}


def recall_at_10(found: np.ndarray, wanted: np.ndarray) -> float:
    found, wanted = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (found, wanted))
    table = found @ wanted.T
    return float(((table >= np.diag(table)[:, None]).sum(axis=1) <= 10).mean())


def test_the_bridge_carries_what_few_pairs_cannot_tell() -> None:
    """Ridge regression, text to video on those that show both, against text to audio to video: no training of ours."""
    corpus = plant(BRIDGED)
    views = {name: values[:, 0].astype(np.float64) for name, values in corpus.features.items()}
    split = np.array(corpus.splits)

    def regress(one: str, other: str) -> np.ndarray:
        rows = (split == "train") & corpus.present[one] & corpus.present[other]
        x, y = views[one][rows], views[other][rows]
        return np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ y)

    def score(matrix: np.ndarray) -> float:
        return recall_at_10(views["text"][split == "test"] @ matrix, views["video"][split == "test"])

    direct, bridged = score(regress("text", "video")), score(regress("text", "audio") @ regress("audio", "video"))
    assert bridged > direct + 0.15, (direct, bridged)
    assert from_dict(BRIDGED.to_dict()) == BRIDGED


def test_the_command_writes_every_corpus_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(get_args(Planting)) == set(CORPORA)
    main(["generate", "planted", "--planting", "bridged", "--out", str(tmp_path / "set"), "--seed", "3"])
    dataset = Dataset.open(tmp_path / "set")
    assert planted_config(dataset) == replace(BRIDGED, seed=3)
    both = (dataset.has("video") & dataset.has("text"))[dataset.split("train")].sum()
    assert 40 < both < 110
    assert "train 2400" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["generate", "planted", "--planting", "silent", "--out", str(tmp_path / "set")])
    assert "already holds a data set" in capsys.readouterr().err


@pytest.mark.slow
def test_trained_together_the_bridged_pair_gains_what_it_lacks_alone(tmp_path: Path) -> None:
    dataset = write_planted(tmp_path / "set", BRIDGED)
    found = {}
    for order in ("VT", "AVT"):
        run = run_experiment(
            planted(dataset.spec, order), dataset, tmp_path / order, options=RunOptions(progress=False)
        )
        found[order] = read_json(run.results_folder("test") / "T_to_V.json")["metrics"]["R@10"]["value"]
    assert found["VT"] < 25
    assert found["AVT"] > 60
