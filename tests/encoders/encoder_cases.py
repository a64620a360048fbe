"""One small configuration of every encoder, with features it takes; the contract suite runs them all."""

from __future__ import annotations

import torch

from trichord.batch import Features
from trichord.encoders import (
    AudioEncoderConfig,
    GatedHeadConfig,
    ImageHeadConfig,
    LinearHeadConfig,
    ResidualHeadConfig,
    WordPoolConfig,
)
from trichord.encoders.contract import EncoderConfig

CASES: dict[str, EncoderConfig] = {
    "linear": LinearHeadConfig(input_dim=6, output_dim=5, dropout=0.2),
    "linear-whitened": LinearHeadConfig(input_dim=6, output_dim=5, standardize=True, whiten=True),
    "gated": GatedHeadConfig(input_dim=6, output_dim=5, standardize=True),
    "gated-hidden": GatedHeadConfig(input_dim=6, output_dim=5, hidden_dim=4, dropout=0.1),
    "residual": ResidualHeadConfig(input_dim=6, output_dim=5, hidden_dim=7, dropout=0.3, standardize=True),
    "residual-norm": ResidualHeadConfig(input_dim=6, output_dim=5, hidden_dim=7, layer_norm=True),
    "image": ImageHeadConfig(input_dim=6, output_dim=5, height=2, width=3, channels=(4, 3), dropout=0.1),
    "image-deep": ImageHeadConfig(input_dim=6, output_dim=5, height=1, width=2, depth=3, channels=(4,)),
    "words": WordPoolConfig(input_dim=6, output_dim=5),
    "words-published": WordPoolConfig(input_dim=6, output_dim=5, mask_padding=False, max_words=8),
    "audio": AudioEncoderConfig(input_dim=6, output_dim=5, widths=(4, 3)),
    "audio-published": AudioEncoderConfig(
        input_dim=6,
        output_dim=5,
        widths=(4, 3),
        mask_padding=False,
        padding_value=0.0,
        training_frames=8,
        unused_input_norm=True,
    ),
}


def pooled_features(num_rows: int, dim: int, seed: int = 0) -> Features:
    values = torch.randn(num_rows, dim, generator=torch.Generator().manual_seed(seed))
    return Features(values, torch.arange(num_rows))


def sequence_features(lengths: list[int], dim: int, *, time: int | None = None, seed: int = 0) -> Features:
    """Sequences of the given lengths, padded with zeros to `time` (the longest where None)."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.zeros(len(lengths), max(lengths) if time is None else time, dim)
    for row, length in enumerate(lengths):
        values[row, :length] = torch.randn(length, dim, generator=generator)
    return Features(values, torch.arange(len(lengths)), torch.tensor(lengths))


def some_features(config: EncoderConfig) -> Features:
    if config.builds.sequences:
        return sequence_features([7, 3, 8, 1], config.input_dim)
    return pooled_features(4, config.input_dim)


def select(features: Features, rows: list[int]) -> Features:
    """The named rows alone; sequences are cut to the longest of them."""
    if features.lengths is None:
        return Features(features.values[rows], torch.arange(len(rows)))
    lengths = features.lengths[rows]
    return Features(features.values[rows, : int(lengths.max())], torch.arange(len(rows)), lengths)
