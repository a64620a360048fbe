from __future__ import annotations

import numpy as np
import pytest
import torch
from evaluation_maker import Projections, write_dataset

from trichord.errors import ConfigError, ProtocolError
from trichord.evaluation.embed import embed_split


@pytest.fixture
def dataset(tmp_path):
    generator = np.random.default_rng(0)
    return write_dataset(
        tmp_path / "data",
        {
            "video": (generator.normal(size=(3, 2)), [0, 2, 3]),
            "text": (np.arange(12.0).reshape(6, 2), [0, 0, 1, 3, 3, 3]),
            "smell": (np.ones((1, 2)), [0]),
        },
        ["train", "test", "test", "test"],
    )


def test_every_instance_of_the_items_is_encoded_in_order(dataset) -> None:
    model = Projections({"text": np.eye(2), "video": 2 * np.eye(2)})
    model.frozen.eval()
    model.weights.train()
    tables = embed_split(model, dataset, np.array([3, 1]), modalities=("video", "text"), batch_size=2)
    assert tables["text"].items.tolist() == [3, 3, 3, 1]
    assert tables["text"].vectors.tolist() == [[6, 7], [8, 9], [10, 11], [4, 5]]
    assert tables["video"].items.tolist() == [3]
    assert tables["text"].vectors.dtype == np.float32
    assert not model.frozen.training, "a part that was in evaluation mode stays there"
    assert model.weights.training


def test_batch_size_changes_nothing(dataset) -> None:
    weight = np.random.default_rng(1).normal(size=(2, 3))
    tables = [
        embed_split(
            Projections({"text": weight}), dataset, np.arange(4), modalities=("text",), batch_size=size, device="cpu"
        )["text"].vectors
        for size in (1, 4, 100)
    ]
    assert np.allclose(tables[0], tables[1], rtol=1e-6)
    assert np.allclose(tables[0], tables[2], rtol=1e-6)


def test_mode_comes_back_after_an_error(dataset) -> None:
    model = Projections({"text": np.full((2, 2), np.nan)})
    with pytest.raises(ProtocolError, match="instance 0 \\(item row 0\\) holds NaN"):
        embed_split(model, dataset, np.arange(4), modalities=("text",))
    assert model.training
    assert torch.is_grad_enabled()


def test_modality_nobody_holds_and_bad_batch_are_refused(dataset) -> None:
    model = Projections({"smell": np.eye(2)})
    with pytest.raises(ProtocolError, match="none of the 2 items holds 'smell'"):
        embed_split(model, dataset, np.array([1, 2]), modalities=("smell",))
    with pytest.raises(ConfigError, match="batch_size"):
        embed_split(model, dataset, np.array([0]), modalities=("smell",), batch_size=0)
