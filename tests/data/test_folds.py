"""Folds: every item is held out once, sources stay together, nothing else can be touched."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trichord.data.dataset import Dataset
from trichord.data.folds import HELD, LEARNT, LEFT_OUT, deal, write_folds
from trichord.data.planted import PlantedConfig, write_planted
from trichord.errors import ConfigError, DataError


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


def video(dataset: Dataset) -> np.ndarray:
    return dataset.read("video", np.arange(20)).values


def test_folds_of_moved_data_hold_the_data_and_not_what_lies_there_now(tmp_path: Path) -> None:
    config = PlantedConfig(num_items={"train": 12, "val": 6, "test": 6})
    first = write_planted(tmp_path / "a", config)
    expected = np.array(video(first))
    write_folds(first, tmp_path / "folds", ("train", "val"), 3)
    (tmp_path / "a").rename(tmp_path / "b")
    write_planted(tmp_path / "a", replace(config, seed=1))
    for fold in write_folds(Dataset.open(tmp_path / "b"), tmp_path / "folds", ("train", "val"), 3):
        np.testing.assert_array_equal(video(fold), expected)


def test_links_that_lead_nowhere_or_to_what_the_data_lack_are_put_right(dataset: Dataset, tmp_path: Path) -> None:
    fold = tmp_path / "fold-0"
    fold.mkdir()
    (fold / "dataset.json").symlink_to(tmp_path / "gone")
    (fold / "smell.npy").symlink_to(tmp_path / "gone")
    first, _ = write_folds(dataset, tmp_path, ("train",), 2)
    np.testing.assert_array_equal(video(first), video(dataset))
    assert not (fold / "smell.npy").is_symlink()
    entries = {entry.name for entry in fold.iterdir()}
    assert entries == {entry.name for entry in dataset.path.iterdir() if not entry.name.startswith(".")}


def test_a_file_in_place_of_a_link_and_a_table_of_other_items_are_refused(tmp_path: Path) -> None:
    config = PlantedConfig(num_items={"train": 12, "val": 6, "test": 6})
    dataset = write_planted(tmp_path / "data", config)
    (tmp_path / "fold-1").mkdir()
    (tmp_path / "fold-1" / "dataset.json").write_text("{}")
    with pytest.raises(DataError, match=r"fold-1/dataset\.json.*a file of its own"):
        write_folds(dataset, tmp_path, ("train",), 2)
    (tmp_path / "data").rename(tmp_path / "moved")
    write_planted(tmp_path / "data", replace(config, num_items={"train": 14, "val": 6, "test": 6}))
    with pytest.raises(DataError, match="other items than when the data were opened"):
        write_folds(dataset, tmp_path / "folds", ("train",), 2)
