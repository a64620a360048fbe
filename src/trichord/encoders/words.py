"""Bag of words: every word through one layer, the maximum over the words, a gated unit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from trichord.batch import Encoded, Features
from trichord.encoders.contract import Encoder, EncoderConfig, checked_lengths
from trichord.encoders.gated import GatedUnit
from trichord.encoders.padding import true_positions
from trichord.errors import ConfigError, DataError
from trichord.shapes import Bool, Float, Tensor


@dataclass(frozen=True, kw_only=True)
class WordPoolConfig(EncoderConfig):
    """Settings of `WordPool`.

    Args:
        mask_padding: take the maximum over true words only. Off, as published: sentences are padded with zero rows to
            `max_words` positions, and the padding takes part in the maximum through ReLU(bias).
        max_words: read this many words of a sentence at most; None reads all. `mask_padding` off needs it.
        num_words: take word ids and look their vectors up in a table of so many words, which is frozen and part of the
            weights; None takes word vectors.
        word_vectors: what identifies the file the word vectors come from, see `trichord.data`; "" where none do.
    """

    mask_padding: bool = True
    max_words: int | None = None
    num_words: int | None = None
    word_vectors: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_words is not None and self.max_words < 1:
            raise ConfigError(f"WordPoolConfig.max_words must be at least 1 or None, got {self.max_words}")
        if self.num_words is not None and self.num_words < 1:
            raise ConfigError(f"WordPoolConfig.num_words must be at least 1 or None, got {self.num_words}")
        if not self.mask_padding and self.max_words is None:
            raise ConfigError("WordPoolConfig: without mask_padding, set max_words (published: 20), the padded length")

    @property
    def target_dim(self) -> int:
        """Width of the pooled words."""
        return self.output_dim

    @property
    def kind(self) -> str:
        """Word ids with a table, sequences of word vectors without."""
        return "sequence" if self.num_words is None else "words"


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
    (rows, words, input_dim) or, with a table, of word ids (rows, words); the reconstruction target is the pooled words
    (rows, output_dim) before the gated unit. The table is no parameter: it never learns, and data of other words bring
    their own (`lend_table`).
    """

    sequences = True

    def __init__(self, config: WordPoolConfig) -> None:
        super().__init__(config)
        self.mask_padding, self.max_words = config.mask_padding, config.max_words
        self.word_vectors = config.word_vectors
        self.table: Tensor | None
        table = None if config.num_words is None else torch.zeros(config.num_words, config.input_dim)
        self.register_buffer("table", table)
        self.word = nn.Linear(config.input_dim, config.output_dim)
        self.unit = GatedUnit(config.output_dim, config.output_dim)

    def forward(self, features: Features) -> Encoded:
        """Encode sentences.

        Raises:
            DataError: features are no sequences of word vectors, or a sentence is empty while padding is masked.
        """
        values = self.checked_values(features) if self.table is None else self._looked_up(features, self.table)
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

    def empty_features(self) -> Features:
        """Return features of zero rows: word ids where there is a table, word vectors where there is none."""
        none = super().empty_features()
        return none if self.table is None else Features(none.rows.new_zeros(0, 1), none.rows, none.lengths)

    @contextmanager
    def lend_table(self, vectors: Float[Tensor, "words dim"]) -> Iterator[None]:
        """Read ids, as those of another table of the same word vectors, while the block runs.

        An encoder that takes word vectors reads ids too in the block.
        """
        if vectors.shape[1] != self.input_dim:
            raise ConfigError(
                f"this encoder reads word vectors {self.input_dim} wide, the table's are {vectors.shape[1]}"
            )
        own = self.table
        self.table = vectors.to(self.word.weight.device)
        try:
            yield
        finally:
            self.table = own

    def _looked_up(self, features: Features, table: Float[Tensor, "words dim"]) -> Float[Tensor, "rows time dim"]:
        """Return the vectors of word ids; raise `DataError` for features that are not ids of the table."""
        values = features.values
        if values.ndim != 2 or values.is_floating_point() or features.lengths is None:
            raise DataError(
                f"this encoder takes word ids of shape (rows, words) with lengths, got {values.dtype} of shape "
                f"{tuple(values.shape)}",
                remedy="Give data of kind 'words', or build the encoder without num_words for word vectors",
            )
        if values.numel() and not 0 <= int(values.min()) <= int(values.max()) < len(table):
            raise DataError(
                f"word ids lie in 0 ... {len(table) - 1}, got {int(values.min())} ... {int(values.max())}",
                remedy="Lend the encoder the table of the data the ids come from",
            )
        return functional.embedding(values, table.to(self.word.weight.dtype))


WordPoolConfig.builds = WordPool
