"""Batch normalisation over the global batch, and over true positions only."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from trichord.dist import sum_processes, world_size
from trichord.shapes import Bool, Float, Tensor


class Moments(NamedTuple):
    """Statistics of every channel.

    Args:
        mean: (1, channels, 1, 1).
        variance: (1, channels, 1, 1), squared deviations divided by the count.
        num_positions: positions they were taken over.
    """

    mean: Tensor
    variance: Tensor
    num_positions: Tensor


def global_moments(
    values: Float[Tensor, "rows channels height width"], true: Bool[Tensor, "rows 1 1 width"]
) -> Moments:
    """Return mean, variance and count over the true positions of all processes, with gradient.

    Two passes rather than E[x^2] - E[x]^2, which cancels when the mean is large beside the deviation, as it is for
    log-mel spectrograms. With no true position anywhere, mean and variance are zero.
    """
    axes = (0, 2, 3)
    count = sum_processes(true.sum() * values.shape[2]).to(values.dtype)
    divisor = count.clamp_min(1)
    mean = sum_processes(values.masked_fill(~true, 0).sum(axes, keepdim=True)) / divisor
    squares = (values - mean).masked_fill(~true, 0).square()
    return Moments(mean, sum_processes(squares.sum(axes, keepdim=True)) / divisor, count)


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """`BatchNorm2d` whose training statistics are those of the global batch, with the same state dictionary.

    With several processes, output, running statistics and (averaged over processes, see `trichord.dist`) gradients
    equal those of one process on the union of the rows; a process may hold no row at all. PyTorch's SyncBatchNorm does
    this on GPUs only, and knows no padding. Every process must call it equally often.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features)

    def forward(
        self, input: Float[Tensor, "rows channels height width"], true: Bool[Tensor, "rows 1 1 width"] | None = None
    ) -> Float[Tensor, "rows channels height width"]:
        """Normalise every channel.

        Args:
            input: (rows, channels, height, width).
            true: (rows, 1, 1, width) which positions the training statistics are taken over; None for all of them.
        """
        # PyTorch's own refuses to train on fewer than two values of a channel; here they are merely uninformative.
        native = world_size() == 1 and true is None and input.numel() > self.num_features
        if native or not self.training:
            return super().forward(input)
        if true is None:
            true = torch.ones(len(input), 1, 1, input.shape[3], dtype=torch.bool, device=input.device)
        # Half precision is for the products; sums over a batch need float32.
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        moments = global_moments(values, true)
        self._update_running(moments)
        scale = self.weight[:, None, None] * (moments.variance + self.eps).rsqrt()
        return (values * scale + (self.bias[:, None, None] - moments.mean * scale)).to(input.dtype)

    @torch.no_grad()
    def _update_running(self, moments: Moments) -> None:
        assert self.running_mean is not None, "statistics are always tracked"
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        count = moments.num_positions
        filled = count > 0
        unbiased = moments.variance * count / (count - 1).clamp_min(1)
        share = (self.momentum * filled).to(self.running_mean)
        self.running_mean.lerp_(moments.mean.flatten().to(self.running_mean), share)
        self.running_var.lerp_(unbiased.flatten().to(self.running_var), share)
        self.num_batches_tracked.add_(filled)
