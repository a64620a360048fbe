"""Checkpoints of co-training: every node's weights and moments in one file; what is frozen is not in it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from trichord.adapters.lora import own_tensors
from trichord.cotraining.build import Cast
from trichord.cotraining.nodes import Node
from trichord.errors import RunError
from trichord.shapes import Tensor
from trichord.training.checkpoint import load_tensors, save_tensors
from trichord.training.loop import Position
from trichord.training.optimization import optimizer_tensors, restore_optimizer


def own_state(node: Node) -> dict[str, Tensor]:
    """Return everything of a node that training changes: all of a network of its own, an adapter's matrices."""
    state = node.state_dict()
    if not node.network.shared:
        return state
    assert node.network.adapter is not None, "an adapter that learns has a name"
    own = {f"model.{key}" for key in own_tensors(node.model, [node.network.adapter])}
    return {key: tensor for key, tensor in state.items() if key in own or not key.startswith("model.")}


def save_cast(path: Path, cast: Cast, position: Position, memory: dict[str, Any]) -> None:
    """Write a checkpoint, atomically."""
    tensors: dict[str, Tensor] = {}
    for name, node in cast.learning.items():
        tensors |= {f"{name}.system.{key}": tensor for key, tensor in own_state(node).items()}
        tensors |= {f"{name}.optimizer.{key}": t for key, t in optimizer_tensors(cast.optimizers[name])}
    save_tensors(path, tensors, {"position": asdict(position), "memory": memory})


def restore_cast(path: Path, cast: Cast) -> tuple[Position, dict[str, Any]]:
    """Put a checkpoint back into the nodes it was taken from; return the next step to take, and the memory."""
    tensors, note = load_tensors(path)
    parts: dict[tuple[str, str], dict[str, Tensor]] = {}
    for full, tensor in tensors.items():
        name, part, key = full.split(".", 2)
        parts.setdefault((name, part), {})[key] = tensor
    found = {name for name, _ in parts}
    if found != set(cast.learning):
        raise RunError(f"{path} is a checkpoint of the nodes {sorted(found)}; start anew")
    for name, node in cast.learning.items():
        there, saved = own_state(node), parts[name, "system"]
        unlike = sorted(
            k for k in {*there, *saved} if k not in there or k not in saved or there[k].shape != saved[k].shape
        )
        if unlike:
            raise RunError(f"{path} does not fit node {name!r}: {', '.join(unlike[:5])}; start anew")
        with torch.no_grad():
            for key, tensor in there.items():
                tensor.copy_(saved[key])
        restore_optimizer(cast.optimizers[name], parts.get((name, "optimizer"), {}))
    return Position(**note["position"]), dict(note["memory"])
