"""Orders of learning in one notation, written and read here only.

`AV_T`   learn audio and video together, then bring text in; only the newcomer's encoder learns in the second stage.
`AV_T+`  the same, but in the second stage every encoder learns.
`AVT`    one stage, all at once (joint).
`AV_T_D` a third stage brings in D; any number of stages may follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trichord.errors import ConfigError
from trichord.modality import Modality, spell, unspell


@dataclass(frozen=True)
class OrderStage:
    """One stage of an order.

    Args:
        modalities: names of all modalities encoded in this stage, in the order of the data set.
        new: those that this stage brings in.
        train: those whose encoders learn.
    """

    modalities: tuple[str, ...]
    new: tuple[str, ...]
    train: tuple[str, ...]


def parse_order(spelling: str, known: Sequence[Modality]) -> tuple[OrderStage, ...]:
    """Read an order.

    Raises:
        ConfigError: an unknown or repeated letter, an empty stage, or a first stage of fewer than two modalities.
    """
    stages: list[OrderStage] = []
    present: tuple[str, ...] = ()
    for position, part in enumerate(spelling.split("_")):
        everything = part.endswith("+")
        new = unspell(part.removesuffix("+"), known)
        if everything and position == 0:
            raise ConfigError(f"order {spelling!r}: the first stage always trains everything; leave its + out")
        if set(new) & set(present):
            raise ConfigError(f"order {spelling!r} brings a modality in twice")
        if position == 0 and len(new) < 2:
            raise ConfigError(f"order {spelling!r}: the first stage needs two modalities or more, such as AV in AV_T")
        names = [modality.name for modality in known]
        present = tuple(sorted({*present, *new}, key=names.index))
        stages.append(OrderStage(present, new, present if everything or position == 0 else new))
    return tuple(stages)


def spell_order(stages: Sequence[OrderStage], known: Sequence[Modality]) -> str:
    """Spell an order; the inverse of `parse_order` up to the order of letters inside a stage (AV and VA are one)."""
    parts = []
    for position, stage in enumerate(stages):
        everything = position > 0 and set(stage.train) == set(stage.modalities)
        parts.append(spell(stage.new, known) + ("+" if everything else ""))
    return "_".join(parts)
