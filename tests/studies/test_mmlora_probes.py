"""Features that a linear probe looks at: the mean of each item's instances, steps or words."""

from pathlib import Path

import numpy as np
import pytest

from trichord.data import ModalityArrays, write_dataset
from trichord.studies.mmlora.probes import average_features

TABLE = {"id": ["a", "b", "c"], "split": ["train"] * 3}


def test_instances_of_an_item_are_averaged_and_an_item_without_any_has_zeros(tmp_path: Path) -> None:
    values = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 0.0]], np.float32)
    arrays = {"video": ModalityArrays(values, np.array([0, 0, 2]))}
    dataset = write_dataset(tmp_path / "data", name="few", items=TABLE, modalities=arrays)
    found = average_features(dataset, "video", np.array([2, 1, 0]))
    assert found.tolist() == [[5.0, 0.0], [0.0, 0.0], [2.0, 4.0]]


def test_steps_of_a_sequence_are_averaged_without_their_padding(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    arrays = {"audio": ModalityArrays(values, None, np.array([0, 1, 3, 6]))}
    dataset = write_dataset(tmp_path / "data", name="few", items=TABLE, modalities=arrays)
    expected = np.stack([values[:1].mean(axis=0), values[1:3].mean(axis=0), values[3:].mean(axis=0)])
    assert average_features(dataset, "audio", np.arange(3)) == pytest.approx(expected)
