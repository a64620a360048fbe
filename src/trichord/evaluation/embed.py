"""Model x data set -> one table of vectors per modality, every instance of every item encoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from trichord.batch import Embeddings, Features
from trichord.data.dataset import Dataset
from trichord.errors import ConfigError, ProtocolError
from trichord.evaluation.words import lent_words
from trichord.shapes import Float, Int

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class EmbeddingTable:
    """The vectors of one modality.

    Args:
        vectors: (instances, dim) float32, finite.
        items: (instances,) row of the item each belongs to; the instances of one item keep their order.
    """

    vectors: Float[np.ndarray, "instances dim"]
    items: Int[np.ndarray, " instances"]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.items):
            raise ProtocolError(
                f"an embedding table has one vector per instance, got vectors {self.vectors.shape} and "
                f"{len(self.items)} items"
            )
        wrong = ~np.isfinite(self.vectors).all(axis=1)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise ProtocolError(
                f"the embedding of instance {row} (item row {self.items[row]}) holds NaN or infinity; {wrong.sum()} of "
                f"{len(wrong)} do. Look for the fault in the model's weights or its input"
            )


def embed_split(
    model: nn.Module,
    dataset: Dataset,
    items: Int[np.ndarray, " items"],
    *,
    modalities: Sequence[str],
    batch_size: int = 256,
    device: torch.device | str | None = None,
    progress: Progress | None = None,
) -> dict[str, EmbeddingTable]:
    """Encode every instance (each caption) of every item that is named, in evaluation mode and without gradients.

    Args:
        model: called as `model(features, batch_size)`, returns `Embeddings`; see `trichord.encoders.joint`.
        items: rows of the items.
        modalities: names of the modalities to encode.
        batch_size: instances encoded at once.
        device: where to encode; None: where the model's first parameter is.
        progress: called with (instances done, instances in all) after each batch.

    Returns:
        Modality name -> its table; an item that lacks a modality has no row in that table.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size counts instances and is at least 1, got {batch_size}")
    place = model_device(model) if device is None else torch.device(device)
    wanted = {name: item_instances(dataset, name, items) for name in modalities}
    total, done = sum(len(instances) for instances, _ in wanted.values()), 0
    tables: dict[str, EmbeddingTable] = {}
    with evaluating(model), lent_words(model, dataset, modalities), torch.inference_mode():
        for name, (instances, owners) in wanted.items():
            parts: list[np.ndarray] = []
            for first in range(0, len(instances), batch_size):
                chosen = instances[first : first + batch_size]
                parts.append(_encode(model, dataset, name, chosen, place))
                done += len(chosen)
                if progress is not None:
                    progress(done, total)
            if parts:
                tables[name] = EmbeddingTable(np.concatenate(parts), owners)
            else:
                raise ProtocolError(
                    f"none of the {len(items)} items holds {name!r}; leave out the tasks that need it, or evaluate "
                    "another split"
                )
    return tables


def item_instances(
    dataset: Dataset, modality: str, items: Int[np.ndarray, " items"]
) -> tuple[Int[np.ndarray, " rows"], Int[np.ndarray, " rows"]]:
    """Return (rows,) instance numbers of the items' instances, item by item, and (rows,) the items they belong to."""
    index = dataset.instances(modality)
    counts = index.count[items]
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(index.first[items], counts) + within, np.repeat(items, counts)


def _encode(model: nn.Module, dataset: Dataset, name: str, instances: np.ndarray, device: torch.device) -> np.ndarray:
    read = dataset.read(name, instances)
    lengths = None if read.lengths is None else torch.from_numpy(read.lengths)
    features = Features(torch.from_numpy(read.values), torch.arange(len(instances)), lengths).to(device)
    embeddings = model({name: features}, len(instances))
    assert isinstance(embeddings, Embeddings), "a model returns Embeddings"
    vectors: np.ndarray = embeddings.vectors[name].float().cpu().numpy()
    return vectors


def model_device(model: nn.Module) -> torch.device:
    """Return where a model's first parameter is; the CPU for a model without any."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module in evaluation mode, and afterwards back into the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
