"""What it takes to train a classifier, counted."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from trichord.shapes import Tensor
from trichord.training.optimization import optimizer_tensors


def num_bytes(tensors: Iterable[Tensor]) -> int:
    """Return the bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def num_learning(module: nn.Module) -> int:
    """Count the parameters that learn."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def training_bytes(modules: Iterable[nn.Module], optimizer: torch.optim.Optimizer) -> int:
    """Return the bytes of weights and buffers, of the gradients of what learns, and of what the optimizer remembers.

    Activations come on top. A tensor that two modules share counts once.

    Args:
        modules: everything that is held while training, teachers included.
        optimizer: after a step or more.
    """
    held: dict[int, Tensor] = {}
    for module in modules:
        held |= {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    gradients = (tensor for tensor in held.values() if tensor.requires_grad)
    return (
        num_bytes(held.values())
        + num_bytes(gradients)
        + num_bytes(tensor for _, tensor in optimizer_tensors(optimizer))
    )
