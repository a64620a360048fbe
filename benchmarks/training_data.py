"""Sizes and features for the training-step benchmark: the published proportions of MCN, scaled down."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from trichord.randomness import torch_generator

PUBLISHED_DIM, PUBLISHED_DECODER, PUBLISHED_QUEUE_STEPS, PUBLISHED_REFRESH = 6144, 1024, 10, 20
# Audio after its trunk and text as a mean of word vectors: the heads alone, without trunk and words.
PUBLISHED_WIDTHS = {"video": 4096, "audio": 1024, "text": 300}


@dataclass(frozen=True)
class StepSize:
    """Sizes of one step; everything else follows the published proportions.

    Args:
        batch_size: rows of a step.
        dim: width of the joint space; input and decoder widths are the published ones times dim / 6144.
        num_clusters: centroids.
        clips_per_video: consecutive rows that come from one video.
    """

    batch_size: int
    dim: int
    num_clusters: int = 256
    clips_per_video: int = 32

    @property
    def queue_rows(self) -> int:
        """Rows remembered: ten steps' worth."""
        return PUBLISHED_QUEUE_STEPS * self.batch_size

    @property
    def hidden(self) -> int:
        """Hidden width of a decoder."""
        return PUBLISHED_DECODER * self.dim // PUBLISHED_DIM

    @property
    def input_widths(self) -> dict[str, int]:
        """Modality -> width of its features."""
        return {name: width * self.dim // PUBLISHED_DIM for name, width in PUBLISHED_WIDTHS.items()}

    def describe(self) -> str:
        """Return the sizes in words."""
        return (
            f"{self.batch_size} rows, dim {self.dim}, {self.num_clusters} clusters, "
            f"memory {self.queue_rows}, refresh every {PUBLISHED_REFRESH} steps"
        )


def draw_features(size: StepSize, step: int) -> dict[str, torch.Tensor]:
    """Return non-negative unit vectors of every modality that share one of `num_clusters` groups in each row."""
    fixed = torch_generator(0, "benchmark groups")
    varying = torch_generator(0, "benchmark rows", step)
    groups = torch.randn(size.num_clusters, 32, generator=fixed)
    chosen = torch.randint(size.num_clusters, (size.batch_size,), generator=varying)
    latent = groups[chosen] + 0.5 * torch.randn(size.batch_size, 32, generator=varying)
    features = {}
    for name, width in size.input_widths.items():
        mixing = torch.randn(32, width, generator=fixed)
        features[name] = torch.nn.functional.normalize((latent @ mixing).abs(), dim=1)
    return features
