"""Bag of words: every word through one layer, the maximum over the words, a gated unit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from trichord.batch import Encoded, Features
from trichord.encoders.contract import Encoder, EncoderConfig, checked_lengths
from trichord.encoders.gated import GatedUnit
from trichord.encoders.padding import true_positions
from trichord.errors import ConfigError
from trichord.shapes import Bool, Float, Tensor


@dataclass(frozen=True, kw_only=True)
class WordPoolConfig(EncoderConfig):
    """Settings of `WordPool`.

    Args:
        mask_padding: take the maximum over true words only. Off, as published: sentences are padded with zero rows to
            `max_words` positions, and the padding takes part in the maximum through ReLU(bias).
        max_words: read this many words of a sentence at most; None reads all. `mask_padding` off needs it.
    """

    mask_padding: bool = True
    max_words: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_words is not None and self.max_words < 1:
            raise ConfigError(f"WordPoolConfig.max_words must be at least 1 or None, got {self.max_words}")
        if not self.mask_padding and self.max_words is None:
            raise ConfigError("WordPoolConfig: without mask_padding, set max_words (published: 20), the padded length")

    @property
    def target_dim(self) -> int:
        """Width of the pooled words."""
        return self.output_dim


def word_maximum(
    scores: Float[Tensor, "rows words dim"], true: Bool[Tensor, "rows words"] | None
) -> Float[Tensor, "rows dim"]:
    """Return max over (true) words of ReLU(scores); every row needs one true word.

    ReLU comes after the maximum: it is monotone, so the two orders agree and this one is `words` times cheaper.
    """
    kept = scores if true is None else scores.masked_fill(~true[:, :, None], -torch.inf)
    return functional.relu(kept.max(dim=1).values)


class WordPool(Encoder):
    """Text branch of MCN (Chen et al. 2021): per word Linear and ReLU, maximum over words, gated embedding unit.

    Differs from the paper in its default: padding takes no part in the maximum. Takes sequences of word vectors
    (rows, words, input_dim); the reconstruction target is the pooled words (rows, output_dim) before the gated unit.
    """

    sequences = True

    def __init__(self, config: WordPoolConfig) -> None:
        super().__init__(config)
        self.mask_padding, self.max_words = config.mask_padding, config.max_words
        self.word = nn.Linear(config.input_dim, config.output_dim)
        self.unit = GatedUnit(config.output_dim, config.output_dim)

    def forward(self, features: Features) -> Encoded:
        """Encode sentences.

        Raises:
            DataError: features are no sequences of word vectors, or a sentence is empty while padding is masked.
        """
        values = self.checked_values(features)
        lengths = checked_lengths(features, minimum=1 if self.mask_padding else 0)
        true = true_positions(lengths, values.shape[1])[:, : self.max_words]
        values = values[:, : self.max_words].masked_fill(~true[:, :, None], 0)
        if self.mask_padding:
            pooled = word_maximum(self.word(values), true)
        else:
            assert self.max_words is not None, "the configuration demands it"
            padding = self.max_words - values.shape[1]
            pooled = word_maximum(self.word(functional.pad(values, (0, 0, 0, padding))), None)
        return Encoded(self.unit(pooled), pooled)


WordPoolConfig.target = WordPool
