"""The small convolutional network, against one written out in NumPy, and what must not change it."""

from math import erf, sqrt

import numpy as np
import pytest
import torch

from trichord.batch import Features
from trichord.config import from_dict
from trichord.encoders import ImageHead, ImageHeadConfig
from trichord.errors import ConfigError


def build(**settings) -> ImageHead:
    torch.manual_seed(0)
    head: ImageHead = ImageHeadConfig(**settings).build()
    for name, buffer in head.named_buffers():  # as after some training
        if name.endswith("running_mean"):
            buffer.normal_()
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    return head


def embed(head: ImageHead, images: np.ndarray) -> torch.Tensor:
    """Encode images (rows, height, width, depth) as an array of them is flattened."""
    flat = torch.from_numpy(images.reshape(len(images), np.prod(images.shape[1:]))).float()
    found: torch.Tensor = head(Features(flat, torch.arange(len(flat)))).embedding
    return found


def written_out(head: ImageHead, images: np.ndarray) -> np.ndarray:
    """The definition in loops: 3 x 3 windows over a border of zeros, running statistics, GELU, mean, linear map."""
    maps = images.astype(np.float64)
    for number, block in enumerate(head.blocks):
        kernel, norm = block[0].weight.detach().double().numpy(), block[1]
        stride = 1 if number == 0 else 2
        rows, height, width, _ = maps.shape
        bordered = np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
        out = np.zeros((rows, -(-height // stride), -(-width // stride), len(kernel)))
        for y in range(out.shape[1]):
            for x in range(out.shape[2]):
                window = bordered[:, y * stride : y * stride + 3, x * stride : x * stride + 3]
                out[:, y, x] = np.einsum("nabc,ocab->no", window, kernel)
        mean, variance, scale, shift = (
            part.detach().double().numpy() for part in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        )
        out = (out - mean) / np.sqrt(variance + norm.eps) * scale + shift
        maps = out * 0.5 * (1 + np.vectorize(erf)(out / sqrt(2)))
    weight, bias = head.linear.weight.detach().double().numpy(), head.linear.bias.detach().double().numpy()
    embedding: np.ndarray = maps.mean(axis=(1, 2)) @ weight.T + bias
    return embedding


@pytest.mark.parametrize(("height", "width", "depth", "channels"), [(5, 4, 3, (4, 6, 2)), (8, 8, 1, (3, 2))])
def test_it_is_what_its_definition_says(height: int, width: int, depth: int, channels: tuple[int, ...]) -> None:
    head = build(
        input_dim=height * width * depth, output_dim=7, height=height, width=width, depth=depth, channels=channels
    ).eval()
    images = np.random.default_rng(0).normal(size=(3, height, width, depth)).astype(np.float32)
    np.testing.assert_allclose(embed(head, images).detach().numpy(), written_out(head, images), atol=1e-5)


def test_a_shape_on_an_even_ground_is_the_same_wherever_it_stands() -> None:
    head = build(input_dim=100, output_dim=5, height=10, width=10, channels=(6,)).eval()
    shape = np.random.default_rng(1).normal(size=(3, 3))
    images = np.zeros((4, 10, 10, 1), dtype=np.float32)
    for row, (y, x) in enumerate([(1, 1), (2, 5), (6, 1), (6, 6)]):
        images[row, y : y + 3, x : x + 3, 0] = shape
    found = embed(head, images)
    torch.testing.assert_close(found, found[:1].expand(4, -1), atol=1e-5, rtol=0)
    turned = embed(head, np.ascontiguousarray(images[:1].transpose(0, 2, 1, 3)))
    assert not torch.allclose(turned[0], found[0], atol=1e-3), "it sees more than how much of each grey there is"


def test_brightness_is_taken_away_in_training_alone() -> None:
    head = build(input_dim=64, output_dim=5, height=8, width=8, channels=(6,))
    images = np.random.default_rng(2).normal(size=(9, 8, 8, 1)).astype(np.float32)
    torch.testing.assert_close(embed(head, images), embed(head, 3 * images), atol=1e-4, rtol=0)
    head.eval()
    assert not torch.allclose(embed(head, images), embed(head, 3 * images), atol=1e-2)


def test_training_moves_the_statistics_and_a_batch_without_images_does_not() -> None:
    head = build(input_dim=64, output_dim=5, height=8, width=8)
    before = {name: buffer.clone() for name, buffer in head.named_buffers()}
    embed(head, np.zeros((0, 8, 8, 1)))
    assert all(torch.equal(buffer, before[name]) for name, buffer in head.named_buffers())
    embed(head, np.random.default_rng(3).normal(size=(4, 8, 8, 1)))
    assert not any(torch.equal(buffer, before[name]) for name, buffer in head.named_buffers())


def test_one_image_of_one_pixel_can_be_learnt_from() -> None:
    found = embed(build(input_dim=1, output_dim=5, height=1, width=1, channels=(4, 3)), np.ones((1, 1, 1, 1)))
    assert torch.isfinite(found).all()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"height": 7}, "height \\* width \\* depth is the input_dim 64, got 7 \\* 8 \\* 1 = 56"),
        ({"depth": 2}, "= 128"),
        ({"width": 0}, "width must be at least 1"),
        ({"channels": ()}, "channels"),
        ({"channels": (4, 0)}, "channels"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_settings_that_fit_no_image_are_refused(settings: dict, told: str) -> None:
    good = {"input_dim": 64, "output_dim": 5, "height": 8, "width": 8}
    assert from_dict(ImageHeadConfig(**good).to_dict()) == ImageHeadConfig(**good)
    with pytest.raises(ConfigError, match=told):
        ImageHeadConfig(**{**good, **settings})
