"""Devices, precision and processes, through accelerate; the only file that imports it.

The same command runs on a CPU, on one GPU, or in several processes under torchrun (on CPUs with
ACCELERATE_USE_CPU=true). accelerate averages gradients over processes, which is what `trichord.dist` counts on.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn

Precision = Literal["auto", "float32", "bfloat16"]


def resolve_precision(precision: Precision) -> Literal["float32", "bfloat16"]:
    """Resolve "auto": bfloat16 on a GPU that computes in it, float32 elsewhere.

    On a CPU float32 stays the default because small models gain nothing from bfloat16 there; ask for it by name on a
    CPU with AMX or AVX512-BF16 and a large model.
    """
    if precision == "auto":
        return "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"
    return precision


class Engine:
    """Puts a module and its optimizer on the right device and takes the backward step.

    Args:
        precision: numbers used in matrix products; parameters, losses and optimizer state stay float32.
        device: "cpu" to leave a GPU unused; None takes what is there.
    """

    def __init__(self, precision: Precision = "auto", device: Literal["cpu"] | None = None) -> None:
        self.precision = resolve_precision(precision)
        mixed = "bf16" if self.precision == "bfloat16" else "no"
        if AcceleratorState._shared_state and AcceleratorState().mixed_precision != mixed:
            AcceleratorState._reset_state()
        # Rows may lack a modality, so an encoder may rest on one process while it works on another. Buffers are equal
        # on all processes by construction (they are computed from gathered rows); broadcasting them would copy the
        # ring buffer at every step.
        parallel = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
        self._accelerator = Accelerator(mixed_precision=mixed, cpu=device == "cpu", kwargs_handlers=[parallel])

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        device: torch.device = self._accelerator.device
        return device

    def prepare(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[nn.Module, Any]:
        """Return the module (wrapped where there are several processes) and the optimizer, ready to train."""
        with warnings.catch_warnings():
            # Its successor still synchronises buffers at the start, which ours do not need.
            warnings.filterwarnings("ignore", message=".*broadcast_buffers.*", category=FutureWarning)
            prepared_module, prepared_optimizer = self._accelerator.prepare(module, optimizer)
        return prepared_module, prepared_optimizer

    def prepare_optimizer(self, optimizer: torch.optim.Optimizer) -> Any:
        """Return an optimizer, ready to train parameters whose modules are called as they are; see `autocast`."""
        return self._accelerator.prepare_optimizer(optimizer)

    def autocast(self) -> AbstractContextManager[None]:
        """Compute in the engine's precision while the block runs; a module that was prepared does so by itself."""
        found: AbstractContextManager[None] = self._accelerator.autocast()
        return found

    def backward(self, loss: torch.Tensor) -> None:
        """Compute gradients, averaged over processes."""
        # accelerate's own way looks for optional packages at every step, for kinds of training that we do not have.
        loss.backward()  # type: ignore[no-untyped-call]

    def clip_gradients(self, module: nn.Module, largest_norm: float | None) -> float:
        """Scale gradients down to `largest_norm` (None: leave them) and return the norm they had."""
        return self.clip_parameters(list(module.parameters()), largest_norm)

    def clip_parameters(self, parameters: Sequence[nn.Parameter], largest_norm: float | None) -> float:
        """Scale the gradients of parameters down to `largest_norm` (None: leave them); return the norm they had."""
        if largest_norm is not None:
            return float(self._accelerator.clip_grad_norm_(parameters, largest_norm))
        return float(torch.nn.utils.get_total_norm(p.grad for p in parameters if p.grad is not None))

    def release(self) -> None:
        """Forget prepared modules, so that the next stage starts clean."""
        if self._accelerator.device.type != "cpu":
            self._accelerator.free_memory()
            return
        # `free_memory` first searches the whole process for garbage, which takes longer than a short stage.
        self._accelerator._schedulers, self._accelerator._optimizers = [], []
        self._accelerator._models, self._accelerator._dataloaders = [], []
        self._accelerator.step = 0
