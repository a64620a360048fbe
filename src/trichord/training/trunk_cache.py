"""What does not change while a stage learns is computed once: outputs of trunks in which nothing learns, on disk.

A cache is a record NAME.json that says of what it is, and an array NAME-CONTENT.npy. NAME holds a hash of what decides
the values: with another base, other data or other settings a cache is not found and is computed anew. A damaged one is
computed anew, too. CONTENT is the hash of the values, and the record, which names it, is written last and replaced in
one step: runs that share a folder may compute the same cache at the same time, and each finds a whole one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from trichord.adapters.lora import plain_state
from trichord.batch import Features
from trichord.data import Dataset, FeatureArrays
from trichord.data.npy import open_npy
from trichord.encoders import Encoder, JointEncoder
from trichord.encoders.beforehand import Depth, compute_below, still_depth, trunk_of, values_width
from trichord.errors import DataError
from trichord.files import hash_array, hash_json, hash_tensors, read_json, write_atomically, write_json
from trichord.shapes import Float, Int

CACHE_FORMAT = 2
ROWS_AT_ONCE = 32
BYTES_PER_NUMBER = 4
CONTENT = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True, kw_only=True)
class CacheKey:
    """All that decides the content of a cache.

    Args:
        modality: whose features they are computed from.
        depth: how far; see `trichord.encoders.beforehand`.
        weights: hash of the weights that compute them.
        settings: hash of the settings of the encoder.
        training: whether the encoder is in training mode, in which it may read other frames.
        dataset: fingerprint of the data.
        instances: hash of the numbers of the instances, in their order.
    """

    modality: str
    depth: Depth
    weights: str
    settings: str
    training: bool
    dataset: str
    instances: str

    @property
    def name(self) -> str:
        """Name of the files, without suffix."""
        return f"{self.modality}-{self.depth}-{hash_json(asdict(self))}"


@dataclass(frozen=True)
class CachedOutputs:
    """What was computed of one modality.

    Args:
        depth: how far.
        instances: (rows,) numbers of the instances, ascending.
        values: (rows, width) float32, memory-mapped.
    """

    depth: Depth
    instances: Int[np.ndarray, " rows"]
    values: Float[np.ndarray, "rows width"]

    def read(self, asked: Int[np.ndarray, " asked"]) -> Float[np.ndarray, "asked width"]:
        """Return the values of instances, in the order asked for; raise `DataError` for one that is not held."""
        rows = np.searchsorted(self.instances, asked)
        found = rows < len(self.instances)
        found[found] = self.instances[rows[found]] == asked[found]
        if not found.all():
            raise DataError(
                "an instance was asked for that nothing was computed of beforehand",
                row=int(asked[int(np.flatnonzero(~found)[0])]),
                remedy="make the cache for all splits that are read",
            )
        return np.asarray(self.values[rows], np.float32)


class CachedDataset(Dataset):
    """The same data, of which some modalities are read as what was computed from them.

    Args:
        dataset: the data.
        outputs: modality name -> what was computed; vectors without lengths.
    """

    def __init__(self, dataset: Dataset, outputs: Mapping[str, CachedOutputs]) -> None:
        vars(self).update(vars(dataset))
        self.outputs = dict(outputs)

    @property
    def depths(self) -> dict[str, Depth]:
        """Modality name -> how far it was computed, as `JointEncoder.given` takes it."""
        return {name: held.depth for name, held in self.outputs.items()}

    def without(self, modalities: Collection[str]) -> CachedDataset:
        """Return the data with the features of some modalities as they are."""
        return CachedDataset(self, {name: held for name, held in self.outputs.items() if name not in modalities})

    def read(self, modality: str, instances: Int[np.ndarray, " rows"]) -> FeatureArrays:
        """Read the features of instances, or what was computed from them."""
        if modality in self.outputs:
            return FeatureArrays(self.outputs[modality].read(instances))
        return super().read(modality, instances)


def cacheable_depth(encoder: Encoder) -> Depth | None:
    """Return how far an encoder can be computed beforehand whichever adapter is active; None: not at all."""
    depth = still_depth(encoder)
    if depth == "encoder" and _holds_matrices(encoder):
        depth = None if encoder.trunk_name is None else "trunk"
    return None if depth == "trunk" and _holds_matrices(trunk_of(encoder)) else depth


def _holds_matrices(module: nn.Module) -> bool:
    return len(plain_state(module)) < len(module.state_dict())


def cache_outputs(
    model: JointEncoder,
    dataset: Dataset,
    items: Int[np.ndarray, " items"],
    depths: Mapping[str, Depth],
    settings: Mapping[str, str],
    folder: Path,
    *,
    largest_bytes: int | None = None,
    write: bool = True,
) -> CachedDataset:
    """Return the data with what stays the same computed, from the cache where it is there.

    Put the model in the mode in which it will be used first.

    Args:
        model: the encoders.
        dataset: the data.
        items: rows of the items that will be read.
        depths: modality name -> how far to compute; see `cacheable_depth`.
        settings: modality name -> hash of the settings of its encoder.
        folder: where caches lie; made if it does not exist.
        largest_bytes: leave a modality whose values would be larger as it is; None: no limit.
        write: whether this process computes what is missing; of several processes one does, and the others wait.
    """
    outputs: dict[str, CachedOutputs] = {}
    for name, depth in depths.items():
        encoder, instances = model.encoder(name), instances_of(dataset, name, items)
        if not len(instances):
            continue
        shape = (len(instances), values_width(encoder, depth))
        if largest_bytes is not None and BYTES_PER_NUMBER * shape[0] * shape[1] > largest_bytes:
            continue
        key = CacheKey(
            modality=name,
            depth=depth,
            weights=hash_tensors((encoder if depth == "encoder" else trunk_of(encoder)).state_dict()),
            settings=settings[name],
            training=encoder.training,
            dataset=dataset.fingerprint(),
            instances=hash_array(instances),
        )
        values = open_cache(folder, key, shape)
        if values is None and write:
            write_cache(folder, key, shape, partial(fill_values, encoder, depth, dataset, name, instances))
            values = open_cache(folder, key, shape)
        if values is not None:
            outputs[name] = CachedOutputs(depth, instances, values)
    return CachedDataset(dataset, outputs)


def instances_of(dataset: Dataset, modality: str, items: Int[np.ndarray, " items"]) -> Int[np.ndarray, " rows"]:
    """Return the numbers of all instances of the items, ascending."""
    index = dataset.instances(modality)
    held = items[index.count[items] > 0]
    parts = [np.arange(index.first[item], index.first[item] + index.count[item]) for item in held]
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


@torch.no_grad()
def fill_values(
    encoder: Encoder,
    depth: Depth,
    dataset: Dataset,
    modality: str,
    instances: Int[np.ndarray, " rows"],
    values: Float[np.ndarray, "rows width"],
) -> None:
    """Fill an array with what an encoder makes of instances."""
    device = next(encoder.parameters()).device
    for first in range(0, len(instances), ROWS_AT_ONCE):
        chosen = instances[first : first + ROWS_AT_ONCE]
        found = dataset.read(modality, chosen)
        lengths = None if found.lengths is None else torch.from_numpy(found.lengths)
        features = Features(torch.from_numpy(found.values), torch.arange(len(chosen)), lengths).to(device)
        values[first : first + len(chosen)] = compute_below(encoder, features, depth).float().cpu().numpy()


def write_cache(folder: Path, key: CacheKey, shape: tuple[int, int], fill: Callable[[np.ndarray], None]) -> None:
    """Let `fill` write the values under a name of their own, rename them to their content, then write the record.

    Nothing that is there is taken away. Where another process has finished the same cache meanwhile, its is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".filling-") as inside:
        unfinished = Path(inside) / "values.npy"
        values = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.float32, shape=shape)
        fill(values)
        values.flush()
        if open_cache(folder, key, shape) is not None:
            return
        content = hash_array(values)
        write_atomically(_values_file(folder, key, content), lambda temporary: os.replace(unfinished, temporary))
        write_json(folder / f"{key.name}.json", _record(key, content))


def open_cache(folder: Path, key: CacheKey, shape: tuple[int, int]) -> Float[np.ndarray, "rows width"] | None:
    """Open a cache; None where there is none, an unfinished or a damaged one, or one of something else."""
    try:
        record = read_json(folder / f"{key.name}.json")
        content = record.get("content") if isinstance(record, dict) else None
        if not isinstance(content, str) or record != _record(key, content) or not CONTENT.fullmatch(content):
            return None
        values = open_npy(_values_file(folder, key, content))
    except DataError:
        return None
    if values.shape != shape or values.dtype != np.float32 or hash_array(values) != content:
        return None
    return values


def _values_file(folder: Path, key: CacheKey, content: str) -> Path:
    return folder / f"{key.name}-{content}.npy"


def _record(key: CacheKey, content: str) -> dict[str, Any]:
    return {"trunk_cache_format": CACHE_FORMAT, **asdict(key), "content": content}
