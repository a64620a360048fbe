"""Which encoders learn in a stage, and proof that the others did not move."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

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
    if train and not any(parameter.requires_grad for name in train for parameter in encoders[name].parameters()):
        raise ConfigError(f"the stage trains {sorted(train)}, which have no parameters to learn")


def training_mode(
    encoders: Mapping[str, nn.Module] | nn.ModuleDict, train: Collection[str], adapted: Collection[str] = ()
) -> None:
    """Put the named encoders in training mode and the others in evaluation mode (no dropout, batch statistics kept).

    Args:
        encoders: all of them.
        train: those that learn.
        adapted: those through which adapters learn. Where their own weights are frozen they drop inputs as in training,
            but keep their batch statistics, which are weights that are not learnt by gradients.
    """
    for name, encoder in encoders.items():
        encoder.train(name in train or name in adapted)
        if name in adapted and name not in train:
            for module in encoder.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()


def frozen_hashes(
    encoders: Mapping[str, nn.Module] | nn.ModuleDict, train: Collection[str], learning: Collection[str] = ()
) -> dict[str, str]:
    """Hash what is frozen of every encoder that does not learn: modality name -> hash.

    Args:
        encoders: all of them.
        train: those that learn.
        learning: tensors of the others that learn nevertheless, as "video.unit.fc.lora_A.VT.weight": an adapter's
            matrices. Whether a parameter asks for gradients is not looked at: it should not move even if it does.
    """
    return {name: _hash(name, encoder, learning) for name, encoder in encoders.items() if name not in train}


def verify_frozen(
    encoders: Mapping[str, nn.Module] | nn.ModuleDict,
    hashes: Mapping[str, str],
    stage: str,
    learning: Collection[str] = (),
) -> None:
    """Raise `TrainingError` when an encoder's hash is no longer the one taken at the start of the stage."""
    moved = [name for name, expected in hashes.items() if _hash(name, encoders[name], learning) != expected]
    if moved:
        raise TrainingError(
            f"stage {stage}: the frozen encoders {moved} moved during training; the run cannot be trusted"
        )


def _hash(name: str, encoder: nn.Module, learning: Collection[str]) -> str:
    """Hash parameters and buffers of one encoder."""
    return hash_tensors({key: t for key, t in encoder.state_dict().items() if f"{name}.{key}" not in learning})
