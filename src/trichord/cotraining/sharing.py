"""One forward pass of what adapters over one base have in common.

Every adapter of a base sends the same batch through the same frozen parts, until the first layer that an adapter
changes. A part that is frozen and is given the very objects it was given before returns what it returned before; as
that is again the very same tensor, sharing goes on from part to part by itself and ends where an adapter steps in. The
frozen product W x of a changed layer is shared as well: only its B A x is not.

A part that drops inputs is shared where it would drop the same ones: where the generator stands as it stood. It is
left as the part had left it. So every number is what it would be without sharing, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from trichord.batch import Features
from trichord.encoders.beforehand import trunk_of
from trichord.encoders.contract import Encoder
from trichord.shapes import Tensor

FORWARD, BELOW_HEAD = "forward", "below_head"


@dataclass
class _Kept:
    """What a part was given, what it returned, and where the generator stood if it drew.

    Args:
        given: the arguments.
        returned: the result.
        before, after: states of the generator; None where nothing was drawn.
        versions: how often any tensor in them had been written to.
    """

    given: tuple[Any, ...]
    returned: Any
    before: Tensor | None
    after: Tensor | None
    versions: tuple[int, ...]

    def serves(self, given: tuple[Any, ...], state: Tensor | None) -> bool:
        """Whether it answers for these arguments: the very objects, no tensor written to since, the same to draw."""
        same = len(given) == len(self.given) and all(a is b for a, b in zip(given, self.given, strict=True))
        if not same or self.versions != _versions((*given, self.returned)):
            return False
        return state is self.before if state is None or self.before is None else torch.equal(state, self.before)


@contextmanager
def sharing(module: nn.Module) -> Iterator[None]:
    """Let frozen parts of a module return what they returned for the same arguments, while the block runs.

    Args:
        module: a base whose own weights do not learn.
    """
    parts = shareable(module)
    kept: dict[tuple[int, str, bool], _Kept] = {}
    for part, method in parts:
        setattr(part, method, _remembering(part, method, kept))
    try:
        yield
    finally:
        for part, method in parts:
            delattr(part, method)


def shareable(module: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return (part, method) of everything that no adapter changes, from the whole down to single layers.

    An encoder whose head is changed shares what lies below it.
    """
    found = [(part, FORWARD) for part in module.modules() if _unchanged(part)]
    divided = (part for part in module.modules() if isinstance(part, Encoder) and part.trunk_name is not None)
    return [(part, method) for part, method in found if part is not module] + [
        (part, BELOW_HEAD) for part in divided if not _unchanged(part) and _unchanged(trunk_of(part))
    ]


def _unchanged(part: nn.Module) -> bool:
    """Whether a part holds nothing that learns, and no adapter's dropout."""
    learns = any(parameter.requires_grad for parameter in part.parameters())
    return not learns and not any("lora_" in name for name, _ in part.named_modules())


def _remembering(part: nn.Module, method: str, kept: dict[tuple[int, str, bool], _Kept]) -> Callable[..., Any]:
    plain = getattr(part, method)
    drops = [layer for layer in part.modules() if isinstance(layer, _DropoutNd) and layer.p > 0]

    def remembered(*given: Any, **named: Any) -> Any:
        if named or not all(_still(entry) for entry in given):
            return plain(*given, **named)
        key = (id(part), method, part.training)
        generator = _generator(given) if any(layer.training for layer in drops) else None
        before = None if generator is None else generator.get_state()
        found = kept.get(key)
        if found is not None and found.serves(given, before):
            if generator is not None and found.after is not None:
                generator.set_state(found.after)
            return found.returned
        returned = plain(*given)
        after = None if generator is None else generator.get_state()
        kept[key] = _Kept(given, returned, before, after, _versions((*given, returned)))
        return returned

    return remembered


def _still(entry: Any) -> bool:
    """Whether an argument is one that can be compared by being the same: a tensor without a way back, or features."""
    tensor = _tensor(entry)
    return entry is None if tensor is None else not tensor.requires_grad


def _tensor(entry: Any) -> Tensor | None:
    if isinstance(entry, Features):
        return entry.values
    return entry if isinstance(entry, Tensor) else None


def _versions(entries: tuple[Any, ...]) -> tuple[int, ...]:
    tensors = (_tensor(entry) for entry in entries)
    return tuple(tensor._version for tensor in tensors if tensor is not None)


def _generator(given: tuple[Any, ...]) -> torch.Generator:
    """Return the generator that dropout of such arguments draws from."""
    tensor = next(tensor for tensor in map(_tensor, given) if tensor is not None)
    if not tensor.is_cuda:
        return torch.default_generator
    generator: torch.Generator = torch.cuda.default_generators[tensor.device.index]
    return generator
