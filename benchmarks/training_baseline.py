"""A training step of MCN (Chen et al., ICCV 2021) the way its reference implementation goes about it, in float32.

Written from a description of that work, for timing. Its ways of working are kept on purpose: the queue is shifted by
cloning and joined with the step's rows at every step, every row of it is assigned at every step, k-means holds whole
tables and normalises all rows again in every pass, and the softmax over columns works on a transposed copy.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

MARGIN = 0.001


class PlainHead(nn.Module):
    """Linear map, gated by a linear map of its output."""

    def __init__(self, input_dim: int, dim: int) -> None:
        super().__init__()
        self.projection = nn.Linear(input_dim, dim)
        self.context = nn.Linear(dim, dim)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map (rows, input_dim) to (rows, dim)."""
        projected = self.projection(values)
        gated: torch.Tensor = projected * torch.sigmoid(self.context(projected))
        return gated


def softmax_both_ways(similarity: torch.Tensor) -> torch.Tensor:
    """Return the margin softmax over the rows plus the one over the rows of the transposed table."""
    logits = similarity - MARGIN * torch.eye(len(similarity), device=similarity.device)
    true = torch.arange(len(similarity), device=similarity.device)
    forward = functional.nll_loss(functional.log_softmax(logits, dim=1), true)
    backward = functional.nll_loss(functional.log_softmax(logits.t(), dim=1), true)
    return forward + backward


def nearest(rows: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """Return the centroid of highest cosine for every row, from one whole table of cosines."""
    cosines = functional.normalize(rows, dim=1) @ functional.normalize(centroids, dim=1).t()
    return cosines.max(dim=1).indices


class PlainClusters:
    """Queue, centroids and labels.

    Args:
        queue: (rows, dim) remembered rows, newest first.
        centroids: (clusters, dim) to start from.
        refresh_every: steps from one k-means to the next.
        clips_per_video: consecutive rows of a video, of which the first half is remembered.
    """

    max_iterations, tolerance = 100, 1e-4

    def __init__(self, queue: torch.Tensor, centroids: torch.Tensor, refresh_every: int, clips_per_video: int) -> None:
        self.queue, self.centroids = queue, centroids
        self.refresh_every, self.clips_per_video = refresh_every, clips_per_video
        self.step = 0

    @torch.no_grad()
    def labels(self, fused: torch.Tensor) -> torch.Tensor:
        """Return the labels of the step's rows, then shift the queue and put half of the rows on top."""
        rows = torch.cat([self.queue, fused])
        labels = self.cluster(rows) if self.step % self.refresh_every == 0 else nearest(rows, self.centroids)
        self.step += 1
        videos = fused.view(-1, self.clips_per_video, fused.shape[1])
        newest = videos[:, : self.clips_per_video // 2].reshape(-1, fused.shape[1])
        self.queue[len(newest) :] = self.queue[: -len(newest)].clone()
        self.queue[: len(newest)] = newest
        return labels[-len(fused) :]

    def cluster(self, rows: torch.Tensor) -> torch.Tensor:
        """Move the centroids to the plain means of their rows until they rest; the labels are those of before."""
        numbers = torch.arange(len(self.centroids), device=rows.device).unsqueeze(1)
        labels = nearest(rows, self.centroids)
        for _ in range(self.max_iterations):
            members = (labels.unsqueeze(0) == numbers).to(rows.dtype)
            means = torch.nan_to_num(members @ rows / members.sum(dim=1, keepdim=True), nan=0.0)
            shift = (means - self.centroids).square().sum()
            self.centroids = means
            if shift <= self.tolerance:
                break
            labels = nearest(rows, self.centroids)
        return labels


class PlainTrainer:
    """Network, clusters and Adam.

    Args:
        heads: modality -> its head.
        decoders: modality -> its decoder.
        clusters: queue and centroids.
        learning_rate: of Adam.
    """

    def __init__(
        self,
        heads: Mapping[str, PlainHead],
        decoders: Mapping[str, nn.Module],
        clusters: PlainClusters,
        learning_rate: float,
    ) -> None:
        self.heads, self.decoders, self.clusters = heads, decoders, clusters
        parameters = [p for module in (*heads.values(), *decoders.values()) for p in module.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=learning_rate)

    def go_to_refresh(self) -> None:
        """Let the next step be one that refreshes the centroids."""
        self.clusters.step = self.clusters.refresh_every

    def step(self, features: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Take one step; return the loss terms."""
        vectors = {name: head(features[name]) for name, head in self.heads.items()}
        video, audio, text = vectors["video"], vectors["audio"], vectors["text"]
        contrast = (
            softmax_both_ways(text @ video.t())
            + softmax_both_ways(audio @ text.t())
            + softmax_both_ways(audio @ video.t())
        )
        labels = self.clusters.labels((video + audio + text).detach() / 3)
        cluster = torch.stack([self._centroid_loss(m, labels) for m in (video, audio, text)]).mean()
        rebuilt = {name: decoder(vectors[name]) for name, decoder in self.decoders.items()}
        reconstruction = torch.stack([functional.mse_loss(rebuilt[name], features[name]) for name in rebuilt]).sum()
        loss = contrast + cluster + 50 * reconstruction
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        return {
            "contrast": contrast.item(),
            "cluster": cluster.item(),
            "reconstruction": 50 * reconstruction.item(),
        }

    def _centroid_loss(self, vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        centroids = self.clusters.centroids
        logits = vectors @ centroids.t() - MARGIN * functional.one_hot(labels, len(centroids))
        return functional.cross_entropy(logits, labels)
