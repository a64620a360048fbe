"""The records that flow from data to encoders to objectives. Modalities are dictionary keys, never suffixes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from trichord.shapes import Bool, Float, Int, Tensor


@dataclass(frozen=True)
class Features:
    """One modality's input for the rows of a batch that hold it.

    Args:
        values: (rows, features) pooled vectors, or (rows, time, features) sequences padded at the end.
        rows: (rows,) position in the batch of each entry, ascending; a batch row that is not named lacks the modality.
        lengths: (rows,) true number of time steps for sequences, None for pooled vectors.
    """

    values: Tensor
    rows: Int[Tensor, " rows"]
    lengths: Int[Tensor, " rows"] | None = None

    def to(self, device: torch.device | str) -> Features:
        """Return the same features on another device."""
        lengths = None if self.lengths is None else self.lengths.to(device)
        return Features(self.values.to(device), self.rows.to(device), lengths)


@dataclass(frozen=True)
class Segments:
    """Which stretch of which source video each row of a batch is.

    Args:
        source: (batch,) number of the source in the data set; below 0 where the row's segment is not known.
        start, end: (batch,) seconds; not looked at where the segment is not known. Rounding to float32 can hide an
            overlap that is shorter than 1 ms in the first two hours of a video, and never makes one.
    """

    source: Int[Tensor, " batch"]
    start: Float[Tensor, " batch"]
    end: Float[Tensor, " batch"]

    def to(self, device: torch.device | str) -> Segments:
        """Return the same segments on another device."""
        return Segments(self.source.to(device), self.start.to(device), self.end.to(device))


@dataclass(frozen=True)
class Batch:
    """One step's input.

    Args:
        items: (batch,) row number of each item in its data set.
        features: modality name -> its features; a modality that no row holds may be absent.
        segments: which stretch of which source each row is; None where the data set does not say.
    """

    items: Int[Tensor, " batch"]
    features: Mapping[str, Features]
    segments: Segments | None = None

    def __len__(self) -> int:
        return len(self.items)

    def to(self, device: torch.device | str) -> Batch:
        """Return the same batch on another device."""
        segments = None if self.segments is None else self.segments.to(device)
        return Batch(self.items.to(device), {name: f.to(device) for name, f in self.features.items()}, segments)


@dataclass(frozen=True)
class Encoded:
    """What one encoder makes of one modality's features.

    Args:
        embedding: (rows, dim) vectors in the joint space, not normalised.
        target: (rows, d) what a decoder should rebuild from the embedding (MCN: the pooled input of the last gated
            unit); never None, so that any objective may ask for it.
    """

    embedding: Float[Tensor, "rows dim"]
    target: Float[Tensor, "rows d"]


@dataclass(frozen=True)
class Embeddings:
    """A batch in the joint space. Rows that lack a modality are zero there and False in `present`.

    Args:
        vectors: modality name -> (batch, dim).
        present: modality name -> (batch,) which rows hold it.
        targets: modality name -> (batch, d) reconstruction targets, zero where missing.
        segments: which stretch of which source each row is; None where that is not known.
    """

    vectors: Mapping[str, Float[Tensor, "batch dim"]]
    present: Mapping[str, Bool[Tensor, " batch"]]
    targets: Mapping[str, Tensor] = field(default_factory=dict)
    segments: Segments | None = None

    def __post_init__(self) -> None:
        assert set(self.vectors) == set(self.present), "vectors and present must name the same modalities"

    def joined(self, names: tuple[str, ...]) -> tuple[Float[Tensor, "batch dim"], Bool[Tensor, " batch"]]:
        """Sum the vectors of several modalities.

        Returns:
            (batch, dim) sum over the modalities a row holds (one name: its vectors as they are), and (batch,) whether
            the row holds all of them.
        """
        total = self.vectors[names[0]]
        present = self.present[names[0]]
        for name in names[1:]:
            total = total + self.vectors[name]
            present = present & self.present[name]
        return total, present
