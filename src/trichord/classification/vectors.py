"""What the encoders of a classifier make of whole items, and what the classifier makes of that."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trichord.batch import Features
from trichord.classification.model import FusionClassifier, widened
from trichord.data import Dataset
from trichord.errors import DataError
from trichord.evaluation.embed import evaluating, item_instances, model_device
from trichord.evaluation.words import lent_words
from trichord.shapes import Bool, Float, Int, Tensor
from trichord.training.trunk_cache import CachedDataset, CachedOutputs, instances_of


@dataclass(frozen=True)
class ItemVectors:
    """One encoder's vectors of items.

    Args:
        vectors: (items, width); of an item that has several instances of the modality (captions) the mean of theirs,
            zeros where it has none.
        held: (items,) which items hold the modality.
    """

    vectors: Float[Tensor, "items width"]
    held: Bool[Tensor, " items"]


@dataclass(frozen=True)
class ItemLogits:
    """A classifier's answers to items.

    Args:
        logits: (items, classes); zeros for an item that holds none of the modalities.
        held: (items,) which items hold one or more.
    """

    logits: Float[np.ndarray, "items classes"]
    held: Bool[np.ndarray, " items"]


def encode_items(
    model: FusionClassifier,
    dataset: Dataset,
    items: Int[np.ndarray, " items"],
    *,
    modalities: Sequence[str],
    batch_size: int,
) -> dict[str, ItemVectors]:
    """Encode items in evaluation mode and without gradients, each modality by itself.

    Args:
        model: whose encoders.
        dataset: the data.
        items: rows of the items.
        modalities: names of the modalities to encode.
        batch_size: instances encoded at once.

    Returns:
        Modality name -> its vectors, on the model's device.

    Raises:
        DataError: features of an item hold NaN or infinity.
    """
    found = {}
    with evaluating(model), lent_words(model, dataset, modalities), torch.no_grad():
        for name in modalities:
            instances, _ = item_instances(dataset, name, items)
            vectors = _encode(model, dataset, name, instances, batch_size)
            counts = torch.from_numpy(dataset.instances(name).count[items]).to(vectors.device)
            found[name] = _average(vectors, counts)
    return found


def with_vectors(
    model: FusionClassifier,
    dataset: Dataset,
    items: Int[np.ndarray, " items"],
    *,
    modalities: Sequence[str],
    batch_size: int,
) -> CachedDataset:
    """Return a view of the data in which the encoders' vectors stand in memory in place of features.

    It serves modalities in whose encoders nothing learns; see `FusionClassifier.given`.

    Args:
        model, dataset, modalities, batch_size: see `encode_items`.
        items: rows of the items whose instances will be read.
    """
    outputs = {}
    with evaluating(model), lent_words(model, dataset, modalities), torch.no_grad():
        for name in modalities:
            instances = instances_of(dataset, name, items)
            vectors = _encode(model, dataset, name, instances, batch_size)
            outputs[name] = CachedOutputs("encoder", instances, vectors.cpu().numpy())
    return CachedDataset(dataset, outputs)


def _encode(
    model: FusionClassifier, dataset: Dataset, name: str, instances: np.ndarray, batch_size: int
) -> Float[Tensor, "instances width"]:
    place, encoder = model_device(model), model.encoder(name)
    parts = [torch.zeros(0, model.widths[name], device=place)]
    for first in range(0, len(instances), batch_size):
        chosen = instances[first : first + batch_size]
        read = dataset.read(name, chosen)
        _check_finite(dataset, name, chosen, read.values)
        lengths = None if read.lengths is None else torch.from_numpy(read.lengths)
        features = Features(torch.from_numpy(read.values), torch.arange(len(read.values)), lengths).to(place)
        parts.append(widened(encoder(features).embedding))
    return torch.cat(parts)


def _check_finite(dataset: Dataset, name: str, instances: np.ndarray, values: np.ndarray) -> None:
    """Raise `DataError` naming modality and item where features are not finite: an answer to them would be made up."""
    wrong = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if not len(wrong):
        return
    index, number = dataset.instances(name), int(instances[wrong[0]])
    owner = int(np.flatnonzero((index.first <= number) & (number < index.first + index.count))[0])
    raise DataError(
        f"features are finite in float32; {name} of item {dataset.ids[owner]!r} holds NaN or infinity",
        file=dataset.path,
        remedy="repair the features, or leave the instance out: the item then lacks the modality",
    )


def _average(vectors: Float[Tensor, "instances width"], counts: Int[Tensor, " items"]) -> ItemVectors:
    """Average the vectors of each item's instances, which lie one after the other."""
    owners = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    sums = vectors.new_zeros(len(counts), vectors.shape[1]).index_add_(0, owners, vectors)
    return ItemVectors(sums / counts.clamp_min(1).unsqueeze(1), counts > 0)


def classify_vectors(
    model: FusionClassifier, vectors: Mapping[str, ItemVectors], leave_out: Collection[str] = ()
) -> ItemLogits:
    """Classify items by what was encoded of them.

    Args:
        model: the classifier.
        vectors: modality name -> what its encoder makes of the items.
        leave_out: modalities that are taken as missing; not all of them.
    """
    used = {name: found for name, found in vectors.items() if name not in leave_out}
    present = {name: found.held for name, found in used.items()}
    with evaluating(model), torch.no_grad():
        logits = model.logits({name: found.vectors for name, found in used.items()}, present)
    held = torch.stack(list(present.values())).any(dim=0)
    return ItemLogits(logits.float().cpu().numpy(), held.cpu().numpy())
