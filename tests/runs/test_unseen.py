"""What was seen while something learnt is refused: by split in the same data, by id in other data, or said."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from trichord.adapters.identity import AdapterIdentity
from trichord.data import Dataset
from trichord.data.folds import write_folds
from trichord.data.planted import PlantedConfig, write_planted
from trichord.errors import ConfigError
from trichord.runs.run import identify
from trichord.runs.unseen import Seen, Use, check_unseen, seen_by_adapter

USES = (Use("val", "fit the weights"), Use("test", "be reported", reported=True))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = PlantedConfig(num_items={"train": 12, "val": 8, "test": 8, "spare": 8})
    return write_planted(tmp_path_factory.mktemp("unseen") / "data", config)


def seen(dataset: Dataset, fit: tuple[str, ...], chosen: tuple[str, ...] = ()) -> Seen:
    return Seen("runs/base", fit, chosen, identify(dataset))


def test_in_the_same_data_names_tell_wherever_they_lie(dataset: Dataset, tmp_path: Path) -> None:
    moved = Dataset.open(shutil.copytree(dataset.path, tmp_path / "moved"))
    for data in (dataset, moved):
        assert check_unseen([seen(dataset, ("train",), ("val",))], data, USES) == ()
        for split, purpose in (("val", "fit the weights"), ("test", "be reported")):
            with pytest.raises(ConfigError, match=f"runs/base learnt from split '{split}', which would {purpose}"):
                check_unseen([seen(dataset, ("train", split))], data, USES)
        with pytest.raises(ConfigError, match="chose its epochs on split 'test', which would be reported"):
            check_unseen([seen(dataset, ("train",), ("test",))], data, USES)


@pytest.mark.parametrize("used", [("train", "val"), ("train", "test")])
def test_a_fold_calls_its_items_otherwise_and_their_ids_tell(
    used: tuple[str, str], dataset: Dataset, tmp_path: Path
) -> None:
    fold = write_folds(dataset, tmp_path, used, 2)[0]
    with pytest.raises(ConfigError, match=f"saw items of split '{used[1]}', .* ids, '{used[1]}-"):
        check_unseen([seen(fold, ("train",))], dataset, USES)


def test_epochs_chosen_on_reported_items_of_other_data_are_found_too(dataset: Dataset, tmp_path: Path) -> None:
    fold = write_folds(dataset, tmp_path, ("test", "spare"), 2)[0]
    kept = [item for item in fold.ids if item.startswith("test")]
    assert {fold.split_names()[fold.ids.index(item)] for item in kept} == {"train", "val"}
    with pytest.raises(ConfigError, match="saw items of split 'test', which would be reported"):
        check_unseen([seen(fold, (), ("val",))], dataset, USES)
    [note] = check_unseen([seen(fold, (), ("val",))], dataset, [Use("test", "fit the weights")])
    assert note.startswith("runs/base learnt from other data"), "to choose by them again is no leak"


def test_other_data_are_said_to_be_disjoint_or_not_to_be_checked(dataset: Dataset, tmp_path: Path) -> None:
    fold = write_folds(dataset, tmp_path / "folds", ("train", "spare"), 2)[0]
    one = seen(fold, ("train",), ("val",))
    [note] = check_unseen([one, one], dataset, USES)
    assert (
        note == "runs/base learnt from other data, planted; by their ids, none of the items it saw is in val or test."
    )
    cautions = []
    for path in ("", str(tmp_path / "gone"), str(dataset.path)):
        cautions += check_unseen([replace(one, dataset=replace(one.dataset, path=path))], dataset, USES)
    assert len(cautions) == 3
    assert all(c.startswith("Caution: runs/base learnt from other data") for c in cautions)
    assert all(c.endswith("whether it saw items of val or test could not be checked.") for c in cautions)


def test_what_saw_nothing_needs_no_check(dataset: Dataset) -> None:
    nothing = Seen("drawn", (), (), replace(identify(dataset), fingerprint="0"))
    assert check_unseen([nothing], dataset, USES) == ()


def test_an_adapter_says_itself_what_it_saw_and_its_base_where_the_data_lie(dataset: Dataset, tmp_path: Path) -> None:
    identity = AdapterIdentity(
        name="VT",
        left=("video",),
        right=("text",),
        sides=("video",),
        base="b",
        weights="w",
        preprocessing={},
        dataset="planted",
        dataset_fingerprint=dataset.fingerprint(),
        learnt="after the base",
        fit_splits=("train", "val"),
        selected_on="test and spare",
    )
    base = seen(dataset, ("train",))
    found = seen_by_adapter(identity, tmp_path / "VT", base)
    assert (found.fit_splits, found.selected_on) == (("train", "val"), ("test", "spare"))
    assert found.dataset == identify(dataset)
    other = seen_by_adapter(replace(identity, dataset_fingerprint="0"), tmp_path / "VT", base)
    assert other.dataset.path == ""
