"""What a model is given to encode: features by modality, checked entry by entry, and never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trichord.batch import Features
from trichord.encoders import Encoder, WordPool
from trichord.errors import DataError
from trichord.shapes import Tensor

Inputs = Mapping[str, Sequence[Any] | np.ndarray | torch.Tensor]
MEDIA = (str, bytes, Path)


class Item:
    """One entry of a list in which entries may hold different modalities: `Item(video=v, audio=a)`.

    Args:
        features: modality name -> its features; None: the entry lacks it.

    Raises:
        DataError: it holds nothing.
    """

    def __init__(self, **features: Any) -> None:
        self.features = {name: values for name, values in features.items() if values is not None}
        if not self.features:
            raise DataError("an item holds no modality", remedy="name one or more, as in Item(video=features)")

    def __repr__(self) -> str:
        return f"Item({', '.join(self.features)})"


def read_columns(inputs: object) -> dict[str, list[Any]]:
    """Return modality name -> its entries in the order given, None where an entry lacks it.

    Args:
        inputs: a dictionary from modality name to entries, or a list of `Item`.

    Raises:
        DataError: it is neither, so that nobody says which modality an entry is.
    """
    if isinstance(inputs, Mapping):
        for name, values in inputs.items():
            if isinstance(values, MEDIA):
                raise _not_features(str(name), values, 0, "a list of features")
        return {name: list(values) for name, values in inputs.items()}
    if isinstance(inputs, (list, tuple)) and inputs and all(isinstance(entry, Item) for entry in inputs):
        names = dict.fromkeys(name for entry in inputs for name in entry.features)
        return {name: [entry.features.get(name) for entry in inputs] for name in names}
    row = None
    if isinstance(inputs, (list, tuple)):
        row = next((number for number, entry in enumerate(inputs) if not isinstance(entry, Item)), None)
    found = type(inputs).__name__ if row is None else type(inputs[row]).__name__  # type: ignore[index]
    raise DataError(
        f"inputs are a dictionary from modality to features, or a list of items, got {found}",
        row=row,
        remedy="Say which modality it is, as in {'video': features} or [Item(video=features)]",
    )


def num_rows(columns: Mapping[str, Sequence[Any]]) -> int:
    """Return how many entries each modality has; raise `DataError` unless all have equally many."""
    counts = {name: len(values) for name, values in columns.items()}
    if len(set(counts.values())) != 1:
        raise DataError(
            f"row by row the modalities are one item each and need equally many entries, got {counts}",
            remedy="give None where an item lacks a modality",
        )
    return next(iter(counts.values()))


def checked_entry(name: str, number: int, entry: Any, encoder: Encoder) -> Tensor:
    """Return an entry as a tensor; raise `DataError` naming its row unless it is what the encoder reads."""
    expected = _expected(encoder)
    if isinstance(entry, MEDIA):
        raise _not_features(name, entry, number, expected)
    if entry is None:
        raise DataError(
            f"{name} is None", row=number, remedy="leave the entry out; only items of a route may lack a modality"
        )
    plain = torch.as_tensor(np.asarray(entry) if not isinstance(entry, torch.Tensor) else entry)
    remedy = f"Give {expected} per entry; compute features from media or text first"
    if _table(encoder) is not None:
        return _checked_words(name, number, plain, encoder, remedy)
    tensor = plain.to(torch.float32)
    if tensor.ndim != (2 if encoder.sequences else 1) or tensor.shape[-1] != encoder.input_dim or not len(tensor):
        raise DataError(f"{name} needs {expected}, got shape {tuple(tensor.shape)}", row=number, remedy=remedy)
    if not bool(torch.isfinite(tensor).all()):
        raise DataError(f"{name} holds numbers that are not finite", row=number, remedy="Mend or leave out the entry")
    return tensor


def stack_entries(entries: list[Tensor], encoder: Encoder) -> Features:
    """Return the features of a batch whose every row holds the modality; sequences are padded at the end."""
    positions = torch.arange(len(entries))
    if not encoder.sequences:
        return Features(torch.stack(entries), positions)
    lengths = torch.tensor([len(entry) for entry in entries])
    return Features(torch.nn.utils.rnn.pad_sequence(entries, batch_first=True), positions, lengths)


def _checked_words(name: str, number: int, ids: Tensor, encoder: Encoder, remedy: str) -> Tensor:
    table = _table(encoder)
    assert table is not None
    if ids.ndim != 1 or ids.is_floating_point() or not len(ids):
        found = f"{ids.dtype} of shape {tuple(ids.shape)}"
        raise DataError(f"{name} needs {_expected(encoder)}, got {found}", row=number, remedy=remedy)
    if not 0 <= int(ids.min()) <= int(ids.max()) < len(table):
        raise DataError(
            f"word ids of {name} lie in 0 ... {len(table) - 1}, got {int(ids.min())} ... {int(ids.max())}",
            row=number,
            remedy="take the ids of the words in the data that the model was trained on",
        )
    return ids.long()


def _table(encoder: Encoder) -> Tensor | None:
    return encoder.table if isinstance(encoder, WordPool) else None


def _expected(encoder: Encoder) -> str:
    if _table(encoder) is not None:
        return "a list of word ids (numbers in the table of words of the data it was trained on)"
    if isinstance(encoder, WordPool):
        return f"a (words, {encoder.input_dim}) array of word vectors"
    width = encoder.input_dim
    return f"a (time, {width}) array" if encoder.sequences else f"a vector of {width} numbers"


def _not_features(name: str, entry: object, row: int, expected: str) -> DataError:
    return DataError(
        f"{name} was given {entry!r}, but this model reads features",
        row=row,
        remedy=f"Give {expected}; text, paths and media are never guessed to be features: compute these first",
    )
