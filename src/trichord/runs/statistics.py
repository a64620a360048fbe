"""What encoders take from the data before training: input statistics of the splits learnt from, and word vectors."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import torch

from trichord.data import Dataset
from trichord.encoders import WordPool
from trichord.encoders.contract import Encoders
from trichord.shapes import Tensor

CHUNK = 4096


def fit_statistics(model: Encoders, dataset: Dataset, items: np.ndarray, besides: Collection[str] = ()) -> None:
    """Let every encoder that has input statistics fit them on all instances of the given items.

    Args:
        model: whose encoders.
        dataset: the data.
        items: (n,) rows of the items.
        besides: modalities whose encoders bring their statistics with their weights, and are left as they are.
    """
    for name in [name for name in model.modalities if name not in besides]:
        model.encoder(name).fit_statistics(instance_chunks(dataset, name, items))


def take_words(model: Encoders, dataset: Dataset) -> None:
    """Give the encoders that look words up the word vectors of the data, however many these are."""
    for name in model.modalities:
        encoder, table = model.encoder(name), dataset.words(name)
        if isinstance(encoder, WordPool) and encoder.table is not None and table is not None:
            encoder.table = torch.from_numpy(np.array(table.vectors, np.float32)).to(encoder.table)


def instance_chunks(dataset: Dataset, modality: str, items: np.ndarray) -> Iterator[Tensor]:
    """Yield (chunk, features) values of every instance of the items, in item order; sequences keep their time axis."""
    index = dataset.instances(modality)
    numbers = np.concatenate([np.arange(index.first[i], index.first[i] + index.count[i]) for i in items])
    for begin in range(0, len(numbers), CHUNK):
        yield torch.from_numpy(np.asarray(dataset.read(modality, numbers[begin : begin + CHUNK]).values, np.float32))
