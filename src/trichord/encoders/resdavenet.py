"""ResDAVEnet: a residual convolutional network over the frames of a log-mel spectrogram.

| symbol | meaning |
|---|---|
| mel | frequency bands, collapsed to one position by the first convolution |
| time | frames; every stage halves them, rounding up |
| true | (rows, 1, 1, time) which positions are no padding; None lets padding act like any frame |
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from trichord.encoders.normalization import GlobalBatchNorm2d
from trichord.encoders.padding import true_positions
from trichord.shapes import Bool, Float, Int, Tensor

KERNEL_WIDTH = 9
BLOCKS_PER_STAGE = 2


def halved(lengths: Int[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """Return how many positions a stride of two leaves: half, rounded up."""
    return (lengths + 1) // 2


def zero_padding(
    values: Float[Tensor, "rows channels 1 time"], true: Bool[Tensor, "rows 1 1 time"] | None
) -> Float[Tensor, "rows channels 1 time"]:
    """Set what lies beyond a row's length to zero, as the convolution does beyond the end of the tensor."""
    return values if true is None else values.masked_fill(~true, 0)


class ResidualBlock(nn.Module):
    """Two 1 x 9 convolutions with batch normalisation and a shortcut around them.

    Args:
        input_width, output_width: channels.
        stride: 1, or 2 to halve the time axis; a block that changes shape has a 1 x 1 convolution as shortcut.
    """

    def __init__(self, input_width: int, output_width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(input_width, output_width, (1, KERNEL_WIDTH), stride)
        self.norm1 = GlobalBatchNorm2d(output_width)
        self.conv2 = _conv(output_width, output_width, (1, KERNEL_WIDTH), 1)
        self.norm2 = GlobalBatchNorm2d(output_width)
        changes = stride != 1 or input_width != output_width
        self.shortcut = _conv(input_width, output_width, (1, 1), stride) if changes else None
        self.shortcut_norm = GlobalBatchNorm2d(output_width) if changes else None

    def forward(
        self, values: Float[Tensor, "rows channels 1 time"], true: Bool[Tensor, "rows 1 1 newtime"] | None
    ) -> Float[Tensor, "rows newchannels 1 newtime"]:
        """Map (rows, input_width, 1, time) to (rows, output_width, 1, time / stride); `true` is of the output."""
        inner = functional.relu(self.norm1(self.conv1(values), true))
        inner = self.norm2(self.conv2(zero_padding(inner, true)), true)
        if self.shortcut is not None and self.shortcut_norm is not None:
            values = self.shortcut_norm(self.shortcut(values), true)
        return zero_padding(functional.relu(inner + values), true)


class ResDAVEnet(nn.Module):
    """Audio trunk of AVLnet and MCN (Harwath et al. 2020; Chen et al. 2021).

    A convolution over all mel bands of one frame, then stages of two residual blocks over time, the first block of
    each with stride two. Convolution weights start from N(0, 2 / (kernel size * output channels)).

    Padding: a convolution mixes neighbours, so what stands in the padding reaches true positions, four further with
    each layer. With `lengths`, activations of padding are set to zero before every convolution that looks sideways,
    and batch statistics leave them out: a clip's output is what it would be alone, without any padding.

    Args:
        num_mels: mel bands.
        widths: channels of the stages; the first convolution has the first width.
        unused_input_norm: register the input batch norm that the reference builds and never calls. Its two parameters
            are part of the published count and of released weights; they take no gradient here either.
    """

    def __init__(self, num_mels: int, widths: tuple[int, ...], *, unused_input_norm: bool = False) -> None:
        super().__init__()
        self.reduction = 2 ** len(widths)
        if unused_input_norm:
            self.input_norm = nn.BatchNorm2d(1).requires_grad_(False)
        self.stem = _conv(1, widths[0], (num_mels, 1), 1)
        self.stem_norm = GlobalBatchNorm2d(widths[0])
        self.stages = nn.ModuleList()
        for before, width in zip((widths[0], *widths), widths, strict=False):
            blocks = [ResidualBlock(before, width, 2)]
            blocks += [ResidualBlock(width, width, 1) for _ in range(BLOCKS_PER_STAGE - 1)]
            self.stages.append(nn.ModuleList(blocks))

    def forward(
        self, spectrograms: Float[Tensor, "rows time mel"], lengths: Int[Tensor, " rows"] | None
    ) -> Float[Tensor, "rows newtime width"]:
        """Map spectrograms to (rows, time / reduction rounded up, last width).

        Args:
            spectrograms: (rows, time, mel) log-mel, padded at the end.
            lengths: (rows,) true frames, to keep padding out; None treats padding like any frame, as published.
        """
        values = spectrograms.transpose(1, 2)[:, None]
        true = _positions(lengths, values.shape[3])
        values = zero_padding(functional.relu(self.stem_norm(self.stem(values), true)), true)
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleList)
            lengths = None if lengths is None else halved(lengths)
            true = _positions(lengths, (values.shape[3] + 1) // 2)
            for block in stage:
                values = block(values, true)
        return values[:, :, 0].transpose(1, 2)


def _positions(lengths: Tensor | None, time: int) -> Tensor | None:
    return None if lengths is None else true_positions(lengths, time)[:, None, None]


def _conv(input_width: int, output_width: int, kernel: tuple[int, int], stride: int) -> nn.Conv2d:
    padding = (0, (kernel[1] - 1) // 2)
    conv = nn.Conv2d(input_width, output_width, kernel, stride=stride, padding=padding, bias=False)
    with torch.no_grad():
        conv.weight.normal_(0, math.sqrt(2 / (kernel[0] * kernel[1] * output_width)))
    return conv
