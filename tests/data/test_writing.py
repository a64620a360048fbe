from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trichord.data import Dataset, ModalityArrays, write_dataset
from trichord.errors import ConfigError, DataError

ITEMS = {"id": ["a", "b", "c"], "split": ["train", "train", "test"], "word": ["x", None, "z"]}


def video(values=None) -> dict[str, ModalityArrays]:
    return {"video": ModalityArrays(np.arange(6, dtype=np.float32).reshape(3, 2) if values is None else values)}


def test_what_is_written_is_read_back(tmp_path):
    steps = np.arange(12, dtype=np.float16).reshape(6, 2)
    arrays = {
        **video(),
        "depth": ModalityArrays(steps, np.array([0, 2]), np.array([0, 2, 6]), "D", ("halved",)),
    }
    dataset = write_dataset(tmp_path / "set", name="three", items=ITEMS, modalities=arrays, notes="by a test")
    assert dataset.path == tmp_path / "set"
    assert dataset.header.notes == "by a test"
    assert dataset.header.transforms == {"depth": ("halved",)}
    assert [entry.modality.letter for entry in dataset.spec.modalities] == ["V", "D"]
    assert dataset.label("word") == ["x", None, "z"]
    read = dataset.read("depth", np.array([1]))
    np.testing.assert_array_equal(read.values[0], steps[2:])
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_frame_serves_as_the_table(tmp_path):
    write_dataset(tmp_path / "set", name="three", items=pd.DataFrame(ITEMS), modalities=video())
    assert Dataset.open(tmp_path / "set").ids == ["a", "b", "c"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_value_that_is_not_finite_in_float32_is_refused(tmp_path, value):
    values = np.ones((3, 2))
    values[1, 0] = value
    with pytest.raises(DataError, match=r"video.npy, row 1: .*item 'b'"):
        write_dataset(tmp_path / "set", name="three", items=ITEMS, modalities=video(values))
    assert not list(tmp_path.iterdir())


def test_an_existing_set_is_replaced_only_when_asked(tmp_path):
    write_dataset(tmp_path / "set", name="one", items=ITEMS, modalities=video())
    with pytest.raises(ConfigError, match="already holds a data set"):
        write_dataset(tmp_path / "set", name="two", items=ITEMS, modalities=video())
    assert Dataset.open(tmp_path / "set").spec.name == "one"
    replaced = write_dataset(tmp_path / "set", name="two", items=ITEMS, modalities=video(), overwrite=True)
    assert replaced.spec.name == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_another_folder_is_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(ConfigError, match="is not a data set"):
        write_dataset(tmp_path / "photos", name="x", items=ITEMS, modalities=video(), overwrite=True)
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_bad_structure_writes_nothing(tmp_path):
    for arrays, rule in (
        (ModalityArrays(np.ones((2, 2))), "2 instances for 3 items"),
        (ModalityArrays(np.ones((2, 2)), np.array([2, 0])), "descend"),
        (ModalityArrays(np.ones((2, 2)), np.array([0, 1]), np.array([0, 2, 1])), "offsets"),
    ):
        with pytest.raises(DataError, match=rule):
            write_dataset(tmp_path / "set", name="x", items=ITEMS, modalities={"video": arrays})
    with pytest.raises(ConfigError, match="letter must be given"):
        write_dataset(tmp_path / "set", name="x", items=ITEMS, modalities={"depth": ModalityArrays(np.ones((3, 2)))})
    assert not list(tmp_path.iterdir())
