"""Checkpoints in safetensors: everything a run needs to go on as if it had never stopped.

Random draws need no saving because each is a function of (seed, stage, epoch, step); so a checkpoint holds the weights
and buffers of model and objective (ring buffer, centroids and temperatures among them), the optimizer's moments, and
the position. It is one file, replaced atomically.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from trichord.errors import RunError
from trichord.files import write_atomically
from trichord.training.loop import Position
from trichord.training.optimization import optimizer_tensors, restore_optimizer


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read.

    Args:
        position: next step to take.
        memory: plain data of the run (hashes of frozen parts, best validation so far).
        system: state of model and objective.
        optimizer: tensors of the optimizer.
        best: weights of the best epoch of this stage so far, by validation; empty before the first validation.
    """

    position: Position
    memory: dict[str, Any]
    system: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    best: dict[str, torch.Tensor]


def save_tensors(path: str | Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> None:
    """Write named tensors and JSON metadata to one safetensors file, atomically."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    note = {"trichord": json.dumps(dict(metadata), sort_keys=True)}
    write_atomically(path, lambda temporary: save_file(plain, temporary, metadata=note))


def load_tensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote. Raises `RunError` naming the file when it is missing or damaged."""
    try:
        with safe_open(str(path), framework="pt") as handle:
            note = json.loads((handle.metadata() or {}).get("trichord", "{}"))
            return {name: handle.get_tensor(name) for name in handle.keys()}, note  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise RunError(
            f"{path}: not a readable safetensors file ({error}); restore it or start the run anew"
        ) from error


def save_checkpoint(
    path: str | Path,
    system: nn.Module,
    optimizer: torch.optim.Optimizer,
    position: Position,
    memory: Mapping[str, Any],
    best: Mapping[str, torch.Tensor],
) -> None:
    """Write a checkpoint."""
    tensors = {f"system.{name}": tensor for name, tensor in system.state_dict().items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_tensors(optimizer)}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    save_tensors(path, tensors, {"position": asdict(position), "memory": dict(memory)})


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint."""
    tensors, note = load_tensors(path)
    parts: dict[str, dict[str, torch.Tensor]] = {"system": {}, "optimizer": {}, "best": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    return Checkpoint(Position(**note["position"]), note["memory"], parts["system"], parts["optimizer"], parts["best"])


def restore(checkpoint: Checkpoint, system: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put a checkpoint back into the module and optimizer it was taken from; every key must fit."""
    load_state(system, checkpoint.system)
    restore_optimizer(optimizer, checkpoint.optimizer)


def load_state(module: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Load a state dictionary strictly. Raises `RunError` naming keys or shapes that do not fit."""
    try:
        module.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        raise RunError(f"the saved weights do not fit this model: {error}") from error
