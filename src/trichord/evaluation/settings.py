"""What is evaluated (a split of a data set) and how (captions, similarity, fusion, number of resamples)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trichord.config import Config
from trichord.data.dataset import Dataset
from trichord.errors import ConfigError, nearest
from trichord.files import hash_bytes
from trichord.modality import Modality
from trichord.shapes import Int

CAPTIONS = ("first", "all")
SIMILARITIES = ("dot product of unit vectors", "dot product")
FUSIONS = ("sum of vectors", "sum of unit vectors")


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig(Config):
    """Choices of an evaluation; those that change numbers become part of the protocol.

    Args:
        captions: "first": an item's first caption stands for it; "all": every caption is a query or gallery row.
        similarity: "dot product of unit vectors" (cosine) or, as published in MCN, plain "dot product".
        fusion: a side of several modalities is the "sum of vectors" as the model gives them, or the "sum of unit
            vectors".
        num_resamples: bootstrap resamples behind every interval.
        seed: seed of the resamples.
        chunk: queries scored at once; bounds memory, changes no number.
    """

    captions: str = "first"
    similarity: str = "dot product of unit vectors"
    fusion: str = "sum of vectors"
    num_resamples: int = 2000
    seed: int = 0
    chunk: int = 512

    def __post_init__(self) -> None:
        for name, known in (("captions", CAPTIONS), ("similarity", SIMILARITIES), ("fusion", FUSIONS)):
            value = getattr(self, name)
            if value not in known:
                raise ConfigError(f"EvaluationConfig.{name} is one of {known}, got {value!r}; {nearest(value, known)}")
        for name in ("num_resamples", "chunk"):
            if getattr(self, name) < 1:
                raise ConfigError(f"EvaluationConfig.{name} is at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class EvaluationSet:
    """The items that are evaluated.

    Args:
        dataset: name of the data set.
        fingerprint: hash of its content.
        split: name of the split, several joined by "+".
        items: (items,) rows of the items in the data set, distinct.
        items_hash: hash of their ids, in order.
        known: the modalities of the data set.
        benchmark: name of the benchmark these items are, see `trichord.evaluation.benchmark`; "none" where they are a
            split like any other.
    """

    dataset: str
    fingerprint: str
    split: str
    items: Int[np.ndarray, " items"]
    items_hash: str
    known: tuple[Modality, ...]
    benchmark: str = "none"

    def __post_init__(self) -> None:
        if len(self.items) == 0 or len(np.unique(self.items)) != len(self.items):
            raise ConfigError(
                f"{self.dataset}, split {self.split!r}: evaluated items are at least one and distinct, got "
                f"{len(self.items)} items, {len(np.unique(self.items))} of them distinct"
            )


def evaluation_set(dataset: Dataset, *splits: str) -> EvaluationSet:
    """Return the items of the named splits of a data set."""
    items = dataset.split(*splits)
    hashed = hash_bytes(dataset.ids[item].encode() for item in items.tolist())
    return EvaluationSet(
        dataset.spec.name, dataset.fingerprint(), "+".join(splits), items, hashed, tuple(dataset.modalities)
    )
