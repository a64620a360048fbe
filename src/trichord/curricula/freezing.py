"""Which encoders learn in a stage, and proof that the others did not move."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import nn

from trichord.errors import ConfigError, TrainingError, nearest
from trichord.files import hash_tensors


def set_trainable(encoders: Mapping[str, nn.Module] | nn.ModuleDict, train: Collection[str]) -> None:
    """Let the named encoders learn and freeze the others.

    Raises:
        ConfigError: a name is not among the encoders, or nothing that could learn is left.
    """
    for name in train:
        if name not in encoders:
            raise ConfigError(f"no encoder named {name!r} to train; {nearest(name, list(encoders.keys()))}")
    for name, encoder in encoders.items():
        encoder.requires_grad_(name in train)
    if not any(parameter.requires_grad for name in train for parameter in encoders[name].parameters()):
        raise ConfigError(f"the stage trains {sorted(train)}, which have no parameters to learn")


def training_mode(encoders: Mapping[str, nn.Module] | nn.ModuleDict, train: Collection[str]) -> None:
    """Put the named encoders in training mode and the others in evaluation mode (no dropout, batch statistics kept)."""
    for name, encoder in encoders.items():
        encoder.train(name in train)


def frozen_hashes(encoders: Mapping[str, nn.Module] | nn.ModuleDict, train: Collection[str]) -> dict[str, str]:
    """Hash parameters and buffers of every encoder that does not learn: modality name -> hash."""
    return {name: hash_tensors(encoder.state_dict()) for name, encoder in encoders.items() if name not in train}


def verify_frozen(encoders: Mapping[str, nn.Module] | nn.ModuleDict, hashes: Mapping[str, str], stage: str) -> None:
    """Raise `TrainingError` when an encoder's hash is no longer the one taken at the start of the stage."""
    moved = [name for name, expected in hashes.items() if hash_tensors(encoders[name].state_dict()) != expected]
    if moved:
        raise TrainingError(
            f"stage {stage}: the frozen encoders {moved} moved during training; the run cannot be trusted"
        )
