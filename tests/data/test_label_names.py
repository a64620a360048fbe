"""Labels stored as numbers, imported under their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trichord.data import Dataset
from trichord.data.arrays import ArraysImport, import_arrays
from trichord.errors import ConfigError, DataError

NAMES = np.array(["calm", "angry", "sad"])


def settings(folder: Path, **changes) -> ArraysImport:
    clips = folder / "clips.npz"
    plain = {
        "out": str(folder / "set"),
        "name": "set",
        "modality": (f"video={clips}:video",),
        "ids": f"{clips}:ids",
        "split": f"{clips}:split",
        "label": (f"mood={clips}:mood@mood_ids", f"take={clips}:take"),
        "label_names": (f"mood={clips}:names",),
    }
    return ArraysImport(**{**plain, **changes})


def write(folder: Path, **changes: np.ndarray) -> None:
    plain = {
        "video": np.eye(4, dtype=np.float32),
        "ids": np.array(list("abcd")),
        "split": np.array(["train"] * 4),
        "mood": np.array([2, 0, 1], dtype=np.int8),
        "mood_ids": np.array(["d", "a", "b"]),
        "take": np.array([1, 2, 1, 2]),
        "names": NAMES,
    }
    np.savez(folder / "clips.npz", **{**plain, **changes})


def test_names_take_the_place_of_numbers_item_by_item(tmp_path: Path) -> None:
    write(tmp_path)
    import_arrays(settings(tmp_path))
    dataset = Dataset.open(tmp_path / "set")
    assert dataset.label("mood") == ["calm", "angry", None, "sad"]
    assert dataset.label("take") == [1, 2, 1, 2], "a label without names keeps its numbers"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mood": np.array([2, 3, 1])}, "row 1: 3 is not the number of one of the 3 names"),
        ({"mood": np.array([2, -1, 1])}, "row 1: -1 is not the number"),
        ({"mood": np.array([2.0, 0.0, 1.0])}, "row 0: 2.0 is not the number"),
        ({"mood": np.array([True, False, True])}, "row 0: True is not the number"),
        ({"names": np.array(["calm", "calm", "sad"])}, "row 'names': names of a label are texts, none blank or given"),
        ({"names": np.array(["calm", " ", "sad"])}, "row 'names': names of a label"),
        ({"names": np.array([3, 4, 5])}, "row 'names': names of a label"),
    ],
)
def test_numbers_without_a_name_and_names_that_are_none_are_refused(
    changes: dict[str, np.ndarray], said: str, tmp_path: Path
) -> None:
    write(tmp_path, **changes)
    with pytest.raises(DataError, match=said):
        import_arrays(settings(tmp_path))
    assert not (tmp_path / "set").exists()


def test_names_without_a_label_or_with_ids_are_refused_before_any_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="label names are given for 'tone', which is not imported"):
        settings(tmp_path, label_names=(f"tone={tmp_path}/clips.npz:names",))
    with pytest.raises(ConfigError, match="counted from 0 and have no ids"):
        settings(tmp_path, label_names=(f"mood={tmp_path}/clips.npz:names@ids",))
