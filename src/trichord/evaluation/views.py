"""The vectors of one set of items under the base and under adapters; what an adapter leaves alone is shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import nn

from trichord.adapters.settings import BASE
from trichord.data.dataset import Dataset
from trichord.errors import ConfigError, nearest
from trichord.evaluation.embed import EmbeddingTable, Progress, embed_split, item_instances
from trichord.shapes import Int

Views = Mapping[str, Mapping[str, EmbeddingTable]]
"""Adapter name, `BASE` included -> modality name -> vectors."""


@runtime_checkable
class AdapterSource(Protocol):
    """What is needed of a bank of adapters; see `trichord.adapters.bank.AdapterBank`."""

    @property
    def encoder(self) -> nn.Module:
        """The encoder that the adapters change."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the adapters, without `BASE`."""

    def sides(self, name: str) -> tuple[str, ...]:
        """Names of the modalities whose vectors an adapter changes."""

    def using(self, name: str) -> AbstractContextManager[Any]:
        """Encode under an adapter inside the block."""


def embed_views(
    bank: AdapterSource,
    dataset: Dataset,
    items: Int[np.ndarray, " items"],
    *,
    modalities: Sequence[str],
    adapters: Sequence[str],
    batch_size: int = 256,
    progress: Progress | None = None,
) -> dict[str, dict[str, EmbeddingTable]]:
    """Encode items once under the base, and under each adapter only the modalities that it changes.

    The table of a modality that an adapter leaves alone is the base's, the same object.

    Args:
        bank: the encoder with its adapters.
        dataset: where the items are.
        items: rows of the items.
        modalities: names of the modalities to encode.
        adapters: names of the adapters; the base is always encoded, whether named or not.
        batch_size: instances encoded at once.
        progress: called with (instances done, instances in all) after each batch, over all views.

    Returns:
        Adapter name, `BASE` included -> modality name -> its vectors.

    Raises:
        ConfigError: the bank has no adapter of a name; nothing has been encoded then.
        ProtocolError: none of the items holds a modality.
    """
    for name in adapters:
        if name != BASE and name not in bank.names:
            raise ConfigError(f"the bank has no adapter {name!r}; {nearest(name, (BASE, *bank.names))}")
    changed: dict[str, list[str]] = {BASE: list(modalities)}
    for name in adapters:
        if name != BASE:
            changed[name] = [modality for modality in modalities if modality in bank.sides(name)]
    sizes = {modality: len(item_instances(dataset, modality, items)[0]) for modality in modalities}
    total = sum(sizes[modality] for encoded in changed.values() for modality in encoded)
    views: dict[str, dict[str, EmbeddingTable]] = {}
    done = 0
    for name, encoded in changed.items():
        with bank.using(name):
            tables = embed_split(
                bank.encoder,
                dataset,
                items,
                modalities=encoded,
                batch_size=batch_size,
                progress=None if progress is None else _shifted(progress, done, total),
            )
        done += sum(sizes[modality] for modality in encoded)
        views[name] = {modality: tables.get(modality) or views[BASE][modality] for modality in modalities}
    return views


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _: progress(before + done, total)
