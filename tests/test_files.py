from pathlib import Path

import numpy as np
import pytest
import torch

from trichord.errors import DataError
from trichord.files import hash_array, hash_json, hash_tensors, is_file, read_json, write_atomically, write_json


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"x": 1})

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(target, fail)
    assert read_json(target) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})


def test_reading_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.json"):
        read_json(tmp_path / "missing.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        read_json(tmp_path / "bad.json")


def test_hashes_see_names_types_shapes_and_bits() -> None:
    one = {"a": torch.arange(6.0), "b": torch.ones(2, dtype=torch.bfloat16)}
    assert hash_tensors(one) == hash_tensors(dict(reversed(one.items())))
    variants = [
        {"a": one["a"].reshape(2, 3), "b": one["b"]},
        {"a": one["a"].double(), "b": one["b"]},
        {"c": one["a"], "b": one["b"]},
        {"a": one["a"] + 1e-6, "b": one["b"]},
        {"a": one["a"]},
    ]
    assert len({hash_tensors(v) for v in [one, *variants]}) == 6
    assert hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1}) != hash_json({"a": 1, "b": 3})


def test_array_hash_does_not_depend_on_memory_layout() -> None:
    array = np.random.default_rng(0).normal(size=(100, 7)).astype(np.float32)
    assert hash_array(array) == hash_array(np.asfortranarray(array))
    assert hash_array(array) != hash_array(array[::-1])
    assert hash_array(array) != hash_array(array.reshape(7, 100))


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000])
def test_json_beyond_what_is_parsed_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=r"a\.json: not valid JSON"):
        read_json(tmp_path / "a.json")


def test_no_file_has_a_name_that_is_too_long(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert is_file(tmp_path / "a")
    assert not is_file(tmp_path / ("a" * 300))
