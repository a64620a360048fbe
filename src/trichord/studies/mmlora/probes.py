"""The rows of linear probes: how far a linear function of features, or of frozen pretrained vectors, comes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trichord.classification.model import FusionClassifier, FusionClassifierConfig
from trichord.classification.vectors import encode_items
from trichord.data import Dataset
from trichord.encoders import Encoder
from trichord.evaluation.class_scores import ClassScores
from trichord.evaluation.embed import item_instances
from trichord.evaluation.linear_probe import PENALTIES, LinearProbe, fit_probe
from trichord.randomness import derive_seed
from trichord.reports.mmlora.record import Cost
from trichord.shapes import Bool, Float, Int
from trichord.studies.mmlora.entrants import Entrant, Scores, edge
from trichord.studies.mmlora.plan import PROBE_OF_ALL
from trichord.studies.mmlora.study import Prepared

CHUNK, PRETRAINED_BATCH = 4096, 64
KEPT_STEPS = 20
"""Pairs of vectors that the solver remembers."""


@dataclass(frozen=True)
class ItemFeatures:
    """One vector per item of one modality.

    Args:
        vectors: (items, width) of the items of the data set; the mean over instances and over time.
        held: (items,) which items hold the modality; the vectors of others mean nothing.
        parameters: of the frozen encoder that made the vectors; 0 for features as they are.
    """

    vectors: Float[np.ndarray, "items width"]
    held: Bool[np.ndarray, " items"]
    parameters: int = 0


def probe_entrants(prepared: Prepared, device: torch.device) -> tuple[Entrant, ...]:
    """Return the probe of each modality and, where there are several, of all of them side by side.

    An item that lacks a modality is given its mean over the items that are learnt from.

    Args:
        prepared: the study.
        device: where pretrained encoders are run.
    """
    features = {name: item_features(prepared, name, device) for name in prepared.recipe.encoders}
    names = tuple(features)
    wanted = [(name,) for name in names] + ([names] if len(names) > 1 else [])
    return tuple(_entrant(prepared, {name: features[name] for name in at}) for at in wanted)


def item_features(prepared: Prepared, name: str, device: torch.device) -> ItemFeatures:
    """Return a modality's vectors of all items: of a frozen pretrained encoder, or the features themselves."""
    dataset, items = prepared.dataset, np.arange(len(prepared.dataset))
    held = dataset.has(name)
    if name not in prepared.study.sources:
        return ItemFeatures(average_features(dataset, name, items), held)
    torch.manual_seed(derive_seed(0, "weights"))
    encoders = {name: prepared.recipe.encoders[name]}
    model: FusionClassifier = FusionClassifierConfig(encoders=encoders, classes=prepared.labels.names).build()
    found = encode_items(model.to(device), dataset, items, modalities=[name], batch_size=PRETRAINED_BATCH)[name]
    return ItemFeatures(found.vectors.cpu().numpy(), held, _num_parameters(model.encoder(name)))


def average_features(dataset: Dataset, name: str, items: Int[np.ndarray, " items"]) -> Float[np.ndarray, "items width"]:
    """Return the mean of each item's features over its instances, and over steps or words of each; 0 without any."""
    instances, owners = item_instances(dataset, name, items)
    table = dataset.words(name)
    place = {item: row for row, item in enumerate(items.tolist())}
    rows = np.array([place[item] for item in owners.tolist()], dtype=np.int64)
    width = dataset.stored(name).header.dim
    sums = np.zeros((len(items), width))
    for first in range(0, len(instances), CHUNK):
        read = dataset.read(name, instances[first : first + CHUNK])
        values = read.values if table is None else table.vectors[read.values]
        if read.lengths is not None:
            inside = np.arange(values.shape[1]) < read.lengths[:, None]
            values = (values * inside[:, :, None]).sum(axis=1) / np.maximum(read.lengths, 1)[:, None]
        np.add.at(sums, rows[first : first + CHUNK], values)
    counts = np.bincount(rows, minlength=len(items))
    averages: np.ndarray = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
    return averages


def _entrant(prepared: Prepared, features: Mapping[str, ItemFeatures]) -> Entrant:
    study, labels, split = prepared.study, prepared.labels, prepared.dataset.split
    fit, validation, report = split(*study.fit_splits), split(study.selection_split), split(study.report_split)
    begun = time.perf_counter()
    means = {name: one.vectors[fit][one.held[fit]].mean(axis=0) for name, one in features.items()}
    together = _beside(features, means)
    fitted = fit_probe(
        together[fit],
        labels.truth[fit],
        len(labels),
        study.several,
        PENALTIES,
        together[validation],
        labels.truth[validation],
    )
    seconds = time.perf_counter() - begun
    names = tuple(features)

    def scores(split_name: str, items: np.ndarray, gone: Sequence[str] = ()) -> Scores:
        return (_scores(prepared, fitted, features, means, split_name, items, gone),)

    return Entrant(
        name=PROBE_OF_ALL if len(names) > 1 else f"linear probe on {names[0]}",
        family="probe",
        modalities=names,
        adapted=(),
        setting=f"penalty {fitted.penalty:g}",
        tries=len(PENALTIES),
        validation=scores(study.selection_split, validation),
        reported=scores(study.report_split, report),
        cost=_cost(fitted, features, seconds),
        without={name: scores(study.report_split, report, (name,)) for name in names if len(names) > 1},
        at_edge=edge(sorted(PENALTIES).index(fitted.penalty), len(PENALTIES)),
    )


def _scores(
    prepared: Prepared,
    fitted: LinearProbe,
    features: Mapping[str, ItemFeatures],
    means: Mapping[str, np.ndarray],
    split: str,
    items: np.ndarray,
    gone: Sequence[str],
) -> ClassScores:
    held = np.any([one.held[items] for name, one in features.items() if name not in gone], axis=0)
    logits = fitted.logits(_beside(features, means, gone)[items]) * held[:, None]
    study, labels = prepared.study, prepared.labels
    return ClassScores(
        study.label, labels.names, study.several, split, items, labels.truth[items], logits.astype(np.float32), held
    )


def _beside(
    features: Mapping[str, ItemFeatures], means: Mapping[str, np.ndarray], gone: Sequence[str] = ()
) -> Float[np.ndarray, "items width"]:
    """Return all vectors side by side, means in place of those that are missing."""
    parts = [
        np.where((one.held & (name not in gone))[:, None], one.vectors, means[name]) for name, one in features.items()
    ]
    return np.concatenate(parts, axis=1)


def _cost(fitted: LinearProbe, features: Mapping[str, ItemFeatures], seconds: float) -> Cost:
    learnt = fitted.weights.size + fitted.bias.size
    frozen = sum(one.parameters for one in features.values())
    return Cost(
        trainable=learnt,
        parameters=learnt + frozen,
        training_bytes=8 * learnt * (2 + 2 * KEPT_STEPS),
        device_bytes=None,
        epochs=0,
        seconds=round(seconds, 3),
        seconds_before=0.0,
    )


def _num_parameters(encoder: Encoder) -> int:
    return sum(parameter.numel() for parameter in encoder.parameters())
