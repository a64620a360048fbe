"""Which rows show the same seconds of the same source video."""

from __future__ import annotations

import torch

from trichord.batch import Segments
from trichord.shapes import Bool, Tensor


def overlapping_rows(segments: Segments) -> Bool[Tensor, "batch batch"]:
    """Return [i, j] whether the segments of rows i and j, i != j, come from one source and share a stretch of time.

    Segments that only touch do not overlap, nor does one without length. A row whose segment is not known overlaps
    with none. The reference code of MCN draws such clips into one batch and uses them as negatives of each other.
    """
    known = (segments.source >= 0) & (segments.start < segments.end)
    same = segments.source.unsqueeze(1) == segments.source
    begins_before = segments.start.unsqueeze(1) < segments.end
    overlapping = same & begins_before & begins_before.T & known.unsqueeze(1) & known
    return overlapping & ~torch.eye(len(known), dtype=torch.bool, device=known.device)
