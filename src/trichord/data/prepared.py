"""A view of a data set whose raw inputs are read as a pretrained backbone takes them, by the backbone's processor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from trichord.backbones import Preparer
from trichord.data.dataset import Dataset
from trichord.data.raw_storage import StoredRaw, StoredSamples
from trichord.data.specification import RAW_WIDTHS
from trichord.data.storage import Chunk, FeatureArrays, StoredModality
from trichord.errors import ConfigError, DataError
from trichord.shapes import Int


class StoredPrepared(StoredModality):
    """One raw modality, prepared. Captions are tokenised once; images and recordings are prepared when they are read.

    Args:
        raw: the raw inputs.
        preparer: what prepares them.
        ids: ids of the items, for messages.

    Raises:
        DataError: a recording is shorter than the network can read.
    """

    def __init__(self, raw: StoredRaw, preparer: Preparer, ids: Sequence[str]) -> None:
        super().__init__(replace(raw.header, dim=preparer.dim), raw.index, raw.dtype)
        self.raw, self.preparer, self.preparation = raw, preparer, preparer.fingerprint
        if raw.header.kind == "waveform" and isinstance(raw, StoredSamples):
            self._check_lengths(raw, ids)

    def _check_lengths(self, raw: StoredSamples, ids: Sequence[str]) -> None:
        short = np.flatnonzero(raw.lengths < self.preparer.fewest)
        if len(short):
            instance = int(short[0])
            item = int(np.searchsorted(np.cumsum(raw.index.count), instance, side="right"))
            raise DataError(
                f"the recording of item {ids[item]!r} has {raw.lengths[instance]} samples, and "
                f"{self.preparer.checkpoint.folder} needs {self.preparer.fewest}",
                file=raw.file,
                row=instance,
                remedy="leave it out: the item then lacks the modality",
            )

    @property
    def num_cut(self) -> int:
        """Number of captions or recordings that are longer than the network reads, of which it sees the beginning."""
        if self.header.kind == "text":
            return self.preparer.count_cut(self.raw.raw(np.arange(self.index.total)))
        longest = self.preparer.most
        return int((self.raw.lengths > longest).sum()) if isinstance(self.raw, StoredSamples) and longest else 0

    @property
    def num_steps(self) -> int:
        """Number of raw rows on disk."""
        return self.raw.num_steps

    @cached_property
    def _tokens(self) -> list[Any]:
        return self.preparer.once(self.raw.raw(np.arange(self.index.total)))

    def read(self, instances: Int[np.ndarray, " rows"]) -> FeatureArrays:
        """Read and prepare instances, in the order asked for."""
        asked = instances if len(instances) else np.zeros(1, np.int64)  # a processor takes one input or more
        if self.header.kind == "text":
            inputs = [self._tokens[instance] for instance in asked.tolist()]
        else:
            inputs = self.preparer.once(self.raw.raw(asked))
        made = self.preparer.batch(inputs)
        lengths = None if made.lengths is None else made.lengths[: len(instances)]
        return FeatureArrays(made.values[: len(instances)], lengths)

    def instance_bytes(self, instance: int) -> bytes:
        """Return what tells the raw input from others."""
        return self.raw.instance_bytes(instance)

    def chunks(self, max_elements: int = 2**22) -> Iterator[Chunk]:
        """Yield the raw rows."""
        yield from self.raw.chunks(max_elements)

    def owner(self, chunk: Chunk, row: int, ids: Sequence[str]) -> str:
        """Say whose a raw row is."""
        return self.raw.owner(chunk, row, ids)

    def content(self) -> list[np.ndarray]:
        """Return the arrays of the raw inputs."""
        return self.raw.content()


def prepare(dataset: Dataset, preparers: Mapping[str, Preparer]) -> Dataset:
    """Return a view of a data set in which raw modalities are read as their backbones take them.

    Its fingerprint says what prepared them, so that a run is not taken up again with other inputs.

    Args:
        dataset: an opened data set.
        preparers: modality name -> what prepares its raw inputs; see `BackboneConfig.preparer`.

    Raises:
        ConfigError: there is no such modality, or it holds features.
        DataError: a recording is shorter than the network can read.
    """
    prepared = {}
    for name, preparer in preparers.items():
        stored = dataset.stored(name)
        if not isinstance(stored, StoredRaw):
            found = "prepared already" if stored.preparation else f"of the kind {stored.header.kind!r}"
            raise ConfigError(
                f"{name} of {dataset.path} is {found}; a pretrained backbone reads raw inputs ({', '.join(RAW_WIDTHS)})"
            )
        prepared[name] = StoredPrepared(stored, preparer, dataset.ids)
    return dataset.with_stored(prepared)
