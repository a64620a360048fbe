"""Whether few gallery rows are near everything: how often each is among the queries' nearest, and how unevenly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from trichord.errors import ConfigError, ProtocolError
from trichord.metrics.duplicates import distinct_rows
from trichord.metrics.ranks import check_vectors
from trichord.shapes import Float, Tensor

DEPTH = 10


@dataclass(frozen=True)
class Hubness:
    """How unevenly gallery rows are retrieved.

    Args:
        skewness: of the counts N_k over gallery rows; 0 for a symmetric distribution, large and positive with hubs.
        antihub_share: share of gallery rows in no query's k nearest, in [0, 1].
        largest_hub_share: share of queries that have the most frequent gallery row among their k nearest, in [0, 1].
        k: depth.
    """

    skewness: float
    antihub_share: float
    largest_hub_share: float
    k: int


def occurrence_counts(
    queries: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"], k: int = DEPTH, chunk: int = 512
) -> Float[np.ndarray, " gallery"]:
    """Count for every gallery row how many queries have it among their k nearest by dot product: N_k.

    Rows that tie at the border share the places that are left there: with m rows strictly above and t at the score of
    the k-th, each of the t counts (k - m) / t, its expectation under random order. So the counts depend on no order of
    rows and always sum to queries x k. Equal gallery rows are scored once, so they tie on every machine.

    Args:
        k: depth; below the number of gallery rows.
        chunk: queries scored at once; bounds memory to a few times chunk x gallery numbers.

    Raises:
        ConfigError: k or chunk is below 1.
        ProtocolError: a side is empty, the gallery has no more than k rows, or a vector is zero or not finite.
    """
    if k < 1 or chunk < 1:
        raise ConfigError(f"k and chunk count rows and are at least 1, got {k} and {chunk}")
    if not len(queries) or len(gallery) <= k:
        raise ProtocolError(
            f"the {k} nearest of {len(gallery)} gallery rows for {len(queries)} queries tell nothing; take at least "
            "one query and a depth below the size of the gallery"
        )
    check_vectors(queries, "query")
    check_vectors(gallery, "gallery")
    rows = gallery.float()
    distinct = distinct_rows(rows)
    scored = rows if distinct is None else rows[torch.from_numpy(distinct.representatives)]
    counts = np.zeros(len(gallery))
    for first in range(0, len(queries), chunk):
        scores = (queries[first : first + chunk].float() @ scored.T).cpu().numpy()
        every = scores if distinct is None else scores[:, distinct.index]
        border = np.partition(every, len(gallery) - k, axis=1)[:, len(gallery) - k, None]
        above, level = every > border, every == border
        shares = (k - above.sum(axis=1)) / level.sum(axis=1)
        counts += above.sum(axis=0) + shares @ level
    return counts


def measure_hubness(
    queries: Float[Tensor, "queries dim"], gallery: Float[Tensor, "gallery dim"], k: int = DEPTH, chunk: int = 512
) -> Hubness:
    """Measure how unevenly gallery rows are retrieved; arguments and errors as `occurrence_counts`.

    The skewness of N_k, E[(N_k - mean)^3] / std^3, is the measure of Radovanovic et al. 2010, "Hubs in space", who
    count neighbours within one set; here queries and gallery are two.
    """
    counts = occurrence_counts(queries, gallery, k, chunk)
    centred = counts - counts.mean()
    deviation = float(np.sqrt(np.mean(centred**2)))
    skewness = float(np.mean(centred**3)) / deviation**3 if deviation > 1e-9 * k else 0.0
    return Hubness(skewness, float(np.mean(counts == 0)), float(counts.max()) / len(queries), k)


def chance_hubness(num_queries: int, gallery_size: int, k: int = DEPTH) -> Hubness:
    """Hubness of a gallery from which every query draws k different rows at random.

    A row's count is then binomial with n = queries and p = k / gallery: skewness (1 - 2 p) / sqrt(n p (1 - p)), and a
    row is never retrieved with probability (1 - p)^n. The largest share has no closed form; it is given as the expected
    share p, which no gallery's largest hub lies below.
    """
    if num_queries < 1 or not 1 <= k < gallery_size:
        raise ProtocolError(f"{k} of {gallery_size} rows cannot be drawn at random for {num_queries} queries")
    p = k / gallery_size
    skewness = (1.0 - 2.0 * p) / float(np.sqrt(num_queries * p * (1.0 - p)))
    return Hubness(skewness, (1.0 - p) ** num_queries, p, k)
