"""Measures of directions are of unit vectors: what is not of length one is refused, never scaled in passing."""

from __future__ import annotations

import numpy as np

from trichord.errors import ProtocolError
from trichord.shapes import Float

TOLERANCE = 1e-3


def check_unit(vectors: Float[np.ndarray, "rows dim"], what: str, *, fewest: int = 1) -> None:
    """Raise `ProtocolError` unless there are enough rows and each has length one, within float16's rounding.

    Args:
        vectors: rows of any float type.
        what: how messages call them, "left".
        fewest: number of rows that the measure needs.
    """
    if len(vectors) < fewest:
        raise ProtocolError(f"the {what} side has {len(vectors)} vectors; this measure needs at least {fewest}")
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    wrong = np.flatnonzero(~(np.abs(lengths - 1.0) <= TOLERANCE))
    if len(wrong):
        raise ProtocolError(
            f"row {wrong[0]} of the {what} side has length {lengths[wrong[0]]:.3g} ({len(wrong)} of {len(vectors)} are "
            "not of length one); this measure is of directions: divide every vector by its length first"
        )
