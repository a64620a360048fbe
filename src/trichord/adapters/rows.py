"""Rows of a batch that pass through adapters of their own, in one pass through the frozen weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trichord.errors import ConfigError
from trichord.shapes import Tensor


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of a batch that pass through one adapter; None: through none."""

    adapter: str | None
    first: int
    last: int


def check_consecutive(rows: Sequence[Rows]) -> None:
    """Raise `ConfigError` unless rows follow each other from row 0 on."""
    first = 0
    for group in rows:
        if group.first != first or group.last < first:
            raise ConfigError(f"rows of adapters follow each other from row 0 on, got {list(rows)}")
        first = group.last
    if not rows:
        raise ConfigError("no rows pass through any adapter; name those of the batch")


def add_by_rows(
    parts: Sequence[tuple[str, slice]], batch_size: int, layer: Any, inputs: tuple[Tensor, ...], output: Tensor
) -> Tensor:
    """Add every adapter's change to its rows of a layer's output; a forward hook, once the first two are given.

    Args:
        parts: an adapter's name, as PEFT knows it, and its rows.
        batch_size: rows of the batch.
        layer: PEFT's layer.
        inputs, output: what went in and what the frozen weight made of it.
    """
    values = inputs[0]
    if len(values) != batch_size:
        raise ConfigError(
            f"a batch of {batch_size} rows reached a layer as {len(values)}; rows of several adapters need the rows "
            "of the batch as the first axis of every adapted layer"
        )
    for adapter, mine in parts:
        if adapter not in layer.lora_A:
            continue
        variant = layer.lora_variant.get(adapter)
        if variant is not None:
            output[mine] = variant.forward(layer, active_adapter=adapter, x=values[mine], result=output[mine].clone())
            continue
        inner = layer.lora_A[adapter](layer.lora_dropout[adapter](values[mine]))
        output[mine].add_(layer.lora_B[adapter](inner), alpha=layer.scaling[adapter])
    return output
