"""Centroid contrast: pulls the modalities of a row to the cluster of their mean (MCN, Chen et al., ICCV 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch.nn import functional

from trichord.batch import Embeddings
from trichord.errors import ConfigError
from trichord.objectives.contract import (
    SetObjective,
    SetObjectiveConfig,
    check_modalities,
    check_names,
    check_positive,
)
from trichord.objectives.contrast import inner_products
from trichord.objectives.kmeans import assign, initial_rows, refine
from trichord.objectives.memory import RingBuffer
from trichord.objectives.selection import chosen_rows
from trichord.objectives.terms import LossTerms
from trichord.randomness import torch_generator
from trichord.shapes import Bool, Float, Int, Tensor


class Fused(NamedTuple):
    """One vector for each row.

    Args:
        vectors: (batch, dim) mean over the modalities a row holds; zero where it holds none.
        present: (batch,) whether the row holds any.
    """

    vectors: Float[Tensor, "batch dim"]
    present: Bool[Tensor, " batch"]


def fuse(embeddings: Embeddings, names: Sequence[str]) -> Fused:
    """Return f = the mean of the vectors of the named modalities that a row holds."""
    held = torch.stack([embeddings.present[name] for name in names])
    total = sum_held(embeddings, names)
    return Fused(total / held.sum(0).clamp(min=1).unsqueeze(1), held.any(0))


def sum_held(embeddings: Embeddings, names: Sequence[str]) -> Float[Tensor, "batch dim"]:
    """Return the sum of the vectors of the named modalities that a row holds, whatever stands where it holds none."""
    total: Tensor | None = None
    for name in names:
        vectors, present = embeddings.vectors[name], embeddings.present[name]
        if not bool(present.all()):
            vectors = vectors.masked_fill(~present.unsqueeze(1), 0.0)
        total = vectors if total is None else total + vectors
    assert total is not None, "at least one modality is named"
    return total


def centroid_cross_entropy(
    vectors: Float[Tensor, "rows dim"],
    labels: Int[Tensor, " rows"],
    centroids: Float[Tensor, "clusters dim"],
    margin: float,
    temperature: float | None,
) -> Float[Tensor, ""]:
    """Return mean_i CE(s_i - margin onehot(y_i), y_i), s_i the similarities of row i to the centroids.

    Without a temperature s is the raw inner product, as published. With one it is the cosine, and the logits,
    margin included, are divided by the temperature. No rows give 0, attached to the graph.
    """
    if temperature is not None:
        vectors, centroids = functional.normalize(vectors, dim=1), functional.normalize(centroids, dim=1)
    logits = inner_products(vectors, centroids.to(vectors.dtype))
    if len(logits) == 0:
        return logits.sum()
    logits = logits - margin * functional.one_hot(labels, len(centroids))
    return functional.cross_entropy(logits if temperature is None else logits / temperature, labels)


@dataclass(frozen=True, kw_only=True)
class ClusterConfig(SetObjectiveConfig):
    """Configuration of `Cluster`.

    As published: contrast="modality", centroids="mean", margin=0.001, temperature=None, num_clusters=256,
    memory_size=40960 at 4,096 rows a step, memory_share=0.5, refresh_every=20, max_iterations=100, tolerance=1e-4.

    Args:
        modalities: names that are clustered and contrasted.
        dim: width of the joint space.
        num_clusters: number of centroids K.
        contrast: whether each modality is contrasted with the centroids, or the mean of the modalities.
        centroids: "spherical" (unit means of unit rows) or "mean" (means of rows as they are).
        margin: subtracted from the similarity to the own centroid.
        temperature: None for raw inner products, or else the temperature of cosines.
        memory_size: rows remembered from earlier steps; 0 for none.
        memory_share: share of each step's rows that is remembered, in (0, 1].
        refresh_every: training steps from one full k-means to the next.
        max_iterations, tolerance: when a k-means stops, see `kmeans.refine`.
        seed: chooses the rows the first centroids start from.
    """

    modalities: tuple[str, ...]
    dim: int
    num_clusters: int = 256
    contrast: Literal["modality", "fused"] = "modality"
    centroids: Literal["spherical", "mean"] = "spherical"
    margin: float = 0.001
    temperature: float | None = 0.1
    memory_size: int = 40960
    memory_share: float = 0.5
    refresh_every: int = 20
    max_iterations: int = 20
    tolerance: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names("modalities", self.modalities)
        for field in ("dim", "num_clusters", "refresh_every", "max_iterations", "memory_share"):
            check_positive(field, getattr(self, field))
        for field in ("margin", "tolerance", "memory_size"):
            value = getattr(self, field)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{field} must be a finite number of at least 0, got {value}")
        if self.memory_share > 1:
            raise ConfigError(f"memory_share is a share of the rows and at most 1, got {self.memory_share}")
        if self.temperature is not None:
            check_positive("temperature", self.temperature)
        for field, allowed in (("contrast", ("modality", "fused")), ("centroids", ("spherical", "mean"))):
            if getattr(self, field) not in allowed:
                raise ConfigError(f"{field} must be one of {allowed}, got {getattr(self, field)!r}")


class Cluster(SetObjective):
    """Cross-entropy of embeddings against the centroids of an online k-means over fused rows.

    f_i is the mean of the modalities row i holds, detached. Every `refresh_every` training steps k-means runs on the
    memory and the current rows, warm-started from the present centroids; in between only the current rows are assigned,
    which gives them the same labels as assigning everything (the centroids are the same). Gradients reach the
    embeddings through their similarity to the centroids only.

    How this differs from the reference implementation (numbers of the list of its faults): in both modes empty clusters
    are re-seeded, labels belong to the final centroids and everything is fp32 (10); the memory is a ring buffer that
    takes part from its first row on, any batch shape goes, and only current rows are assigned between refreshes (11);
    centroids outlive the epoch (12). The rows remembered are spread evenly over the step (where clips come video after
    video: the same number from each) where the reference takes the first half of every video's clips.

    State (centroids, memory, number of steps, whether centroids exist) advances in training mode only. Until there
    were at least `num_clusters` rows the terms are zeros, attached to the graph.
    """

    centroids: Tensor
    num_steps: Tensor
    initialised: Tensor

    def __init__(self, config: ClusterConfig) -> None:
        super().__init__()
        self.config = config
        self.memory = RingBuffer(config.memory_size, config.dim)
        self.register_buffer("centroids", torch.zeros(config.num_clusters, config.dim))
        self.register_buffer("num_steps", torch.tensor(0))
        self.register_buffer("initialised", torch.tensor(False))

    def forward(self, embeddings: Embeddings) -> LossTerms:
        """Return a term for each modality, each divided by their number, or the one term "fused".

        A modality's term is the mean over the rows that hold it.

        Raises:
            ConfigError: if the embeddings lack a modality or have another width.
        """
        names = self.config.modalities
        check_modalities(embeddings, names, "cluster")
        self._check_width(embeddings)
        fused = fuse(embeddings, names)
        current = chosen_rows(fused.vectors.detach(), fused.present).float()
        if self.training:
            self._advance(current)
        labels = torch.zeros(len(fused.present), dtype=torch.long, device=current.device)
        labels[fused.present] = assign(current, self.centroids)
        if self.training:
            self._remember(current)
        if self.config.contrast == "fused":
            return LossTerms({"fused": self._term(fused.vectors, fused.present, labels)})
        share = 1 / len(names)
        return LossTerms(
            {name: share * self._term(embeddings.vectors[name], embeddings.present[name], labels) for name in names}
        )

    def _term(self, vectors: Tensor, present: Tensor, labels: Tensor) -> Float[Tensor, ""]:
        if not bool(self.initialised):
            return 0.0 * vectors.float().sum()
        # A copy, because the next step writes the centroids in place, perhaps before this step's backward pass.
        centroids = self.centroids.clone()
        return centroid_cross_entropy(
            chosen_rows(vectors, present),
            chosen_rows(labels, present),
            centroids,
            self.config.margin,
            self.config.temperature,
        )

    @torch.no_grad()
    def _advance(self, current: Float[Tensor, "rows dim"]) -> None:
        """Count the step and, when it is due and there are rows enough, run k-means on memory and current rows."""
        step = int(self.num_steps)
        self.num_steps.add_(1)
        if bool(self.initialised) and step % self.config.refresh_every != 0:
            return
        rows = torch.cat([self.memory.content(), current])
        if len(rows) < self.config.num_clusters:
            return
        start = self.centroids
        if not bool(self.initialised):
            generator = torch_generator(self.config.seed, "first centroids", step)
            start = initial_rows(rows, self.config.num_clusters, generator)
        refined = refine(
            rows,
            start,
            spherical=self.config.centroids == "spherical",
            max_iterations=self.config.max_iterations,
            tolerance=self.config.tolerance,
        )
        self.centroids.copy_(refined.centroids)
        self.initialised.fill_(True)

    def _remember(self, current: Float[Tensor, "rows dim"]) -> None:
        """Push the share of the rows that is remembered, spread evenly over them."""
        if len(current) == 0:
            return
        count = max(1, round(self.config.memory_share * len(current)))
        chosen = torch.arange(count, device=current.device) * len(current) // count
        self.memory.push(current[chosen])

    def _check_width(self, embeddings: Embeddings) -> None:
        for name in self.config.modalities:
            width = embeddings.vectors[name].shape[1]
            if width != self.config.dim:
                raise ConfigError(f"cluster is set to dim {self.config.dim}, but {name!r} has width {width}")


ClusterConfig.builds = Cluster
