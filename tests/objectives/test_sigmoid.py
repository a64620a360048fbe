from __future__ import annotations

import math

import pytest
import torch

from trichord.errors import ConfigError
from trichord.objectives import SigmoidContrastConfig
from trichord.objectives.sigmoid import sigmoid_contrast


def test_equals_a_loop_over_all_pairs() -> None:
    left, right = torch.randn(2, 5, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for i in range(5):
        for j in range(5):
            logit = 1.7 * float(left[i] @ right[j]) - 0.4
            total += math.log1p(math.exp(-logit if i == j else logit))
    assert sigmoid_contrast(left, right, 1.7, -0.4).item() == pytest.approx(total / 5)


def test_published_start() -> None:
    objective = SigmoidContrastConfig().build()
    assert objective.scale.log_scale.item() == pytest.approx(math.log(10))
    assert objective.bias.item() == -10


def test_scale_and_bias_learn() -> None:
    objective = SigmoidContrastConfig().build()
    objective(torch.eye(4), torch.eye(4)).backward()
    assert all(parameter.grad.item() != 0 for parameter in objective.parameters())


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="initial_scale"):
        SigmoidContrastConfig(initial_scale=0.0)
    with pytest.raises(ConfigError, match="initial_bias"):
        SigmoidContrastConfig(initial_bias=math.nan)
    with pytest.raises(ConfigError, match="max_scale"):
        SigmoidContrastConfig(max_scale=-1.0).build()
