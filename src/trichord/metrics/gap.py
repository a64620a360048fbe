"""How far two modalities lie apart in one space: between their centres, and between the vectors that belong together.

Both take the rows of two sides as matching: row i of the left and row i of the right are of one item.
"""

from __future__ import annotations

import numpy as np

from trichord.errors import ProtocolError
from trichord.metrics.lengths import check_unit
from trichord.shapes import Float

# Named apart, because what does not match is refused in words by the functions themselves.
Left = Float[np.ndarray, "left left_dim"]
Right = Float[np.ndarray, "right right_dim"]


def modality_gap(left: Left, right: Right) -> float:
    """Distance between the centroids of two sides' unit vectors, in [0, 2].

    ||mean of left - mean of right||, the length of what Liang et al. 2022, "Mind the gap", call the modality gap. Of
    two samples of n vectors from one distribution it is about sqrt(2 / n) at most, not 0. The sides need not match, nor
    have equally many rows.

    Raises:
        ProtocolError: a side is empty, widths differ, or a vector is not of length one.
    """
    check_unit(left, "left")
    check_unit(right, "right")
    _check_width(left, right)
    return float(np.linalg.norm(left.mean(axis=0, dtype=np.float64) - right.mean(axis=0, dtype=np.float64)))


def alignment(left: Left, right: Right) -> float:
    """Mean squared distance of matching unit vectors, in [0, 4]; 0 when all pairs coincide.

    Wang & Isola 2020, equation of L_align with exponent 2, their default. It is 2 - 2 (mean cosine of matching pairs).

    Raises:
        ProtocolError: the sides do not match, are empty, or a vector is not of length one.
    """
    _check_matching(left, right, fewest=1)
    return float(np.mean(_squared_distances(left, right)))


def chance_alignment(left: Left, right: Right) -> float:
    """Mean squared distance over all pairs of vectors that do not match: what alignment is without any skill.

    Exact, in time linear in the rows: the cosines of all pairs sum to the product of the sums of both sides.

    Raises:
        ProtocolError: as `alignment`; or there is one row only, so that nothing does not match.
    """
    _check_matching(left, right, fewest=2)
    number = len(left)
    lengths = sum(float(np.einsum("ij,ij->", side, side, dtype=np.float64)) for side in (left, right)) * number
    everything = lengths - 2.0 * float(left.sum(axis=0, dtype=np.float64) @ right.sum(axis=0, dtype=np.float64))
    return (everything - float(np.sum(_squared_distances(left, right)))) / (number * (number - 1))


def _squared_distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    parts = [
        np.square(left[first : first + 1024].astype(np.float64) - right[first : first + 1024]).sum(axis=1)
        for first in range(0, len(left), 1024)
    ]
    return np.concatenate(parts)


def _check_matching(left: np.ndarray, right: np.ndarray, *, fewest: int) -> None:
    check_unit(left, "left", fewest=fewest)
    check_unit(right, "right", fewest=fewest)
    _check_width(left, right)
    if len(left) != len(right):
        raise ProtocolError(
            f"matching vectors come in pairs, got {len(left)} on the left and {len(right)} on the right; keep the "
            "items that hold both"
        )


def _check_width(left: np.ndarray, right: np.ndarray) -> None:
    if left.shape[1] != right.shape[1]:
        raise ProtocolError(f"both sides lie in one space, got vectors {left.shape[1]} and {right.shape[1]} wide")
