"""Where the memory of a training step goes: weights, gradients, optimizer, activations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from trichord.shapes import Tensor


@dataclass(frozen=True)
class MemorySplit:
    """Bytes of one training step.

    Args:
        weights: parameters and buffers, frozen or not.
        gradients: of every parameter that learns.
        optimizer: what the optimizer remembers after its first step.
        activations: tensors kept from the forward for the backward pass; without weights and without the batch itself.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """The four together. They are not all at their largest at one moment, and scratch space is not among them."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def describe(self) -> str:
        """Return the parts in words, in MB."""
        parts = ("weights", "gradients", "optimizer", "activations")
        listed = " + ".join(f"{name} {getattr(self, name) / 1e6:.1f}" for name in parts)
        return f"{listed} = {self.total / 1e6:.1f} MB"


def measure_step(
    module: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor], inputs: Sequence[Tensor] = ()
) -> MemorySplit:
    """Take a step and return where its memory goes.

    Args:
        module: all that has weights.
        optimizer: over those that learn.
        loss: computes the loss through the module.
        inputs: tensors of the batch, which are no activations.
    """
    weights = _storages([*module.parameters(), *module.buffers()])
    known = weights.keys() | _storages(inputs).keys()
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        # The storage is held, so that no later one can take its address.
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        found = loss()
    activations = sum(storage.nbytes() for storage in kept.values())
    kept.clear()
    found.backward()
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    split = sum(storage.nbytes() for storage in _storages(gradients).values())
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    state = [value for entry in optimizer.state.values() for value in entry.values() if isinstance(value, Tensor)]
    remembered = sum(storage.nbytes() for storage in _storages(state).values())
    return MemorySplit(sum(storage.nbytes() for storage in weights.values()), split, remembered, activations)


def _storages(tensors: Iterable[Tensor]) -> dict[int, torch.UntypedStorage]:
    storages = [tensor.untyped_storage() for tensor in tensors]
    return {storage.data_ptr(): storage for storage in storages if storage.nbytes()}
