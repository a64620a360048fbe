"""The optimizer, its parameter groups and its learning-rate schedule, which is a pure function of the step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from trichord.adapters.lora import magnitudes, matrices_b
from trichord.config import Config
from trichord.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(Config):
    """Adam with decoupled weight decay (AdamW; Adam where the decay is 0), and a schedule stepped every iteration.

    Args:
        learning_rate: peak learning rate.
        weight_decay: decoupled decay of matrices and convolutions; vectors and scalars (biases, norms, temperatures,
            the lengths that DoRA learns) are never decayed.
        betas: decay rates of Adam's moments.
        warmup_steps: steps of linear warm-up from 0 to the peak.
        schedule: after the warm-up, "cosine" to 0 at the stage's last step, "constant", or "epoch decay": the rate is
            multiplied by `decay` after every epoch.
        decay: see `schedule`.
        gradient_norm: largest norm of the gradient, larger ones are scaled down; None leaves gradients as they are.
        matrix_b_ratio: an adapter's B learns so many times faster than everything else (LoRA+, Hayou et al. 2024, who
            suggest about 16 beside a lower rate).
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    warmup_steps: int = 0
    schedule: Literal["cosine", "constant", "epoch decay"] = "cosine"
    decay: float = 0.9
    gradient_norm: float | None = None
    matrix_b_ratio: float = 1.0

    def __post_init__(self) -> None:
        if self.matrix_b_ratio < 1:
            raise ConfigError(f"matrix_b_ratio is at least 1, got {self.matrix_b_ratio}")
        for name, value in (("learning_rate", self.learning_rate), ("gradient_norm", self.gradient_norm)):
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be above 0, got {value}")
        for name, value in (("weight_decay", self.weight_decay), ("warmup_steps", self.warmup_steps)):
            if value < 0:
                raise ConfigError(f"{name} must not be negative, got {value}")
        if not 0 < self.decay <= 1:
            raise ConfigError(f"decay lies in (0, 1], got {self.decay}")


def schedule_factor(step: int, total_steps: int, config: OptimizerConfig, steps_per_epoch: int = 1) -> float:
    """Return the share of the peak learning rate at `step` (from 0) of `total_steps`.

    As published for MCN: linear warm-up, then half a cosine over what remains. We count the first step as 1 of the
    warm-up, where the published schedule gives it a rate of 0.
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "epoch decay":
        return float(config.decay ** (step // steps_per_epoch))
    progress = (step - config.warmup_steps) / max(1, total_steps - config.warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def build_optimizer(
    module: nn.Module, config: OptimizerConfig, ratios: Mapping[str, float] | None = None
) -> torch.optim.AdamW:
    """Return AdamW over the parameters that learn: matrices with weight decay, vectors and scalars without.

    A group may say how many times faster than the others it learns ("ratio"), see `set_learning_rate`.

    Args:
        module: whose parameters.
        config: how.
        ratios: name of a parameter -> how many times faster it learns; those that are not named learn at ratio 1, and
            an adapter's B at `matrix_b_ratio`.
    """
    speeds = dict.fromkeys(matrices_b(module), config.matrix_b_ratio) | dict(ratios or {})
    lengths = set(magnitudes(module))  # of a convolution's outputs: vectors in the shape of a kernel
    learning = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if not learning:
        raise ConfigError("nothing learns: every parameter is frozen")
    vectors = {name for name, p in learning.items() if p.ndim < 2} | lengths
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    for name, parameter in learning.items():
        ratio, decays = speeds.get(name, 1.0), name not in vectors
        decay = config.weight_decay if decays else 0.0
        faster = {} if ratio == 1.0 else {"ratio": ratio}
        group = groups.setdefault((ratio, not decays), {"params": [], "weight_decay": decay, **faster})
        group["params"].append(parameter)
    # The order of the groups numbers the parameters in a checkpoint.
    ordered = [groups[key] for key in sorted(groups)]
    optimizer = torch.optim.AdamW(ordered, lr=config.learning_rate, betas=config.betas, fused=True)
    set_learning_rate(optimizer, config.learning_rate)
    return optimizer


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group, times the ratio of a group that has one."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("ratio", 1.0)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Iterable[tuple[str, torch.Tensor]]:
    """Yield ("parameter number.state name", tensor) for everything the optimizer remembers."""
    for number, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            yield f"{number}.{name}", torch.as_tensor(value)


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Put back what `optimizer_tensors` yielded, into an optimizer over the same parameters."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
