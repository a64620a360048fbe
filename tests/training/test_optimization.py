import math

import pytest
import torch
from torch import nn

from trichord.errors import ConfigError
from trichord.training.optimization import (
    OptimizerConfig,
    build_optimizer,
    optimizer_tensors,
    restore_optimizer,
    schedule_factor,
)


def test_schedule_closed_form() -> None:
    config = OptimizerConfig(warmup_steps=4)
    assert [schedule_factor(step, 20, config) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert schedule_factor(4, 20, config) == 1.0
    assert schedule_factor(12, 20, config) == pytest.approx(0.5)
    assert schedule_factor(16, 20, config) == pytest.approx(0.5 * (1 + math.cos(math.pi * 0.75)))
    assert schedule_factor(20, 20, config) == pytest.approx(0.0)
    assert schedule_factor(19, 20, OptimizerConfig(schedule="constant")) == 1.0


def test_vectors_are_not_decayed_and_frozen_parameters_left_out() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    module[1].requires_grad_(False)
    optimizer = build_optimizer(module, OptimizerConfig(weight_decay=0.1))
    decays = {tuple(p.shape): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays == {(2, 3): 0.1, (2,): 0.0}
    with pytest.raises(ConfigError, match="frozen"):
        build_optimizer(module.requires_grad_(False), OptimizerConfig())


def test_without_decay_it_is_adam() -> None:
    def train(make: type) -> torch.Tensor:
        torch.manual_seed(0)
        module = nn.Linear(3, 2)
        optimizer = (
            build_optimizer(module, OptimizerConfig(learning_rate=0.1))
            if make is object
            else make(module.parameters(), lr=0.1)
        )
        for _ in range(5):
            optimizer.zero_grad()
            module(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()
        return module.weight.detach()

    assert torch.allclose(train(object), train(torch.optim.Adam), atol=1e-7)


def test_state_round_trip_continues_exactly() -> None:
    def step(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        module(torch.arange(3.0)[None]).square().sum().backward()
        optimizer.step()

    torch.manual_seed(0)
    first = nn.Linear(3, 2)
    one = build_optimizer(first, OptimizerConfig())
    step(first, one)
    second = nn.Linear(3, 2)
    second.load_state_dict(first.state_dict())
    two = build_optimizer(second, OptimizerConfig())
    restore_optimizer(two, {name: tensor.clone() for name, tensor in optimizer_tensors(one)})
    step(first, one)
    step(second, two)
    assert torch.equal(first.weight, second.weight)


@pytest.mark.parametrize("bad", [{"learning_rate": 0.0}, {"weight_decay": -1.0}, {"gradient_norm": 0.0}])
def test_bad_settings(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        OptimizerConfig(**bad)
