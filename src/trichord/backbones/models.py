"""The network of a checkpoint: with its weights, or only its shape. Weights come from safetensors, never a pickle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL
from typing import Any

import torch
from torch import nn

from trichord.backbones.checkpoint import Checkpoint, check_weights
from trichord.errors import ConfigError

_NAMED = 3


def read_config(checkpoint: Checkpoint) -> Any:
    """Return the configuration of the network, of the right tower where the checkpoint holds two.

    Raises:
        ConfigError: transformers cannot read it.
    """
    family = checkpoint.family
    with quiet():
        try:
            config = _class(family.model).config_class.from_pretrained(checkpoint.folder, local_files_only=True)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"{checkpoint.folder}: the config.json of {family.name} is unreadable: {error}"
            ) from error
        for name, value in family.settings.items():
            setattr(config, name, value)
    return config


def load_model(checkpoint: Checkpoint) -> nn.Module:
    """Return the network with the weights of the checkpoint, in float32 and in evaluation mode.

    Raises:
        ConfigError: there are no safetensors, they are damaged, or they lack some of the network's weights.
    """
    check_weights(checkpoint.folder)
    family, config = checkpoint.family, read_config(checkpoint)
    with quiet():
        try:
            model, info = _class(family.model).from_pretrained(
                checkpoint.folder,
                config=config,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are told of below, by name
                dtype=torch.float32,
                **family.options,
            )
        except Exception as error:  # safetensors and transformers raise many kinds for a damaged file
            raise ConfigError(f"{checkpoint.folder}: the weights of {family.name} cannot be loaded: {error}") from error
    part = "" if family.part is None else f"{family.part}."
    missing = sorted(name for name in info["missing_keys"] if name.startswith(part))
    unlike = sorted(str(entry[0] if isinstance(entry, tuple) else entry) for entry in info.get("mismatched_keys", ()))
    if missing or unlike:
        wrong = [*missing, *unlike]
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise ConfigError(
            f"{checkpoint.folder}: the weights of {family.name} are not all there, or of another shape than "
            f"config.json says: {', '.join(wrong[:_NAMED])}{more}"
        )
    return _part(model, checkpoint).eval()


def make_model(checkpoint: Checkpoint) -> nn.Module:
    """Return the network with weights that are drawn, of the same shape; for weights that are loaded afterwards."""
    with quiet():
        model = _class(checkpoint.family.model)(read_config(checkpoint), **checkpoint.family.options)
    return _part(model, checkpoint).eval()


def _part(model: Any, checkpoint: Checkpoint) -> nn.Module:
    part: nn.Module = model if checkpoint.family.part is None else getattr(model, checkpoint.family.part)
    return part.float()


def _class(name: str) -> Any:
    import transformers

    return getattr(transformers, name)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep progress bars and advice of transformers off the terminal while the block runs."""
    from transformers.utils import logging as advice

    logging: Any = advice
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
