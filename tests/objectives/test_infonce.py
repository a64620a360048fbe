from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from trichord.errors import ConfigError
from trichord.objectives import InfoNCEConfig
from trichord.objectives.infonce import info_nce
from trichord.objectives.scale import LearnableScale


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_equals_a_loop_over_rows_and_columns(smoothing: float) -> None:
    left, right = torch.randn(2, 5, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    target = [[(1 - smoothing) * (i == j) + smoothing / 5 for j in range(5)] for i in range(5)]
    total = 0.0
    for queries, gallery in ((left, right), (right, left)):
        for i in range(5):
            scores = [math.exp(2.5 * float(queries[i] @ gallery[j])) for j in range(5)]
            total -= sum(target[i][j] * math.log(scores[j] / sum(scores)) for j in range(5)) / 5
    assert info_nce(left, right, 2.5, smoothing).item() == pytest.approx(total / 2)


def test_orthonormal_rows_give_the_closed_form() -> None:
    n, scale = 6, 4.0
    expected = math.log(math.exp(scale) + n - 1) - scale
    assert info_nce(torch.eye(n), torch.eye(n), scale).item() == pytest.approx(expected, rel=1e-5)


def test_initial_scale_is_the_inverse_temperature() -> None:
    assert InfoNCEConfig(initial_temperature=0.05).build().scale().item() == pytest.approx(20, rel=1e-5)


def test_the_scale_learns() -> None:
    objective = InfoNCEConfig().build()
    left = functional.normalize(torch.randn(8, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    objective(left, left).backward()
    assert objective.scale.log_scale.grad < 0


def test_the_scale_stops_at_its_bound_and_can_come_back() -> None:
    scale = LearnableScale(99.0, max_scale=100.0)
    optimizer = torch.optim.SGD(scale.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        (-scale()).backward()
        optimizer.step()
    crossed = scale.log_scale.item()
    assert crossed > math.log(100)
    assert scale().item() == pytest.approx(100, rel=1e-5)
    optimizer.zero_grad()
    (-scale()).backward()
    assert scale.log_scale.grad == 0, "a scale at its bound is not pushed further"
    optimizer.zero_grad()
    scale().backward()
    optimizer.step()
    assert scale.log_scale.item() < crossed, "a scale at its bound follows a gradient that lowers it"


def test_below_its_bound_the_scale_is_an_exponential() -> None:
    scale = LearnableScale(3.0, max_scale=100.0)
    (gradient,) = torch.autograd.grad(scale(), scale.log_scale)
    assert gradient.item() == pytest.approx(3, rel=1e-5)


@pytest.mark.parametrize(
    ("field", "value"),
    [("initial_temperature", 0.0), ("initial_temperature", -1.0), ("label_smoothing", 1.0), ("label_smoothing", -0.1)],
)
def test_values_out_of_range_are_refused(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        InfoNCEConfig(**{field: value})


def test_a_start_above_the_bound_is_refused() -> None:
    with pytest.raises(ConfigError, match="above max_scale"):
        InfoNCEConfig(initial_temperature=0.001).build()
