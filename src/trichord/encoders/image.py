"""A small convolutional network for images of a few pixels that are stored as flat vectors."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from trichord.batch import Encoded, Features
from trichord.encoders.contract import Encoder, EncoderConfig
from trichord.encoders.normalization import GlobalBatchNorm2d
from trichord.errors import ConfigError
from trichord.shapes import Float, Tensor

KERNEL_WIDTH = 3


@dataclass(frozen=True, kw_only=True)
class ImageHeadConfig(EncoderConfig):
    """Settings of `ImageHead`.

    Args:
        height, width: of an image, in pixels.
        depth: values per pixel, 1 for grey. An image is flattened as an array (height, width, depth) is, so that the
            values of a pixel lie together; `input_dim` is the product of the three.
        channels: width of each block; every block after the first halves height and width, rounding up.
        dropout: share of the pooled channels set to zero in training.
    """

    height: int
    width: int
    depth: int = 1
    channels: tuple[int, ...] = (16, 32)
    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        for side in ("height", "width", "depth"):
            if getattr(self, side) < 1:
                raise ConfigError(f"{name}.{side} must be at least 1, got {getattr(self, side)}")
        if self.height * self.width * self.depth != self.input_dim:
            raise ConfigError(
                f"{name}: height * width * depth is the input_dim {self.input_dim}, got "
                f"{self.height} * {self.width} * {self.depth} = {self.height * self.width * self.depth}"
            )
        if not self.channels or min(self.channels) < 1:
            raise ConfigError(f"{name}.channels holds at least one width, each at least 1, got {self.channels}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"{name}.dropout must lie in [0, 1), got {self.dropout}")


class ImageHead(Encoder):
    """Blocks of convolution (3 x 3), batch normalisation and GELU; the mean over all positions; a linear map.

    y = W dropout(mean over positions of blocks(x)) + b. The batch statistics are those of the images of the global
    batch; without an image in it the running ones stay as they are.
    """

    sequences = False

    def __init__(self, config: ImageHeadConfig) -> None:
        super().__init__(config)
        self.height, self.width, self.depth = config.height, config.width, config.depth
        widths = (config.depth, *config.channels)
        self.blocks = nn.Sequential(
            *(_block(widths[k], widths[k + 1], stride=1 if k == 0 else 2) for k in range(len(config.channels)))
        )
        self.dropout = nn.Dropout(config.dropout)
        self.linear = nn.Linear(config.channels[-1], config.output_dim)

    def forward(self, features: Features) -> Encoded:
        """Encode flat images (rows, height * width * depth)."""
        values = self.checked_values(features)
        maps: Tensor = self.blocks(self.images(values))
        embedding: Tensor = self.linear(self.dropout(maps.mean(dim=(2, 3))))
        return Encoded(embedding, values)

    def images(self, values: Float[Tensor, "rows features"]) -> Float[Tensor, "rows depth height width"]:
        """Return flat images as maps, one per value of a pixel."""
        stacked = values.reshape(len(values), self.height, self.width, self.depth)
        return stacked.permute(0, 3, 1, 2).contiguous()


def _block(input_width: int, output_width: int, stride: int) -> nn.Sequential:
    # The normalisation takes the mean away, and a bias with it.
    return nn.Sequential(
        nn.Conv2d(input_width, output_width, KERNEL_WIDTH, stride=stride, padding=KERNEL_WIDTH // 2, bias=False),
        GlobalBatchNorm2d(output_width),
        nn.GELU(),
    )


ImageHeadConfig.builds = ImageHead
