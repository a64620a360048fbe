from __future__ import annotations

import numpy as np
import pytest
import torch
from dataset_maker import make

from trichord.data import Dataset, collate, draw_instances


@pytest.fixture
def dataset(tmp_path):
    return Dataset.open(make(tmp_path / "set"))


@pytest.mark.parametrize("items", [[0, 1, 2, 3, 4], [4, 2, 0], [3, 3, 1], [1]])
def test_a_batch_equals_a_plain_loop(dataset, items):
    items = np.array(items)
    drawn = {name: draw_instances(dataset, items, name, seed=5, epoch=2) for name in ("video", "audio", "text")}
    batch = collate(dataset, items, ["video", "audio", "text"], drawn)
    assert batch.items.tolist() == items.tolist()
    assert len(batch) == len(items)
    for name in ("video", "audio", "text"):
        expected, rows = [], []
        stored = np.load(dataset.path / f"{name}.npy").astype(np.float32)
        for row, item in enumerate(items):
            if not dataset.has(name)[item]:
                continue
            instance = drawn[name][row]
            rows.append(row)
            if name == "audio":
                offsets = np.load(dataset.path / "audio.offsets.npy")
                expected.append(stored[offsets[instance] : offsets[instance + 1]])
            else:
                expected.append(stored[instance])
        if not rows:
            assert name not in batch.features
            continue
        found = batch.features[name]
        assert found.values.dtype == torch.float32
        assert found.rows.tolist() == rows
        for row, value in enumerate(expected):
            if name == "audio":
                assert found.lengths[row] == len(value)
                assert not found.values[row, len(value) :].any()
                np.testing.assert_array_equal(found.values[row, : len(value)], value)
            else:
                np.testing.assert_array_equal(found.values[row], value)


def test_without_a_choice_the_first_instance_is_read(dataset):
    batch = collate(dataset, np.array([3, 0]), ["text"])
    stored = np.load(dataset.path / "text.npy").astype(np.float32)
    np.testing.assert_array_equal(batch.features["text"].values, stored[[3, 0]])


def test_a_batch_without_items_is_empty(dataset):
    batch = collate(dataset, np.zeros(0, np.int64), ["video"])
    assert len(batch) == 0
    assert not batch.features
