"""A small base with every kind of encoder, adapters that have learnt something, and batches that lack modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import torch
from torch import nn

from trichord.adapters.bank import AdapterBank
from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.lora import LowRank
from trichord.adapters.saved import SavedAdapter, read_adapter, write_adapter
from trichord.adapters.settings import LowRankConfig
from trichord.adapters.targets import plain_state
from trichord.batch import Features
from trichord.encoders import (
    AudioEncoderConfig,
    GatedHeadConfig,
    JointEncoder,
    JointEncoderConfig,
    WordPoolConfig,
)
from trichord.files import hash_tensors
from trichord.shapes import Tensor

DIM, VIDEO, MELS, WORDS = 6, 7, 5, 4
CONFIG = JointEncoderConfig(
    encoders={
        "video": GatedHeadConfig(input_dim=VIDEO, output_dim=DIM),
        "audio": AudioEncoderConfig(input_dim=MELS, output_dim=DIM, widths=(4, 5)),
        "text": WordPoolConfig(input_dim=WORDS, output_dim=DIM),
    }
)
PREPROCESSING = {"video": "v1", "audio": "a1", "text": "t1"}
SIDES = {"VT": ("video", "text"), "VA": ("video", "audio"), "AT": ("audio", "text")}
CONVOLUTIONS = LowRankConfig(rank=3, alpha=5.0, targets="linear and convolution")


def base(seed: int = 0, config: JointEncoderConfig = CONFIG) -> JointEncoder:
    """The base in evaluation mode, with batch statistics that are not the initial ones."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    encoder: JointEncoder = config.build()
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator) / 10)
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
    return encoder.eval()


def base_hash(encoder: nn.Module) -> str:
    return hash_tensors(plain_state(encoder))


def stir(low_rank: LowRank, name: str, seed: int = 0, size: float = 0.3) -> None:
    """Move an adapter's tensors as learning would."""
    generator = torch.Generator().manual_seed(seed + len(name) + sum(map(ord, name)))
    for tensor in low_rank.tensors(name).values():
        tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=size)


def within(sides: Sequence[str]) -> list[str]:
    return [f"encoders.{side}" for side in sides]


@cache
def learnt(
    name: str, sides: tuple[str, ...], config: LowRankConfig = CONVOLUTIONS
) -> tuple[SavedAdapter, AdapterIdentity]:
    """An adapter that has learnt over the base."""
    return learnt_over(base(), name, sides, config)


def learnt_over(
    fresh: JointEncoder, name: str, sides: tuple[str, ...], config: LowRankConfig
) -> tuple[SavedAdapter, AdapterIdentity]:
    low_rank, origin = LowRank(fresh), base_hash(fresh)
    low_rank.attach(name, config, within(sides))
    start = {key: tensor.clone() for key, tensor in low_rank.tensors(name).items()}
    stir(low_rank, name)
    saved = low_rank.saved(name)
    if config.starts_from_weights:
        saved = saved.without_start(start)
    return saved, identity_of(name, sides, saved, origin)


def identity_of(name: str, sides: Sequence[str], saved: SavedAdapter, origin: str) -> AdapterIdentity:
    pair = tuple(sides) if len(sides) == 2 else (sides[0], "text" if sides[0] != "text" else "video")
    return AdapterIdentity(
        name=name,
        left=pair[:1],
        right=pair[1:],
        sides=tuple(sides),
        base=origin,
        weights=saved.hash,
        preprocessing={side: PREPROCESSING[side] for side in sides},
        dataset="planted",
        dataset_fingerprint="0123",
        learnt="after the base",
        fit_splits=("train",),
        selected_on="val",
    )


def bank_of(**configs: LowRankConfig) -> AdapterBank:
    """A bank over the base with the named adapters of `SIDES`."""
    encoder = base()
    bank = AdapterBank(encoder, base_hash(encoder), PREPROCESSING)
    for name, config in configs.items():
        bank.add(*learnt(name, SIDES[name], config))
    return bank


def save(folder: Path, name: str, config: LowRankConfig = CONVOLUTIONS) -> Path:
    write_adapter(folder, *learnt(name, SIDES[name], config))
    return folder


def reload(folder: Path) -> AdapterBank:
    """A bank over a base of its own, with the adapter of a folder."""
    encoder = base()
    bank = AdapterBank(encoder, base_hash(encoder), PREPROCESSING)
    bank.add(*read_adapter(folder))
    return bank


def batch(num_rows: int = 8, seed: int = 0) -> dict[str, Features]:
    """Rows of which every third lacks audio and every fourth lacks text; sequences of unequal lengths."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def sequences(rows: list[int], time: int, dim: int) -> Features:
        lengths = torch.randint(1, time + 1, (len(rows),), generator=generator)
        values = drawn(len(rows), time, dim)
        values[torch.arange(time) >= lengths[:, None]] = 0
        return Features(values, torch.tensor(rows), lengths)

    return {
        "video": Features(drawn(num_rows, VIDEO), torch.arange(num_rows)),
        "audio": sequences([row for row in range(num_rows) if row % 3 != 1], 23, MELS),
        "text": sequences([row for row in range(num_rows) if row % 4 != 2], 6, WORDS),
    }


def row_alone(features: Mapping[str, Features], row: int) -> dict[str, Features]:
    """One row as a batch of one."""
    alone: dict[str, Features] = {}
    for name, held in features.items():
        place = (held.rows == row).nonzero().flatten()
        if len(place):
            lengths = None if held.lengths is None else held.lengths[place]
            alone[name] = Features(held.values[place], torch.zeros(1, dtype=torch.long), lengths)
    return alone


def permuted(features: Mapping[str, Features], order: Sequence[int]) -> dict[str, Features]:
    """The batch whose row i is row order[i] of the given one."""
    found: dict[str, Features] = {}
    for name, held in features.items():
        place_of = {int(row): place for place, row in enumerate(held.rows)}
        rows = [new for new, old in enumerate(order) if old in place_of]
        places = torch.tensor([place_of[order[new]] for new in rows], dtype=torch.long)
        lengths = None if held.lengths is None else held.lengths[places]
        found[name] = Features(held.values[places], torch.tensor(rows, dtype=torch.long), lengths)
    return found


def vectors(encoder: nn.Module, num_rows: int = 8) -> dict[str, Tensor]:
    """What an encoder makes of `batch`."""
    with torch.no_grad():
        return dict(encoder(batch(num_rows), num_rows).vectors)


def same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], tolerance: float = 0.0) -> bool:
    """Whether vectors agree; bit for bit where no tolerance is given."""
    if set(found) != set(expected):
        return False
    if tolerance == 0:
        return all(torch.equal(found[name], expected[name]) for name in expected)
    return all(torch.allclose(found[name], expected[name], rtol=tolerance, atol=tolerance) for name in expected)
