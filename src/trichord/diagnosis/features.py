"""A bounded sample of a modality's features: lengths, spread, extremes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from trichord.data import Dataset
from trichord.data.specification import ModalityHeader
from trichord.diagnosis.facts import FeatureFacts
from trichord.randomness import numpy_generator
from trichord.shapes import Float

# Means of so many vectors are known to a sixteenth of a standard deviation; a sequence brings many steps of its own.
VECTORS, SEQUENCES, STEPS = 256, 64, 1024
UNIT_TOLERANCE = 0.02


def sample_features(
    dataset: Dataset, name: str, items: np.ndarray, where: str, blocks: Sequence[tuple[str, int]] | None = None
) -> FeatureFacts | None:
    """Look at up to `VECTORS` vectors, or `SEQUENCES` sequences of up to `STEPS` steps, drawn with a fixed seed.

    Args:
        dataset: the data.
        name: the modality, pooled or sequence.
        items: rows of the items to draw from; the first instance of each that holds the modality.
        where: what to call them.
        blocks: (name, width) of the parts whose lengths are looked at; None as the data set says.

    Returns:
        The facts; None where no item holds the modality, or no vector is finite.
    """
    held = items[dataset.has(name)[items]]
    if not len(held):
        return None
    header = dataset.stored(name).header
    number = min(len(held), VECTORS if header.kind == "pooled" else SEQUENCES)
    drawn = numpy_generator(0, f"diagnosis/{name}").permutation(len(held))[:number]
    rows = dataset.instances(name).first[held[np.sort(drawn)]]
    read = dataset.read(name, rows)
    values = np.asarray(read.values, np.float32)
    if read.lengths is not None:
        kept = np.minimum(read.lengths, STEPS)
        values = np.concatenate([values[row, :length] for row, length in enumerate(kept.tolist())])
    parts = recorded_blocks(dataset, header) if blocks is None else blocks
    return describe_features(values, where, number, parts, unit=is_unit(dataset, header))


def describe_features(
    values: Float[np.ndarray, "rows dim"],
    where: str,
    instances: int,
    blocks: Sequence[tuple[str, int]],
    *,
    unit: bool,
) -> FeatureFacts | None:
    """Describe vectors; see `FeatureFacts`. None where none is finite."""
    finite = np.isfinite(values).all(axis=1)
    kept = values[finite].astype(np.float64)
    if not len(kept):
        return None
    edges = np.cumsum([0, *(width for _, width in blocks)])
    lengths = np.stack([np.linalg.norm(kept[:, a:b], axis=1) for a, b in pairwise(edges)])
    medians = tuple(float(np.median(part[part > 0])) if (part > 0).any() else 0.0 for part in lengths)
    return FeatureFacts(
        where=where,
        instances=instances,
        mean=kept.mean(axis=0),
        deviation=kept.std(axis=0),
        blocks=tuple(name for name, _ in blocks),
        lengths=medians,
        uneven=float(((lengths > 0) & (np.abs(lengths - 1) > UNIT_TOLERANCE)).any(axis=0).mean()),
        zero=float((~kept.any(axis=1)).mean()),
        not_finite=float(1 - finite.mean()),
        lowest=float(kept.min()),
        highest=float(kept.max()),
        positive=float((kept > 0).mean()),
        unit=unit,
    )


def recorded_blocks(dataset: Dataset, header: ModalityHeader) -> tuple[tuple[str, int], ...]:
    """Return the parts that were brought to length one each: the streams, as far as the data set says, or the whole.

    A record that speaks of a "2D and 3D stream", as the importers of published files write, means two equal halves.
    """
    if header.streams and header.kind == "pooled":
        return tuple((stream.name, stream.dim) for stream in header.streams)
    steps = dataset.header.transforms.get(header.modality.name, ())
    if header.kind == "pooled" and any("2D and 3D stream" in step for step in steps) and header.dim % 2 == 0:
        return (("2d", header.dim // 2), ("3d", header.dim // 2))
    return (("whole vector", header.dim),)


def is_unit(dataset: Dataset, header: ModalityHeader) -> bool:
    """Whether a data set says that its vectors, or each stream of them, are one long."""
    if header.kind != "pooled":
        return False
    steps = dataset.header.transforms.get(header.modality.name, ())
    return bool(header.streams) or (bool(steps) and steps[-1].endswith("x / |x|"))
