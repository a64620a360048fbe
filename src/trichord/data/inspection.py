"""What `trichord data check` counts: pure functions over an opened data set, reading features in chunks."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from trichord.data.dataset import Dataset
from trichord.data.storage import StoredModality


@dataclass(frozen=True)
class NonFinite:
    """The first row that is not finite: name of the file, number of the row, and whose it is."""

    file: str
    row: int
    owner: str


@dataclass(frozen=True)
class ModalityCount:
    """One modality in numbers.

    Args:
        name, letter, kind, dim, dtype: what it is.
        instances: number of instances.
        missing: split -> number of items that lack it.
        most_per_item: largest number of instances of one item.
        steps: total number of vectors (for pooled: the instances), words, images, frames, samples or captions.
        zero_rows: vectors that are all zero; of raw inputs, black images, silent recordings and blank captions.
        non_finite_rows: vectors with NaN or infinity in float32.
        duplicate_instances: instances that repeat an earlier one bit for bit.
        shared: pairs of items of different splits with an instance that is equal bit for bit, once per vector.
        constant: whether all vectors are equal.
        first_non_finite: the first row that is not finite, None where all are.
    """

    name: str
    letter: str
    kind: str
    dim: int
    dtype: str
    instances: int
    missing: dict[str, int]
    most_per_item: int
    steps: int
    zero_rows: int
    non_finite_rows: int
    duplicate_instances: int
    shared: tuple[tuple[str, str], ...]
    constant: bool
    first_non_finite: NonFinite | None


@dataclass(frozen=True)
class CaptionCount:
    """Captions in numbers.

    Args:
        total: number of captions.
        per_item: number of captions -> number of items that have so many.
        duplicated: captions that repeat an earlier one word for word.
        shared: distinct captions that occur in more than one split.
    """

    total: int
    per_item: dict[int, int]
    duplicated: int
    shared: int


def count_modality(dataset: Dataset, name: str) -> ModalityCount:
    """Scan one modality."""
    stored = dataset.stored(name)
    splits = np.array(dataset.split_names(), dtype=object)
    has = dataset.has(name)
    num_zero, num_bad, constant = 0, 0, stored.num_steps > 1
    first_bad: NonFinite | None = None
    first_rows: dict[Path, np.ndarray] = {}
    for chunk in stored.chunks():
        finite = np.isfinite(chunk.values).all(axis=1)
        num_zero += int((~chunk.values.any(axis=1)).sum())
        num_bad += int((~finite).sum())
        constant = constant and _repeats(chunk.values, first_rows.setdefault(chunk.file, chunk.values[0]))
        if first_bad is None and not finite.all():
            row = int(np.flatnonzero(~finite)[0])
            first_bad = NonFinite(chunk.file.name, chunk.start + row, stored.owner(chunk, row, dataset.ids))
    owners = np.repeat(np.arange(len(dataset)), stored.index.count)
    groups = _equal_instances(stored)
    if stored.header.kind == "text":
        num_zero = sum(not stored.instance_bytes(instance).strip() for instance in range(stored.index.total))
        constant = stored.index.total > 1 and len(groups) == 1 and len(groups[0]) == stored.index.total
    return ModalityCount(
        name=name,
        letter=stored.header.modality.letter,
        kind=stored.header.kind,
        dim=stored.header.dim,
        dtype=stored.dtype,
        instances=stored.index.total,
        missing={split: int((~has[splits == split]).sum()) for split in dataset.spec.splits},
        most_per_item=int(stored.index.count.max(initial=0)),
        steps=stored.num_steps,
        zero_rows=num_zero,
        non_finite_rows=num_bad,
        duplicate_instances=sum(len(group) - 1 for group in groups),
        shared=_across_splits(dataset, [[int(owners[k]) for k in group] for group in groups]),
        constant=constant,
        first_non_finite=first_bad,
    )


def _repeats(rows: np.ndarray, first: np.ndarray) -> bool:
    return rows.shape[1:] == first.shape and bool((rows == first).all())


def _equal_instances(stored: StoredModality) -> list[list[int]]:
    """Return the groups of two or more instances whose features are equal bit for bit (by a 128-bit hash)."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for instance in range(stored.index.total):
        groups[blake2b(stored.instance_bytes(instance), digest_size=16).digest()].append(instance)
    return [group for group in groups.values() if len(group) > 1]


def _across_splits(dataset: Dataset, groups: list[list[int]]) -> tuple[tuple[str, str], ...]:
    splits = dataset.split_names()
    pairs = []
    for items in groups:
        other = next((item for item in items if splits[item] != splits[items[0]]), None)
        if other is not None:
            pairs.append((dataset.ids[items[0]], dataset.ids[other]))
    return tuple(pairs)


def count_captions(dataset: Dataset) -> CaptionCount | None:
    """Count captions; None where the table has no such column."""
    if "captions" not in dataset.table.column_names:
        return None
    splits = dataset.split_names()
    where: dict[str, set[str]] = defaultdict(set)
    per_item: Counter[int] = Counter()
    for item in range(len(dataset)):
        captions = dataset.captions(item)
        per_item[len(captions)] += 1
        for text in captions:
            where[text].add(splits[item])
    total = sum(number * items for number, items in per_item.items())
    shared = sum(len(found) > 1 for found in where.values())
    return CaptionCount(total, dict(sorted(per_item.items())), total - len(where), shared)


def shared_sources(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """Return source video -> the splits it occurs in, for sources in more than one split: a leak."""
    where: dict[str, dict[str, None]] = defaultdict(dict)
    for source, split in zip(dataset.source or [], dataset.split_names(), strict=False):
        if source is not None:
            where[source][split] = None
    return {source: tuple(found) for source, found in where.items() if len(found) > 1}
