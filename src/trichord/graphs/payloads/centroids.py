"""Centroid posteriors: to which groups of items an item belongs, in the eyes of the source.

Legend: f_i and g_i the fused items of source and target, the mean of the vectors of the sides that a node holds; y_i
the cluster of f_i; c_k and d_k the means of the f_i and of the g_i with y_i = k; T the temperature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn import functional

from trichord.graphs.divergence import unlikeness
from trichord.graphs.output import NodeOutput
from trichord.graphs.overlap import held, places, shared_sides, widened
from trichord.graphs.payload import Payload, PayloadConfig, RowLosses, mean_by_item
from trichord.objectives.contract import check_positive
from trichord.objectives.contrast import full_precision
from trichord.objectives.kmeans import assign, initial_rows, refine
from trichord.randomness import torch_generator
from trichord.shapes import Bool, Float, Int, Tensor


@dataclass(frozen=True, kw_only=True)
class CentroidsConfig(PayloadConfig):
    """Configuration of `Centroids`.

    Args:
        num_clusters: number of groups; as many as there are items where these are fewer.
        temperature: divides the cosines of both nodes.
        max_iterations: most updates of the k-means of a step.
    """

    answers: ClassVar[Literal["sides", "classes", "both"]] = "both"
    needs_vectors: ClassVar[bool] = True

    num_clusters: int = 16
    temperature: float = 0.1
    max_iterations: int = 10

    def __post_init__(self) -> None:
        for field in ("num_clusters", "temperature", "max_iterations"):
            check_positive(field, getattr(self, field))


class Centroids(Payload):
    """KL(softmax(cos(f_i, c) / T) || softmax(cos(v_i, d) / T)) for every side v_i of item i that the target holds.

    The items of the batch that hold any side in the source and any side in the target take part, and need not be the
    same side: an item of which the source knows the text and the target the picture teaches which group the picture is
    in. In every step k-means groups the f_i, from a start that the seed draws; the target gets a centroid of its own
    for each group, the mean of the same items, because the spaces of two nodes have nothing in common. An item's loss
    is the mean over the sides that the target holds of it. Gradients reach the target through its sides and through
    its centroids. A group that no item belongs to is left out.

    The centroid posteriors are those of MCN (Chen et al., ICCV 2021), which has one space and contrasts with the label
    of the group; here the posterior of the teacher stands in place of the label. A node that is its own teacher has a
    loss of 0 only where its sides agree: the fused item teaches each side. Push: the cosine of the two posteriors.
    """

    def __init__(self, config: CentroidsConfig, *, source_dim: int = 0, target_dim: int = 0) -> None:
        super().__init__(config, source_dim=source_dim, target_dim=target_dim)
        self.config = config

    def forward(self, source: NodeOutput, target: NodeOutput, *, push: bool, seed: int) -> RowLosses:
        """Compare the posteriors; see the class."""
        shared_sides(source, target)
        items = _holding(source) & _holding(target)
        theirs, ours = _fused(source, items), _fused(target, items)
        with torch.no_grad():
            labels, num_clusters = self._groups(theirs, seed)
            source_cosines = theirs.new_zeros(len(items), num_clusters)
            source_cosines[items] = _cosines(theirs, _means(theirs, labels, num_clusters))
        centroids = _means(ours, labels, num_clusters)
        parts = []
        for side in target.sides.values():
            chosen = side.present & items
            cosines = _cosines(held(side, chosen), centroids)
            losses = unlikeness(source_cosines[chosen], cosines, self.config.temperature, push=push)
            parts.append(RowLosses(losses, places(chosen)))
        return mean_by_item(parts, len(items))

    def _groups(self, fused: Tensor, seed: int) -> tuple[Tensor, int]:
        """Return the group of every item, numbered without gaps, and their number, at least 1."""
        num_clusters = min(self.config.num_clusters, len(fused))
        if not num_clusters:
            return torch.zeros(0, dtype=torch.long, device=fused.device), 1
        start = initial_rows(fused, num_clusters, torch_generator(seed, "centroids"))
        refined = refine(fused, start, spherical=False, max_iterations=self.config.max_iterations, tolerance=_TOLERANCE)
        labels = assign(fused, refined.centroids)
        used = torch.zeros(num_clusters, dtype=torch.bool, device=fused.device)
        used[labels] = True
        return (used.cumsum(0) - 1)[labels], int(used.sum())


_TOLERANCE = 1e-4


def _holding(output: NodeOutput) -> Bool[Tensor, " batch"]:
    """Return which items hold any side."""
    return torch.stack([side.present for side in output.sides.values()]).any(0)


def _fused(output: NodeOutput, items: Bool[Tensor, " batch"]) -> Float[Tensor, "rows dim"]:
    """Return the mean of the unit vectors of the sides that each of the chosen items holds."""
    total, count = None, torch.zeros_like(items, dtype=torch.long)
    for side in output.sides.values():
        units = functional.normalize(widened(side.vectors), dim=1).masked_fill(~side.present.unsqueeze(1), 0.0)
        total, count = units if total is None else total + units, count + side.present
    assert total is not None, "shared_sides has found a side"
    return total[items] / count[items].unsqueeze(1)


def _means(rows: Float[Tensor, "rows dim"], labels: Int[Tensor, " rows"], num: int) -> Float[Tensor, "clusters dim"]:
    """Return the mean of the rows of every label; as a product, so that the order of the sums is fixed."""
    members = functional.one_hot(labels, num).to(rows.dtype).T
    with full_precision(rows):
        return (members @ rows) / members.sum(1, keepdim=True).clamp(min=1)


def _cosines(rows: Float[Tensor, "rows dim"], centroids: Float[Tensor, "clusters dim"]) -> Tensor:
    with full_precision(rows):
        return functional.normalize(rows, dim=1) @ functional.normalize(centroids, dim=1).T


CentroidsConfig.builds = Centroids
