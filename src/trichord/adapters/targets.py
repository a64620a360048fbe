"""Which layers of a module can get low-rank matrices, what they are called, and how large the matrices are."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from trichord.errors import ConfigError
from trichord.shapes import Tensor

CONVOLUTIONS: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
LAYERS: Mapping[str, tuple[type[nn.Module], ...]] = {
    "linear": (nn.Linear,),
    "linear and convolution": (nn.Linear, *CONVOLUTIONS),
}
ANY_LAYER = LAYERS["linear and convolution"]
OWN = re.compile(r"\.(lora_A|lora_B|lora_magnitude_vector)\.([^.]+)(?=\.|$)")
"""An adapter's own part in the name of a module or tensor; its second group is the adapter's name."""


def plain_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the state dictionary as it was without adapters: their tensors left out, weights under their own names."""
    wrapped = _wrapped(module)
    return {
        _plain(name, ".base_layer.", wrapped): tensor
        for name, tensor in module.state_dict().items()
        if not OWN.search(name)
    }


def own_tensors(module: nn.Module, adapters: Collection[str]) -> frozenset[str]:
    """Return the names of the tensors that are the named adapters' own: matrices, and the lengths that DoRA learns."""
    found = {key: OWN.search(f".{key}") for key in module.state_dict()}
    return frozenset(key for key, own in found.items() if own is not None and own[2] in adapters)


def num_parameters(module: nn.Module) -> int:
    """Count the parameters of a module as it was without adapters; buffers, such as batch statistics, are none."""
    return sum(tensor.numel() for name, tensor in module.named_parameters() if not OWN.search(f".{name}"))


def find_layers(module: nn.Module) -> dict[str, nn.Module]:
    """Return name -> layer of all that could get matrices, whether or not they have some.

    The output layer of `nn.MultiheadAttention` is none of them: its weight is read without the layer being called.
    """
    wrapped = _wrapped(module)
    return {
        _plain(name, ".base_layer", wrapped): layer
        for name, layer in module.named_modules()
        if isinstance(layer, ANY_LAYER)
        and not isinstance(layer, NonDynamicallyQuantizableLinear)
        and not OWN.search(f".{name}")
    }


def find_targets(module: nn.Module, targets: str, within: Sequence[str] = ("",)) -> tuple[str, ...]:
    """Return the full names of the layers that get matrices.

    Args:
        module: where to look; it may hold matrices already.
        targets: see `LowRankConfig`.
        within: names of the submodules whose layers are meant; "" is the module itself.

    Raises:
        ConfigError: a submodule has no such layer, or the expression cannot be read.
    """
    kinds = LAYERS.get(targets, ANY_LAYER)
    try:
        pattern = re.compile(".*" if targets in LAYERS else targets)
    except re.error as error:
        raise ConfigError(
            f"targets {targets!r} is no regular expression: {error}; or say {' or '.join(LAYERS)}"
        ) from error
    layers = find_layers(module)
    found: list[str] = []
    for root in within:
        head = f"{root}." if root else ""
        names = [name for name, layer in layers.items() if name.startswith(head) and isinstance(layer, kinds)]
        chosen = [name for name in names if pattern.fullmatch(name.removeprefix(head))]
        if not chosen:
            known = ", ".join(name.removeprefix(head) for name in names) or "none at all"
            raise ConfigError(f"no layer of {root or 'the module'} matches targets {targets!r}; its layers are {known}")
        found += chosen
    return tuple(found)


def unlike_matrices(layer: nn.Module) -> str:
    """Say why matrices beside a layer would not add up to one weight with its own; "" where they do.

    PEFT gives the A of a convolution its kernel size, stride and padding, and nothing else.
    """
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        if layer.groups != 1:
            return "its channels are grouped"
        if set(layer.dilation) != {1}:
            return "its kernel is dilated"
        if layer.padding_mode != "zeros":
            return f"its padding is {layer.padding_mode!r}"
    return ""


def matrix_shapes(name: str, layer: nn.Module, rank: int, decomposed: bool) -> dict[str, tuple[int, ...]]:
    """Return tensor name -> shape of an adapter's own part in one layer."""
    outputs, inputs, *kernel = layer.get_parameter("weight").shape
    ones = [1] * len(kernel)
    shapes: dict[str, tuple[int, ...]] = {
        f"{name}.lora_A.weight": (rank, inputs, *kernel),
        f"{name}.lora_B.weight": (outputs, rank, *ones),
    }
    if decomposed:
        shapes[f"{name}.lora_magnitude_vector"] = (1, outputs, *ones) if kernel else (outputs,)
    return shapes


def _wrapped(module: nn.Module) -> frozenset[str]:
    """Return the names of the layers that PEFT has wrapped; elsewhere "base_layer" is somebody's own word."""
    return frozenset(name for name, layer in module.named_modules() if hasattr(layer, "lora_A"))


def _plain(name: str, mark: str, wrapped: frozenset[str]) -> str:
    """Take PEFT's word for the wrapped layer out of a name."""
    head, found, tail = name.rpartition(mark)
    if not found or head not in wrapped:
        return name
    return f"{head}.{tail}" if tail else head
