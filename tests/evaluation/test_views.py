from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_maker import Projections, write_dataset
from torch import nn

from trichord.adapters.bank import AdapterBank
from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.lora import LowRank
from trichord.adapters.settings import BASE, LowRankConfig
from trichord.data.dataset import Dataset
from trichord.encoders.joint import JointEncoder, JointEncoderConfig
from trichord.encoders.pooled import LinearHeadConfig
from trichord.errors import ConfigError, ProtocolError
from trichord.evaluation.embed import embed_split
from trichord.evaluation.views import AdapterSource, embed_views

NAMES = ("video", "audio", "text")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    generator = np.random.default_rng(0)
    items = {"video": [0, 1, 3], "audio": [0, 1, 2, 3], "text": [0, 0, 1, 2, 3, 3]}
    features = {name: (generator.normal(size=(len(rows), 3)), np.array(rows)) for name, rows in items.items()}
    return write_dataset(tmp_path / "data", features, ["test"] * 4)


class Bank:
    """Adapters that scale the vectors of their sides."""

    def __init__(self) -> None:
        self.encoder: nn.Module = Projections({name: np.eye(3) for name in NAMES})
        self.used: list[str] = []

    names = ("VT", "AT")

    def sides(self, name: str) -> tuple[str, ...]:
        return {BASE: (), "VT": ("video", "text"), "AT": ("audio",)}[name]

    @contextmanager
    def using(self, name: str) -> Iterator[nn.Module]:
        self.used.append(name)
        weights = self.encoder.weights
        assert isinstance(weights, nn.ParameterDict)
        for side in self.sides(name):
            weights[side].data *= 2
        yield self.encoder
        for side in self.sides(name):
            weights[side].data /= 2


def test_only_what_an_adapter_changes_is_encoded_again(dataset: Dataset) -> None:
    bank, seen = Bank(), []
    views = embed_views(
        bank,
        dataset,
        np.arange(4),
        modalities=NAMES,
        adapters=("VT", BASE, "AT", "VT"),
        batch_size=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert list(views) == bank.used == [BASE, "VT", "AT"]
    for adapter, tables in views.items():
        assert list(tables) == list(NAMES)
        for name, found in tables.items():
            if name in bank.sides(adapter):
                assert np.array_equal(found.vectors, 2 * views[BASE][name].vectors)
                assert np.array_equal(found.items, views[BASE][name].items)
            else:
                assert found is views[BASE][name]
    total = 3 + 4 + 6 + 3 + 6 + 4
    assert sum(bank.encoder.sizes) == total
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert {whole for _, whole in seen} == {total}
    part = embed_views(bank, dataset, np.array([2]), modalities=("text",), adapters=("AT",))
    assert part["AT"]["text"] is part[BASE]["text"]
    assert part[BASE]["text"].items.tolist() == [2]


def test_unknown_names_fail_before_anything_is_encoded(dataset: Dataset) -> None:
    bank = Bank()
    with pytest.raises(ConfigError, match=r"no adapter 'VTT'; did you mean 'VT'\?"):
        embed_views(bank, dataset, np.arange(4), modalities=NAMES, adapters=("AT", "VTT"))
    with pytest.raises(ConfigError, match="no modality 'smell'"):
        embed_views(bank, dataset, np.arange(4), modalities=("video", "smell"), adapters=("AT",))
    assert not bank.used
    with pytest.raises(ProtocolError, match="none of the 1 items holds 'video'"):
        embed_views(bank, dataset, np.array([2]), modalities=("video",), adapters=())


def encoder() -> JointEncoder:
    torch.manual_seed(0)
    return JointEncoderConfig(encoders={name: LinearHeadConfig(input_dim=3, output_dim=4) for name in NAMES}).build()


def learnt(bank: AdapterBank, name: str, left: str, right: str, sides: tuple[str, ...]) -> None:
    """Add an adapter whose matrices were drawn at random."""
    low_rank = LowRank(encoder())
    low_rank.attach(name, LowRankConfig(rank=2), [f"encoders.{side}" for side in sides])
    for key, parameter in low_rank.module.named_parameters():
        if "lora_" in key:
            nn.init.normal_(parameter)
    saved = low_rank.saved(name)
    identity = AdapterIdentity(
        name=name,
        left=(left,),
        right=(right,),
        sides=sides,
        base=bank.base,
        weights=saved.hash,
        preprocessing={},
        dataset="made",
        dataset_fingerprint="f",
        learnt="after the base",
    )
    bank.add(saved, identity)


@pytest.mark.slow  # the first adapter of a process imports PEFT, which takes some seconds
def test_views_of_a_bank_are_those_of_its_exported_encoders(dataset: Dataset) -> None:
    bank = AdapterBank(encoder(), "base hash")
    learnt(bank, "VT", "video", "text", ("video", "text"))
    learnt(bank, "AT", "audio", "text", ("text",))
    assert isinstance(bank, AdapterSource)
    items = np.arange(4)
    views = embed_views(bank, dataset, items, modalities=NAMES, adapters=bank.names)
    for name in (BASE, "VT", "AT"):
        expected = embed_split(bank.export(name), dataset, items, modalities=NAMES)
        for modality in NAMES:
            found = views[name][modality].vectors
            assert np.allclose(found, expected[modality].vectors, atol=1e-5)
            changed = modality in bank.sides(name)
            assert (views[name][modality] is views[BASE][modality]) == (not changed)
            assert np.allclose(found, views[BASE][modality].vectors, atol=1e-3) == (not changed)
