"""Lends a model the word vectors of the data whose captions it reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import nn

from trichord.data import Dataset
from trichord.encoders import WordPool
from trichord.encoders.contract import Encoders
from trichord.errors import DataError


@contextmanager
def lent_words(model: nn.Module, dataset: Dataset, modalities: Sequence[str]) -> Iterator[None]:
    """Read the word ids of a data set by its own table while the block runs.

    Word vectors are input, not weights, so a model reads captions of any data whose vectors come from the same file.

    Raises:
        DataError: the data were indexed with other word vectors than the model was trained with.
    """
    with ExitStack() as stack:
        for name in modalities:
            table = dataset.words(name)
            if table is None or not isinstance(model, Encoders):
                continue
            encoder = model.encoder(name)
            if not isinstance(encoder, WordPool):
                raise DataError(
                    f"{name} holds word ids, which the encoder {type(encoder).__name__} cannot read",
                    file=dataset.path,
                    remedy="use a model whose recipe reads words",
                )
            if encoder.word_vectors not in ("", table.fingerprint):
                raise DataError(
                    f"{name} is indexed with other word vectors ({table.fingerprint}) than the model was trained with "
                    f"({encoder.word_vectors})",
                    file=dataset.path,
                    remedy="import the captions again with the file of word vectors the model was trained with",
                )
            stack.enter_context(encoder.lend_table(torch.from_numpy(np.array(table.vectors, np.float32))))
        yield
