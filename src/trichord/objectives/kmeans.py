"""Online k-means with cosine assignment: pure functions, fp32, memory bounded by a chunk, no loop over clusters.

Legend: n rows of width d, K centroids; x_i a row, c_k a centroid, y_i the cluster of row i.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from trichord.errors import ConfigError
from trichord.objectives.contrast import full_precision
from trichord.shapes import Float, Int, Tensor

# A row whose cosine with its centroid is this close to 1 is represented as well as fp32 can tell.
_EXACT_FIT = 1e-5
_CHUNK_ENTRIES = 2**22


class Refined(NamedTuple):
    """Result of `refine`.

    Args:
        centroids: (clusters, dim); unit vectors when spherical.
        num_iterations: updates done.
        converged: whether the last update moved the centroids by no more than the tolerance.
    """

    centroids: Float[Tensor, "clusters dim"]
    num_iterations: int
    converged: bool


class _Pass(NamedTuple):
    """One pass over the rows: (clusters, dim) weighted sums, (clusters,) members, (rows,) cosines to centroids."""

    sums: Tensor
    counts: Tensor
    fit: Tensor


def initial_rows(
    rows: Float[Tensor, "rows dim"], num_clusters: int, generator: torch.Generator
) -> Float[Tensor, "clusters dim"]:
    """Return distinct rows drawn by a CPU generator, as the first centroids.

    Raises:
        ConfigError: if there are fewer rows than clusters.
    """
    if len(rows) < num_clusters:
        raise ConfigError(
            f"{num_clusters} clusters need at least as many rows, got {len(rows)}; ask for fewer clusters"
        )
    drawn = torch.randperm(len(rows), generator=generator)[:num_clusters]
    return rows[drawn.to(rows.device)].float()


@torch.no_grad()
def assign(rows: Float[Tensor, "rows dim"], centroids: Float[Tensor, "clusters dim"]) -> Int[Tensor, " rows"]:
    """Return y_i = argmax_k cos(x_i, c_k); of equal cosines the first. A chunk of the table exists at a time."""
    # The length of x_i changes every cosine of its row alike, so the argmax needs unit centroids only.
    with full_precision(rows):
        units = functional.normalize(centroids.float(), dim=1)
        labels = [(chunk.float() @ units.T).argmax(1) for chunk in torch.split(rows, _chunk_rows(len(centroids)))]
    return torch.cat(labels)


@torch.no_grad()
def refine(
    rows: Float[Tensor, "rows dim"],
    centroids: Float[Tensor, "clusters dim"],
    *,
    spherical: bool,
    max_iterations: int,
    tolerance: float,
) -> Refined:
    """Lloyd's iterations from given centroids (a warm start, or `initial_rows`), assignment always by cosine.

    Args:
        rows: (rows, dim), of any length; computed in fp32.
        centroids: (clusters, dim) to start from; not changed.
        spherical: centroids are re-normalised means of unit rows (spherical k-means, Dhillon and Modha 2001), or else
            plain means of the rows as they are, as in the reference implementation of MCN.
        max_iterations: largest number of updates.
        tolerance: stop when the sum of squared centroid shifts of an update is no larger.

    Unlike the reference, where an empty cluster becomes zero for good, one is moved, in either mode, to one of the rows
    that are represented worst (lowest cosine to their centroid); the worst row goes to the first empty cluster and so
    on. It keeps its place where that row already coincides in direction with a centroid. The labels that belong to the
    result are `assign(rows, result.centroids)`; the reference's lag one update behind.
    """
    with full_precision(rows):
        rows, centroids = rows.float(), centroids.float()
        if spherical:
            centroids = functional.normalize(centroids, dim=1)
        for iteration in range(max_iterations):
            updated = _update(rows, centroids, spherical)
            shift = float((updated - centroids).square().sum())
            centroids = updated
            if shift <= tolerance:
                return Refined(centroids, iteration + 1, True)
    return Refined(centroids, max_iterations, False)


def _update(rows: Tensor, centroids: Tensor, spherical: bool) -> Tensor:
    """Return the means of the present members, empty clusters moved to the worst-represented rows."""
    sums, counts, fit = _pass(rows, centroids, spherical)
    means = functional.normalize(sums, dim=1) if spherical else sums / counts.clamp(min=1).unsqueeze(1)
    empty = counts == 0
    worst = fit.topk(min(len(centroids), len(rows)), largest=False)
    # The k-th empty cluster gets the k-th worst row; this needs no number of empty clusters on the host.
    order = (empty.cumsum(0) - 1).clamp(0, len(worst.indices) - 1)
    seeds = rows[worst.indices[order]]
    if spherical:
        seeds = functional.normalize(seeds, dim=1)
    worthwhile = (worst.values[order] < 1 - _EXACT_FIT).unsqueeze(1)
    return torch.where(empty.unsqueeze(1), torch.where(worthwhile, seeds, centroids), means)


def _pass(rows: Tensor, centroids: Tensor, spherical: bool) -> _Pass:
    """Assign every row, a chunk of the table at a time, and add up the members of every cluster."""
    units = functional.normalize(centroids, dim=1)
    best = [(chunk @ units.T).max(1) for chunk in torch.split(rows, _chunk_rows(len(centroids)))]
    labels, products = torch.cat([each.indices for each in best]), torch.cat([each.values for each in best])
    length = rows.norm(dim=1)
    inverse = torch.where(length > 0, 1 / length, 0.0)
    # A zero row has no direction: it counts as fitted, so that it never seeds a cluster.
    fit = torch.where(length > 0, products * inverse, 1.0)
    weights = inverse if spherical else torch.ones_like(length)
    counts = torch.zeros(len(centroids), dtype=torch.long, device=rows.device)
    counts.scatter_add_(0, labels, (weights > 0).long())
    return _Pass(_member_sums(rows, labels, weights, len(centroids)), counts, fit)


def _member_sums(rows: Tensor, labels: Tensor, weights: Tensor, num_clusters: int) -> Tensor:
    """Return the weighted sum of the rows of every label, zero for a label without rows.

    The rows are taken label by label: every row is read once, where a product with one-hot labels would read it for
    every cluster, and the order of the sums is fixed on every device, which that of index_add_ is not.
    """
    order = labels.argsort(stable=True)
    starts = torch.searchsorted(labels[order], torch.arange(num_clusters, device=rows.device))
    return functional.embedding_bag(order, rows, starts, mode="sum", per_sample_weights=weights[order])


def _chunk_rows(num_clusters: int) -> int:
    return max(1, _CHUNK_ENTRIES // num_clusters)
