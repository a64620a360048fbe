"""One side of a task: which rows it has, whose they are, and one vector for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from trichord.errors import ProtocolError
from trichord.evaluation.embed import EmbeddingTable
from trichord.shapes import Bool, Float, Int

AT_ONCE = 64


@dataclass(frozen=True)
class Side:
    """The rows of a query or gallery side.

    Args:
        vectors: (rows, dim) float32.
        positions: (rows,) place of each row's item in the list of evaluated items, ascending.
        instances: (rows,) which instance of the item it is, from 0.
        missing: (items,) items that hold none of the side's modalities.
        captions: "one per item", "first" or "all"; see `Protocol`.
    """

    vectors: Float[np.ndarray, "rows dim"]
    positions: Int[np.ndarray, " rows"]
    instances: Int[np.ndarray, " rows"]
    missing: Bool[np.ndarray, " items"]
    captions: str


@dataclass(frozen=True)
class _Held:
    """One modality's vectors of the evaluated items: item i owns rows first[i] to first[i] + count[i] - 1."""

    vectors: np.ndarray
    first: np.ndarray
    count: np.ndarray


def build_side(
    tables: Mapping[str, EmbeddingTable],
    names: tuple[str, ...],
    items: Int[np.ndarray, " items"],
    *,
    captions: str,
    fusion: str,
    similarity: str,
) -> Side:
    """Make one vector per row: the sum over those of the side's modalities that the item holds.

    With captions "all", a modality of several instances per item gives one row per instance, each joined with the
    first instances of the others; two such modalities on one side are refused.
    """
    held = {name: _hold(tables, name, items, unit=fusion == "sum of unit vectors") for name in names}
    several = [name for name in names if (held[name].count > 1).any()]
    if captions == "all" and len(several) > 1:
        raise ProtocolError(
            f"{' and '.join(several)} both have several instances per item, so 'all captions' of their sum is not one "
            "list of rows; evaluate with captions 'first'"
        )
    expanded = several[0] if several and captions == "all" else None
    present: np.ndarray = np.any([held[name].count > 0 for name in names], axis=0)
    rows_per_item = present.astype(np.int64)
    if expanded is not None:
        rows_per_item = np.where(held[expanded].count > 0, held[expanded].count, rows_per_item)
    positions = np.repeat(np.arange(len(items)), rows_per_item)
    instances = np.arange(len(positions)) - np.repeat(np.cumsum(rows_per_item) - rows_per_item, rows_per_item)
    vectors = np.zeros((len(positions), _width(held)), dtype=np.float32)
    for name in names:
        rows = np.flatnonzero(held[name].count[positions] > 0)
        offset = instances[rows] if name == expanded else 0
        chosen = held[name].first[positions[rows]] + offset
        for part in _parts(len(rows)):
            vectors[rows[part]] += held[name].vectors[chosen[part]]
    if similarity == "dot product of unit vectors":
        vectors = unit_vectors(vectors, "+".join(names), items[positions])
    return Side(vectors, positions, instances, np.logical_not(present), captions if several else "one per item")


def unit_vectors(
    vectors: Float[np.ndarray, "rows dim"], what: str, items: Int[np.ndarray, " rows"]
) -> Float[np.ndarray, "rows dim"]:
    """Divide rows by their lengths; raise `ProtocolError` naming the item of a row without direction."""
    lengths = np.empty((len(vectors), 1))
    for part in _parts(len(vectors)):
        lengths[part] = np.linalg.norm(vectors[part].astype(np.float64), axis=1, keepdims=True)
    wrong = np.flatnonzero(lengths[:, 0] < 1e-12)
    if len(wrong):
        raise ProtocolError(
            f"the {what} vector of item row {items[wrong[0]]} is zero ({len(wrong)} of {len(vectors)} are), so it has "
            "no direction. Look for the fault in the model or its input, or leave the item out as missing"
        )
    unit = np.empty(vectors.shape, np.float32)
    for part in _parts(len(vectors)):
        unit[part] = vectors[part] / lengths[part]
    return unit


def _parts(number: int) -> Iterator[slice]:
    """Cut many rows into few at a time, whose copies stay near the processor."""
    return (slice(first, first + AT_ONCE) for first in range(0, number, AT_ONCE))


def _hold(tables: Mapping[str, EmbeddingTable], name: str, items: np.ndarray, *, unit: bool) -> _Held:
    if name not in tables:
        raise ProtocolError(f"there are no embeddings of {name!r}; there are those of {sorted(tables)}")
    table = tables[name]
    order = np.argsort(items, kind="stable")
    place = np.searchsorted(items, table.items, sorter=order).clip(max=len(items) - 1)
    positions = order[place]
    rows = np.flatnonzero(items[positions] == table.items)
    rows = rows[np.argsort(positions[rows], kind="stable")]
    count = np.bincount(positions[rows], minlength=len(items))
    vectors = table.vectors[rows]
    if unit:
        vectors = unit_vectors(vectors, name, table.items[rows])
    return _Held(vectors, np.cumsum(count) - count, count)


def _width(held: Mapping[str, _Held]) -> int:
    widths: dict[str, int] = {name: found.vectors.shape[1] for name, found in held.items()}
    if len(set(widths.values())) > 1:
        raise ProtocolError(f"vectors that are summed have one width, got {widths}")
    return next(iter(widths.values()))
