"""A label column as classes: how they are numbered, and every column that names none."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from trichord.data import Dataset, ModalityArrays, write_dataset
from trichord.data.classes import read_classes
from trichord.errors import ConfigError, DataError


def labelled(folder: Path, column: Any, splits: str = "aaab") -> Dataset:
    items = {"id": [f"item{row}" for row in range(len(splits))], "split": list(splits)}
    table = pa.table({**items, "kind": column} if column is not None else items)
    features = ModalityArrays(np.ones((len(splits), 2), dtype=np.float32))
    return write_dataset(folder / "set", name="labelled", items=table, modalities={"video": features})


@pytest.mark.parametrize(
    ("column", "names", "numbers"),
    [
        (["rain", "dog", "rain", "band"], ("band", "dog", "rain"), [2, 1, 2, 0]),
        ([10, 9, 10, 2], ("2", "9", "10"), [2, 1, 2, 0]),
        ([True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
        (pa.array(["b", "a", "b", "b"]).dictionary_encode(), ("a", "b"), [1, 0, 1, 1]),
    ],
)
def test_classes_are_numbered_in_their_order(
    tmp_path: Path, column: Any, names: tuple[str, ...], numbers: list[int]
) -> None:
    classes = read_classes(labelled(tmp_path, column), "kind")
    assert classes.names == names
    assert len(classes) == len(names)
    np.testing.assert_array_equal(classes.numbers, numbers)
    assert classes.numbers.dtype == np.int64


def test_the_numbering_does_not_depend_on_the_order_of_the_items(tmp_path: Path) -> None:
    words = ["rain", "dog", "rain", "band"]
    there = read_classes(labelled(tmp_path / "one", words), "kind")
    back = read_classes(labelled(tmp_path / "two", words[::-1]), "kind")
    assert there.names == back.names
    np.testing.assert_array_equal(there.numbers, back.numbers[::-1])


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (["dog", None, "rain", "dog"], ["row 1", "'kind' of the item 'item1' is null", "Give every item its class"]),
        (["dog", "rain", " ", "dog"], ["row 2", "item2", "blank"]),
        ([1.0, 2.0, 1.0, 2.0], ["row 0", "float", "one text or one integer"]),
        ([["a"], ["b"], ["a"], ["b"]], ["row 0", "list"]),
        (["dog", "dog", "dog", "dog"], ["'dog' for every item", "two or more"]),
        (None, ["no label 'kind'", "no label columns at all"]),
    ],
)
def test_a_column_that_names_no_classes_is_refused(tmp_path: Path, column: Any, told: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read_classes(labelled(tmp_path, column), "kind")
    for words in ("items.parquet", *told):
        assert words in str(caught.value)


def test_a_misspelt_column_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no label 'kinds'.*did you mean 'kind'"):
        read_classes(labelled(tmp_path, ["a", "b", "a", "b"]), "kinds")
    with pytest.raises(DataError, match="no label 'split'"):
        read_classes(labelled(tmp_path / "other", ["a", "b", "a", "b"]), "split")


def test_a_class_that_cannot_be_learnt_is_told_with_the_item_that_has_it(tmp_path: Path) -> None:
    dataset = labelled(tmp_path, ["a", "b", "a", "c"])
    assert len(read_classes(dataset, "kind")) == 3, "without splits nothing is checked"
    assert len(read_classes(dataset, "kind", ("a", "b"))) == 3
    with pytest.raises(DataError, match=r"row 3: the class 'c' of the label 'kind' has no item in a, .*'item3'"):
        read_classes(dataset, "kind", ("a",))
    with pytest.raises(DataError, match="2 of 3 classes"):
        read_classes(dataset, "kind", ("b",))
    with pytest.raises(ConfigError, match="no split 'train'"):
        read_classes(dataset, "kind", ("train",))
