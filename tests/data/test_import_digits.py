"""The digits that scikit-learn brings along, as a data set."""

from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import trichord.optional
from trichord.cli.main import main
from trichord.data import Dataset
from trichord.data.classes import read_classes
from trichord.data.importers.digits import DigitsImport, import_digits
from trichord.errors import ConfigError, TrichordError


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    pytest.importorskip("sklearn")
    return import_digits(DigitsImport(out=tmp_path_factory.mktemp("digits") / "set"))


def test_every_image_and_its_digit_are_those_of_scikit_learn(digits: Dataset) -> None:
    loaded = import_module("sklearn.datasets").load_digits()
    values = digits.read("image", np.arange(len(digits))).values
    np.testing.assert_array_equal(values.reshape(-1, 8, 8) * 16, loaded.images)
    classes = read_classes(digits, "digit", ("train",))
    assert classes.names == tuple("0123456789")
    np.testing.assert_array_equal(classes.numbers, loaded.target)
    assert [modality.letter for modality in digits.modalities] == ["I"]


def test_splits_hold_as_many_of_every_digit_as_their_size_allows(digits: Dataset) -> None:
    assert digits.spec.splits == {"train": 397, "val": 600, "test": 800}
    numbers = read_classes(digits, "digit").numbers
    for name, size in digits.spec.splits.items():
        counts = Counter(numbers[digits.split(name)].tolist())
        for digit, count in counts.items():
            assert abs(count - size * (numbers == digit).mean()) < 2


def test_the_seed_draws_other_splits_and_changes_no_image(digits: Dataset, tmp_path: Path) -> None:
    other = import_digits(DigitsImport(out=tmp_path / "set", seed=1))
    assert other.split_names() != digits.split_names()
    rows = np.arange(len(digits))
    np.testing.assert_array_equal(other.read("image", rows).values, digits.read("image", rows).values)
    assert other.label("digit") == digits.label("digit")
    with pytest.raises(ConfigError, match="already holds a data set"):
        import_digits(DigitsImport(out=tmp_path / "set"))
    again = import_digits(DigitsImport(out=tmp_path / "set", overwrite=True))
    assert again.fingerprint() == digits.fingerprint()


def test_the_command_says_that_writers_are_not_known(
    digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["import", "digits", "--out", str(tmp_path / "set"), "--val", "200", "--test", "300"])
    out = capsys.readouterr().out
    assert "val 200" in out
    assert "by image, not by writer" in out
    assert Dataset.open(tmp_path / "set").spec.splits["train"] == 1297


@pytest.mark.parametrize("sizes", [{"val": 0}, {"val": 900, "test": 897}])
def test_sizes_that_leave_a_split_empty_are_refused(tmp_path: Path, sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="fewer than 1797 images"):
        DigitsImport(out=tmp_path, **sizes)


def test_without_scikit_learn_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(module: str) -> None:
        raise ImportError(module)

    monkeypatch.setattr(trichord.optional, "import_module", absent)
    with pytest.raises(TrichordError, match=r"digits needs sklearn.*trichord\[search\]"):
        import_digits(DigitsImport(out=tmp_path / "set"))
    assert not (tmp_path / "set").exists()
