"""How evenly unit vectors cover the sphere."""

from __future__ import annotations

import numpy as np

from trichord.errors import ConfigError
from trichord.metrics.lengths import check_unit
from trichord.shapes import Float

TEMPERATURE = 2.0


def uniformity(vectors: Float[np.ndarray, "rows dim"], *, t: float = TEMPERATURE, chunk: int = 1024) -> float:
    """Logarithm of the mean Gaussian potential over all pairs of different rows, in [-4 t, 0]; lower is more even.

    log mean_{i<j} exp(-t ||x_i - x_j||^2), Wang & Isola 2020, L_uniform with t = 2, their default. 0 when all vectors
    coincide. Vectors spread evenly over a sphere of many dimensions stand at right angles, which gives about -2 t = -4;
    below that lie only few vectors that avoid each other. Rows that are equal count as any other pair. Exact: every
    pair is taken once; products are float32, sums float64.

    Args:
        vectors: rows of length one; at least two.
        t: sharpness of the potential.
        chunk: rows compared at once with as many others; bounds memory, changes the number by rounding only.

    Raises:
        ProtocolError: fewer than two rows, or one that is not of length one.
        ConfigError: t is not above 0, or chunk below 1.
    """
    if not t > 0 or chunk < 1:
        raise ConfigError(f"uniformity takes t above 0 and a chunk of at least 1 row, got t = {t} and chunk = {chunk}")
    check_unit(vectors, "only", fewest=2)
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    lengths = np.einsum("ij,ij->i", rows, rows, dtype=np.float64).astype(np.float32)
    total = 0.0
    for first in range(0, len(rows), chunk):
        here = slice(first, first + chunk)
        for second in range(first, len(rows), chunk):
            there = slice(second, second + chunk)
            distances = lengths[here, None] + lengths[None, there] - 2.0 * (rows[here] @ rows[there].T)
            potential = np.exp(-t * np.maximum(distances, 0.0))
            # A block on the diagonal holds every pair twice, and rows beside themselves: take what is above.
            total += float((np.triu(potential, 1) if first == second else potential).sum(dtype=np.float64))
    return float(np.log(total / (len(rows) * (len(rows) - 1) / 2)))
