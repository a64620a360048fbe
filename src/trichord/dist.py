"""Several processes as one: rank, world size, and a gather that carries gradients.

The convention, used everywhere: every process computes the loss of the *global* batch from gathered rows, and the
engine averages parameter gradients over processes (as DistributedDataParallel does). For that average to equal the
gradient of one process on the whole batch, the backward pass of `gather_rows` sums the gradient over processes:
each of the W processes holds dL/dx for every row, so row owners receive W * dL/dx, and the average takes W away again.
Parameters used after the gather (temperatures, decoders) get the same full gradient on every process, and the average
leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as distributed

from trichord.shapes import Tensor


def world_size() -> int:
    """Number of processes that train together; 1 when torch.distributed is not initialised."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if world_size() > 1 else 0


def is_main() -> bool:
    """Whether this process writes files and prints."""
    return rank() == 0


def barrier() -> None:
    """Wait until every process is here."""
    if world_size() > 1:
        distributed.barrier()


class _SumAcrossProcesses(torch.autograd.Function):
    """Sum over processes, forward and backward: every process holds a loss that depends on the sum."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        return total


def sum_processes(tensor: Tensor) -> Tensor:
    """Sum a tensor over processes, with gradient; the tensor itself on one process."""
    if world_size() == 1:
        return tensor
    total: Tensor = _SumAcrossProcesses.apply(tensor)  # type: ignore[no-untyped-call]
    return total


def gather_rows(tensor: Tensor) -> Tensor:
    """Concatenate the rows of every process in rank order, with gradient for floating-point tensors.

    Args:
        tensor: (rows of this process, ...); the number of rows may differ between processes.

    Returns:
        (rows of all processes, ...); the tensor itself on one process.
    """
    if world_size() == 1:
        return tensor
    counts = [torch.zeros(1, dtype=torch.long, device=tensor.device) for _ in range(world_size())]
    distributed.all_gather(counts, torch.tensor([len(tensor)], device=tensor.device))
    sizes = [int(count) for count in counts]
    # A sum of zero-padded shards is a gather; it copes with unequal shards, and its gradient is exact.
    before = sum(sizes[: rank()])
    shard = tensor.to(torch.uint8) if tensor.dtype == torch.bool else tensor
    padded = torch.cat(
        [
            shard.new_zeros(before, *shard.shape[1:]),
            shard,
            shard.new_zeros(sum(sizes) - before - len(shard), *shard.shape[1:]),
        ]
    )
    return sum_processes(padded).to(tensor.dtype)


def average_gradients(parameters: Sequence[torch.nn.Parameter]) -> None:
    """Average the gradients of parameters over processes, in place; nothing to do on one process.

    What `DistributedDataParallel` does within a module's own backward pass, for modules whose loss is computed outside
    of them. A parameter that no process has a gradient for keeps none; one that some have is 0 on the others.
    """
    if world_size() == 1 or not parameters:
        return
    place = parameters[0].device
    held = torch.tensor([float(parameter.grad is not None) for parameter in parameters], device=place)
    distributed.all_reduce(held)
    learning = [parameter for parameter, count in zip(parameters, held.tolist(), strict=True) if count > 0]
    for parameter in learning:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        distributed.all_reduce(parameter.grad)
        parameter.grad /= world_size()
