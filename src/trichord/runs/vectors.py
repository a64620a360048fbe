"""Vectors on disk: one safetensors file with the vectors, whose they are, and the stamp that says what they are.

| in the file | content |
|---|---|
| vectors | (rows, width) float32 |
| ids, id_ends | the ids in UTF-8, one after another, and where each ends |
| instances | (rows,) which instance (caption) of its item a row is, from 0 |
| metadata | format, stamp, hash of the tensors and the stamp |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trichord.errors import RunError
from trichord.files import hash_bytes, hash_json, hash_tensors
from trichord.runs.stamps import DTYPE, Stamp, stamp_from_dict
from trichord.shapes import Float, Int
from trichord.training.checkpoint import load_tensors, save_tensors

VECTORS_FORMAT = 2
TENSORS = ("vectors", "ids", "id_ends", "instances")


@dataclass(frozen=True)
class VectorFile:
    """Vectors of one side of a route.

    Args:
        vectors: (rows, width) float32, finite; at least one row.
        ids: item of each row.
        instances: (rows,) which instance (caption) of the item it is, from 0.
        stamp: what they are.
        origin: where they come from, for messages.

    Raises:
        RunError: the parts do not fit each other, or there is NaN or infinity among the numbers.
    """

    vectors: Float[np.ndarray, "rows width"]
    ids: tuple[str, ...]
    instances: Int[np.ndarray, " rows"]
    stamp: Stamp
    origin: str = "these vectors"

    def __post_init__(self) -> None:
        rows = len(self.vectors)
        if not rows:
            raise RunError(f"{self.origin}: holds no vectors; encode at least one item")
        if not rows == len(self.ids) == len(self.instances):
            raise RunError(
                f"{self.origin}: {rows} vectors, {len(self.ids)} ids and {len(self.instances)} instances do not fit; "
                "give one of each per row, or encode again"
            )
        if str(self.vectors.dtype) != self.stamp.dtype or self.vectors.shape[1] != self.stamp.dim:
            raise RunError(
                f"{self.origin}: the stamp says {self.stamp.dtype} and {self.stamp.dim} wide, the vectors are "
                f"{self.vectors.dtype} and {self.vectors.shape[1]} wide; encode again"
            )
        wrong = np.flatnonzero(~np.isfinite(self.vectors).all(axis=1))
        if len(wrong):
            raise RunError(
                f"{self.origin}: the vector of {self.ids[wrong[0]]!r} (row {wrong[0]}) holds NaN or infinity, "
                f"{len(wrong)} of {rows} do; look for the fault in the model or its input, and encode again"
            )

    def __len__(self) -> int:
        return len(self.vectors)


def save_vectors(path: str | Path, file: VectorFile) -> None:
    """Write vectors and their stamp, atomically."""
    encoded = [name.encode() for name in file.ids]
    tensors = {
        "vectors": torch.from_numpy(np.ascontiguousarray(file.vectors)),
        "ids": torch.from_numpy(np.frombuffer(b"".join(encoded), np.uint8).copy()),
        "id_ends": torch.from_numpy(np.cumsum([len(name) for name in encoded], dtype=np.int64)),
        "instances": torch.from_numpy(np.asarray(file.instances, np.int64)),
    }
    stamp = file.stamp.to_dict()
    note = {"vectors_format": VECTORS_FORMAT, "stamp": stamp, "hash": _hash(tensors, stamp)}
    save_tensors(path, tensors, note)


def load_vectors(path: str | Path) -> VectorFile:
    """Read what `save_vectors` wrote.

    Raises:
        RunError: the file is missing, damaged, of another format, or without a stamp; or vectors or stamp are not those
            that were saved.
    """
    path = Path(path)
    if not path.is_file():
        raise RunError(f"{path}: there is no such file; make it with `trichord encode`")
    try:
        tensors, note = load_tensors(path)
    except RunError as error:
        raise RunError(f"{path}: not a readable safetensors file; restore it, or encode again") from error
    _check_format(path, tensors, note)
    stamp = stamp_from_dict(note.get("stamp"), str(path))
    if note.get("hash") != _hash(tensors, note["stamp"]):
        raise RunError(
            f"{path}: vectors or stamp are not what was saved (another hash); restore the file, or encode again"
        )
    ends = tensors["id_ends"].tolist()
    encoded = tensors["ids"].numpy().tobytes()
    ids = tuple(encoded[first:last].decode() for first, last in zip([0, *ends], ends, strict=False))
    return VectorFile(tensors["vectors"].numpy(), ids, tensors["instances"].numpy(), stamp, str(path))


def _check_format(path: Path, tensors: dict[str, torch.Tensor], note: dict[str, Any]) -> None:
    if note.get("vectors_format") != VECTORS_FORMAT or set(tensors) != set(TENSORS):
        raise RunError(
            f"{path}: holds no vectors of format {VECTORS_FORMAT} (found format {note.get('vectors_format')!r} and the "
            f"tensors {sorted(tensors)[:5]}); encode them with `trichord encode`"
        )
    if tensors["vectors"].ndim != 2 or tensors["vectors"].dtype != getattr(torch, DTYPE):
        found = f"{tensors['vectors'].dtype} of shape {tuple(tensors['vectors'].shape)}"
        raise RunError(f"{path}: vectors are {DTYPE} of shape (rows, width), got {found}; encode again")


def _hash(tensors: Mapping[str, torch.Tensor], stamp: Mapping[str, Any]) -> str:
    """Hash the vectors together with what they are said to be."""
    return hash_bytes([hash_tensors(tensors).encode(), hash_json(stamp).encode()])
