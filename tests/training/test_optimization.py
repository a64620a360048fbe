import math

import pytest
import torch
from torch import nn

from trichord.adapters.lora import LowRank
from trichord.adapters.settings import LowRankConfig
from trichord.errors import ConfigError
from trichord.training.optimization import (
    OptimizerConfig,
    build_optimizer,
    optimizer_tensors,
    restore_optimizer,
    schedule_factor,
    set_learning_rate,
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


class Base(nn.Module):
    """Matrices of two adapters, one of which learns, beside weights that do or do not."""

    def __init__(self, base_learns: bool, low_rank: LowRankConfig) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
        self.norm = nn.LayerNorm(4)
        self.adapters = LowRank(self.layers)
        self.requires_grad_(base_learns)
        for name in ("VT", "AT"):
            self.adapters.attach(name, low_rank)
        self.adapters.learn(["VT"])

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        with self.adapters.active("VT"):
            found: torch.Tensor = self.norm(self.layers(values))
        return found


def settings_of(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, tuple[float, float]]:
    """Name -> learning rate and weight decay of every parameter that learns."""
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


@pytest.mark.parametrize("base_learns", [False, True])
def test_rates_of_matrices_are_those_of_peft(base_learns: bool) -> None:
    from peft.optimizers import create_loraplus_optimizer

    module = Base(base_learns, LowRankConfig(rank=2))
    config = OptimizerConfig(learning_rate=0.01, weight_decay=0.1, matrix_b_ratio=16.0)
    found = settings_of(module, build_optimizer(module, config))
    theirs = settings_of(
        module,
        create_loraplus_optimizer(
            module,  # type: ignore[arg-type]
            torch.optim.AdamW,
            lr=0.01,
            loraplus_lr_ratio=16.0,
            loraplus_weight_decay=0.1,
        ),
    )
    assert set(found) == set(theirs) == {name for name, p in module.named_parameters() if p.requires_grad}
    assert sum(".lora_B.VT." in name for name in found) == 2
    assert not any(".AT." in name for name in found)
    matrices = [name for name, parameter in module.named_parameters() if name in found and parameter.ndim == 2]
    assert {name: found[name] for name in matrices} == {name: theirs[name] for name in matrices}
    assert {found[name] for name in matrices if ".lora_B." in name} == {(16.0 * 0.01, 0.1)}
    # PEFT's own also lets vectors of the base learn faster; the paper says this of B alone.
    assert {found[name] for name in found if name not in matrices} <= {(0.01, 0.0)}


def test_the_schedule_multiplies_both_rates() -> None:
    module = Base(False, LowRankConfig(rank=2))
    config = OptimizerConfig(learning_rate=0.5, matrix_b_ratio=4.0)
    optimizer = build_optimizer(module, config)
    set_learning_rate(optimizer, schedule_factor(5, 10, config) * config.learning_rate)
    rates = {name: rate for name, (rate, _) in settings_of(module, optimizer).items()}
    for name, rate in rates.items():
        assert rate == pytest.approx(1.0 if ".lora_B." in name else 0.25)


def test_with_a_ratio_of_one_the_optimizer_is_as_ever() -> None:
    module = Base(True, LowRankConfig(rank=2))
    optimizer = build_optimizer(module, OptimizerConfig(weight_decay=0.1, matrix_b_ratio=1.0))
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    as_ever = [[p for p in learning if p.ndim >= 2], [p for p in learning if p.ndim < 2]]
    assert [[id(p) for p in group["params"]] for group in optimizer.param_groups] == [
        [id(p) for p in group] for group in as_ever
    ]
    assert not any("ratio" in group for group in optimizer.param_groups)
    with pytest.raises(ConfigError, match="matrix_b_ratio is at least 1"):
        OptimizerConfig(matrix_b_ratio=0.5)


def test_the_ratio_is_kept_on_taking_up_again() -> None:
    def step(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        set_learning_rate(optimizer, 0.01)
        optimizer.zero_grad()
        module(torch.arange(12.0).view(2, 6)).square()[:, 0].sum().backward()
        optimizer.step()

    config = OptimizerConfig(matrix_b_ratio=8.0)
    first, second, plain = (Base(False, LowRankConfig(rank=2)) for _ in range(3))
    one = build_optimizer(first, config)
    step(first, one)
    for module in (second, plain):
        module.load_state_dict(first.state_dict())
        again = build_optimizer(module, config)
        restore_optimizer(again, {name: tensor.clone() for name, tensor in optimizer_tensors(one)})
        if module is plain:
            again.param_groups[-1].pop("ratio")
        step(module, again)
    step(first, one)
    found, expected, slower = (module.state_dict() for module in (second, first, plain))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    changed = {name for name in expected if not torch.equal(slower[name], expected[name])}
    assert changed
    assert all(".lora_B.VT." in name for name in changed)


def test_lengths_that_dora_learns_are_vectors_even_of_convolutions() -> None:
    module = nn.Sequential(nn.Conv1d(3, 4, 5), nn.Flatten(), nn.Linear(4, 2)).requires_grad_(False)
    low_rank = LowRank(module)
    low_rank.attach("VT", LowRankConfig(rank=2, weight_decomposed=True, targets="linear and convolution"))
    low_rank.learn(["VT"])
    found = settings_of(module, build_optimizer(module, OptimizerConfig(weight_decay=0.1)))
    decays = {name: decay for name, (_, decay) in found.items()}
    assert {decay for name, decay in decays.items() if "magnitude" in name} == {0.0}
    assert {decay for name, decay in decays.items() if ".lora_" in name and "magnitude" not in name} == {0.1}
    assert sum("magnitude" in name for name in decays) == 2
