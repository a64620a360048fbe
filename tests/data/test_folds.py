"""Folds: every item is held out once, sources stay together, nothing else can be touched."""

from pathlib import Path

import numpy as np
import pytest

from trichord.data.dataset import Dataset
from trichord.data.folds import HELD, LEARNT, LEFT_OUT, deal, write_folds
from trichord.data.planted import PlantedConfig, write_planted
from trichord.errors import ConfigError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = PlantedConfig(num_items={"train": 30, "val": 11, "test": 9}, missing={"audio": 0.2})
    return write_planted(tmp_path_factory.mktemp("folds") / "data", config)


def test_every_item_is_held_out_once_and_the_test_split_never(dataset: Dataset, tmp_path: Path) -> None:
    folds = write_folds(dataset, tmp_path, ("train", "val"), 5)
    wanted = dataset.split("train", "val").tolist()
    held = [fold.split(HELD).tolist() for fold in folds]
    assert sorted(row for rows in held for row in rows) == wanted
    assert {len(rows) for rows in held} == {8, 9}
    for fold, rows in zip(folds, held, strict=True):
        assert sorted([*rows, *fold.split(LEARNT).tolist()]) == wanted
        assert fold.split(LEFT_OUT).tolist() == dataset.split("test").tolist()
        assert "test" not in fold.spec.splits
        assert fold.ids == dataset.ids
        instances = np.arange(5)
        assert np.array_equal(fold.read("text", instances).values, dataset.read("text", instances).values)


def test_written_again_they_are_the_same_and_another_seed_deals_otherwise(dataset: Dataset, tmp_path: Path) -> None:
    first, again, other = (
        write_folds(dataset, tmp_path / name, ("train",), 3, seed) for name, seed in (("a", 0), ("a", 0), ("b", 1))
    )
    assert [fold.fingerprint() for fold in first] == [fold.fingerprint() for fold in again]
    assert [fold.split(HELD).tolist() for fold in first] != [fold.split(HELD).tolist() for fold in other]


def test_groups_stay_together_and_folds_are_even() -> None:
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 40, 300)
    folds = deal(groups, 4)
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in np.unique(groups))
    sizes = np.bincount(folds, minlength=4)
    assert sizes.sum() == 300
    assert sizes.max() - sizes.min() <= np.bincount(groups).max()


def test_one_large_group_takes_a_fold_of_its_own() -> None:
    folds = deal(np.array(["big"] * 10 + list("abcdefghij")), 2)
    assert len(set(folds[:10].tolist())) == 1
    assert set(folds[10:].tolist()) == {1 - folds[0]}


@pytest.mark.parametrize("number", [0, 1, 4])
def test_too_few_folds_or_groups(number: int) -> None:
    with pytest.raises(ConfigError, match="two folds or more"):
        deal(np.array([1, 1, 2, 3]), number)
