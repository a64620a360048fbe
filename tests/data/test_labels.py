"""Labels of a classifier: lists of classes per item, every split shown every class, and what is no such column."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from trichord.data import Dataset, ModalityArrays, write_dataset
from trichord.data.classes import UNREAD, Classes, LabelSets, read_labels
from trichord.errors import ConfigError, DataError


def made(folder: Path, column: Any, splits: str = "aabb") -> Dataset:
    items = pa.table({"id": [f"item{row}" for row in range(len(splits))], "split": list(splits), "kinds": column})
    return write_dataset(
        folder / "set",
        name="labelled",
        items=items,
        modalities={"video": ModalityArrays(np.ones((len(splits), 2), dtype=np.float32))},
    )


@pytest.mark.parametrize(
    ("column", "names"),
    [([["b"], ["c", "a"], [], ["a", "b"]], ("a", "b", "c")), ([[9], [10, 2], [], [2, 9]], ("2", "9", "10"))],
)
def test_lists_become_members_in_the_order_of_the_classes(tmp_path: Path, column: Any, names: tuple[str, ...]) -> None:
    labels = read_labels(made(tmp_path, column), "kinds", several=True)
    assert isinstance(labels, LabelSets)
    assert (labels.column, labels.names, labels.several, len(labels)) == ("kinds", names, True, 3)
    named = [{names[number] for number in np.flatnonzero(row)} for row in labels.truth]
    assert named == [{str(name) for name in value} for value in column]


def test_the_order_of_the_items_moves_the_rows_and_nothing_else(tmp_path: Path) -> None:
    column = [["b"], ["c", "a"], [], ["a", "b"]]
    there = read_labels(made(tmp_path / "one", column), "kinds", several=True)
    back = read_labels(made(tmp_path / "two", [list(reversed(value)) for value in column[::-1]]), "kinds", several=True)
    assert there.names == back.names
    np.testing.assert_array_equal(there.truth, back.truth[::-1])


def test_one_class_per_item_is_read_as_classes(tmp_path: Path) -> None:
    labels = read_labels(made(tmp_path, ["x", "y", "y", "x"]), "kinds", several=False, splits=("a", "b"))
    assert isinstance(labels, Classes)
    assert not labels.several
    np.testing.assert_array_equal(labels.truth, [0, 1, 1, 0])


@pytest.mark.parametrize(
    ("column", "several", "told"),
    [
        ([["x"], ["y"], ["x"], ["y"]], False, ["row 0", "'item0' is a list", "--several"]),
        (["x", "y", "x", "y"], True, ["row 0", "'item0' is 'x'", "leave --several away"]),
        ([["x"], None, ["y"], []], True, ["row 1", "'item1' is null", "empty list"]),
        ([["x"], ["y", "x", "y"], [], []], True, ["row 1", "names the class 'y' twice"]),
        ([[0, 1], [1, 0], [1, 1], [0, 0]], True, ["row 2", "class 1 twice", "zeros and ones"]),
        ([["x"], ["y", None], [], []], True, ["row 1", "holds None", "names no class"]),
        ([["x"], ["y", " "], [], []], True, ["row 1", "holds ' '"]),
        ([[True], [False], [], []], True, ["row 0", "holds True (bool)"]),
        ([[0.5], [1.5], [], []], True, ["row 0", "holds 0.5 (float)"]),
        ([["x"], ["x"], [], ["x"]], True, ["names only the class 'x'", "two or more"]),
        ([[], [], [], []], True, ["names no class at all"]),
    ],
)
def test_a_column_of_another_kind_is_refused(tmp_path: Path, column: Any, several: bool, told: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read_labels(made(tmp_path, column), "kinds", several)
    for words in ("items.parquet", "'kinds'", *told):
        assert words in str(caught.value)


def test_a_misspelt_label_gets_the_nearest_name(tmp_path: Path) -> None:
    dataset = made(tmp_path, [["x"], ["y"], [], []])
    with pytest.raises(DataError, match=r"no label 'kind'.*did you mean 'kinds'"):
        read_labels(dataset, "kind", several=True)
    with pytest.raises(ConfigError, match="no split 'train'"):
        read_labels(dataset, "kinds", several=True, splits=("train",))


@pytest.mark.parametrize("several", [False, True])
def test_every_split_that_is_used_shows_every_class(tmp_path: Path, several: bool) -> None:
    column = [["x"], ["y"], ["x"], ["x"]] if several else ["x", "y", "x", "x"]
    dataset = made(tmp_path, column)
    assert len(read_labels(dataset, "kinds", several, splits=("a",))) == 2
    with pytest.raises(DataError, match=r"row 1: the class 'y' of the label 'kinds' has no item in b, .*'item1'"):
        read_labels(dataset, "kinds", several, splits=("a", "b"))


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("odd", [None, " ", "z"])
def test_what_other_splits_hold_does_not_matter(tmp_path: Path, several: bool, odd: str | None) -> None:
    """An item without a label, or of a class of its own, in a split that is not asked for."""
    kinds = ["x", "y", "y", "x", odd, "x"]
    column: list[Any] = kinds if not several else [None if kind is None else [kind] for kind in kinds]
    dataset = made(tmp_path, column, "aabbcc")
    labels = read_labels(dataset, "kinds", several, splits=("b", "a"))
    assert labels.names == ("x", "y")
    wanted = [[1, 0], [0, 1], [0, 1], [1, 0], [0, 0], [0, 0]] if several else [0, 1, 1, 0, UNREAD, UNREAD]
    np.testing.assert_array_equal(labels.truth, wanted)
    assert [labels.having(number).tolist() for number in (0, 1)] == [
        [True, False, False, True, False, False],
        [False, True, True, False, False, False],
    ]
    with pytest.raises(DataError, match="no item in a," if odd == "z" else "row 4"):
        read_labels(dataset, "kinds", several, splits=("a", "c"))
    if odd != "z":
        with pytest.raises(DataError, match="row 4"):
            read_labels(dataset, "kinds", several)


@pytest.mark.parametrize("several", [False, True])
def test_a_list_where_one_class_was_said_to_be_is_looked_for_in_the_splits_that_are_used(
    tmp_path: Path, several: bool
) -> None:
    dataset = made(tmp_path, [["x"], ["y"], ["x"], ["y"]] if not several else ["x", "y", "x", "y"])
    with pytest.raises(DataError, match="row 2"):
        read_labels(dataset, "kinds", several, splits=("b",))


def test_splits_that_share_one_number_the_same_classes_alike(tmp_path: Path) -> None:
    dataset = made(tmp_path, [9, 10, 10, 9, 2, 9, 10, 9], "aabbccdd")
    pairs = [("a", "b"), ("a", "d"), ("b", "d"), ("d",)]
    found = [read_labels(dataset, "kinds", False, splits=pair) for pair in pairs]
    assert {labels.names for labels in found} == {("9", "10")}
    assert found[0].truth[dataset.split("a")].tolist() == found[1].truth[dataset.split("a")].tolist() == [0, 1]
    assert read_labels(dataset, "kinds", False).names == ("2", "9", "10"), "no split named: every item"
    with pytest.raises(DataError, match=r"'kinds' is '9' for every item of e, and there is nothing"):
        read_labels(made(tmp_path / "other", [9, 10, 9, 9], "aaee"), "kinds", False, splits=("e",))


@pytest.mark.parametrize("several", [False, True])
def test_classes_that_are_told_apart_already_keep_their_numbers(tmp_path: Path, several: bool) -> None:
    kinds = ["z", "y", "x", "w"]
    dataset = made(tmp_path, [[kind] for kind in kinds] if several else kinds)
    labels = read_labels(dataset, "kinds", several, ("a",), classes=("x", "y", "z"))
    assert labels.names == ("x", "y", "z")
    wanted = [[0, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 0]] if several else [2, 1, UNREAD, UNREAD]
    np.testing.assert_array_equal(labels.truth, wanted)
    with pytest.raises(DataError, match=r"row 3: the item 'item3' has the class 'w' .*none of the 3 .*\(x, y, z\)"):
        read_labels(dataset, "kinds", several, ("b",), classes=("x", "y", "z"))
