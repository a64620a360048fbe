from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from processes import run_processes
from torch import nn

from trichord import dist
from trichord.encoders import GlobalBatchNorm2d

SHARDS = [3, 1, 0]


def norm() -> GlobalBatchNorm2d:
    module = GlobalBatchNorm2d(2).double()
    with torch.no_grad():
        module.weight.copy_(torch.tensor([1.5, -0.7]))
        module.bias.copy_(torch.tensor([0.2, 3.0]))
    return module


def sample() -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, 2, 1, 5) with a mean far from zero, and which positions are true."""
    generator = torch.Generator().manual_seed(5)
    values = torch.randn(sum(SHARDS), 2, 1, 5, generator=generator, dtype=torch.float64) * 3 - 60
    true = torch.arange(5) < torch.tensor([5, 2, 4, 1])[:, None]
    return values, true[:, None, None]


def one_step(values: torch.Tensor, true: torch.Tensor | None, module: nn.BatchNorm2d | None = None) -> dict[str, Any]:
    """A loss over the gathered rows in which every row has another weight."""
    module = norm() if module is None else module
    values = values.clone().requires_grad_()
    output = module(values) if true is None else module(values, true)
    gathered = dist.gather_rows(output)
    weights = torch.arange(1, gathered.numel() + 1, dtype=gathered.dtype).view_as(gathered)
    (gathered.sin() * weights).sum().backward()  # type: ignore[no-untyped-call]
    return {
        "output": output.detach(),
        "values": values.grad,
        "parameters": {name: parameter.grad for name, parameter in module.named_parameters()},
        "buffers": dict(module.named_buffers()),
    }


def both_ways(values: torch.Tensor, true: torch.Tensor) -> dict[str, Any]:
    return {"plain": one_step(values, None), "masked": one_step(values, true)}


def in_each_process() -> dict[str, Any]:
    values, true = sample()
    return both_ways(torch.split(values, SHARDS)[dist.rank()], torch.split(true, SHARDS)[dist.rank()])


def test_several_processes_are_one(tmp_path: Path) -> None:
    alone, shards = both_ways(*sample()), run_processes(in_each_process, len(SHARDS), tmp_path)
    for way, expected in alone.items():
        found = [shard[way] for shard in shards]
        torch.testing.assert_close(torch.cat([one["output"] for one in found]), expected["output"])
        # Row owners receive world size times the gradient, which the average over processes takes away again.
        inputs = torch.cat([one["values"] for one in found]) / len(SHARDS)
        torch.testing.assert_close(inputs, expected["values"])
        for name, gradient in expected["parameters"].items():
            average = torch.stack([one["parameters"][name] for one in found]).mean(dim=0)
            torch.testing.assert_close(average, gradient)
        for one in found:
            torch.testing.assert_close(one["buffers"], expected["buffers"])


def test_all_positions_true_is_the_native_batch_norm() -> None:
    values, true = sample()
    native = nn.BatchNorm2d(2).double()
    native.load_state_dict(norm().state_dict())
    expected = one_step(values, None, native)
    torch.testing.assert_close(one_step(values, torch.ones_like(true)), expected)
    torch.testing.assert_close(one_step(values, None), expected)


def test_masked_statistics_are_those_of_the_true_positions() -> None:
    values, true = sample()
    module = norm()
    output = module(values, true)
    assert module.running_mean is not None
    assert module.running_var is not None
    for channel in range(2):
        kept = values[:, channel][true[:, 0]]
        expected = (values[:, channel] - kept.mean()) / (kept.var(correction=0) + 1e-5).sqrt()
        expected = expected * module.weight[channel] + module.bias[channel]
        torch.testing.assert_close(output[:, channel], expected)
        assert float(module.running_mean[channel]) == pytest.approx(0.1 * float(kept.mean()))
        assert float(module.running_var[channel]) == pytest.approx(0.9 + 0.1 * float(kept.var()))


def test_gradients_through_masked_statistics_are_exact() -> None:
    values, true = sample()
    module = norm()
    assert torch.autograd.gradcheck(lambda x: module(x, true), (values.requires_grad_(),))


def test_float32_survives_a_mean_that_is_large_beside_the_deviation() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(64, 2, 1, 50, generator=generator) * 0.01 - 80
    true = torch.ones(64, 1, 1, 50, dtype=torch.bool)
    output = GlobalBatchNorm2d(2)(values, true)
    exact = nn.BatchNorm2d(2).double()(values.double())
    torch.testing.assert_close(output.double(), exact, atol=5e-3, rtol=0)


def test_no_position_at_all_leaves_the_statistics_alone() -> None:
    module = norm()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    values, true = sample()
    assert module(values[:0]).shape == (0, 2, 1, 5)
    assert torch.isfinite(module(values, torch.zeros_like(true))).all()
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_one_position_does_not_divide_by_zero() -> None:
    values, _ = sample()
    module = norm()
    output = module(values[:1, :, :, :1], torch.ones(1, 1, 1, 1, dtype=torch.bool))
    torch.testing.assert_close(output.flatten(), module.bias)
    assert module.running_var is not None
    assert torch.isfinite(module.running_var).all()


def test_evaluation_uses_running_statistics_whatever_the_mask() -> None:
    values, true = sample()
    module = norm()
    module(values, true)
    module.eval()
    expected = nn.functional.batch_norm(
        values, module.running_mean, module.running_var, module.weight, module.bias, eps=module.eps
    )
    torch.testing.assert_close(module(values, true), expected)


def test_state_dictionary_is_that_of_batch_norm() -> None:
    assert list(norm().state_dict()) == list(nn.BatchNorm2d(2).state_dict())
