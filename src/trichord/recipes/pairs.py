"""Which pairs a stage of an order pulls together."""

from __future__ import annotations

from trichord.curricula import OrderStage
from trichord.modality import TEXT, all_pairs
from trichord.objectives import WeightedPairConfig


def stage_pairs(stage: OrderStage, joined_weight: float = 0.0) -> tuple[WeightedPairConfig, ...]:
    """Return every pair of the stage's modalities of which at least one side learns.

    Args:
        stage: the stage.
        joined_weight: above 0, and from three modalities on, text (or the last modality, where there is no text) is
            also pulled to the sum of all others, with this weight: the vector that T>VA is searched by.
    """
    learning = [p for p in all_pairs(stage.modalities) if {*p.left, *p.right} & set(stage.train)]
    pairs = [WeightedPairConfig(left=pair.left, right=pair.right) for pair in learning]
    if joined_weight > 0 and len(stage.modalities) > 2:
        anchor = TEXT.name if TEXT.name in stage.modalities else stage.modalities[-1]
        others = tuple(name for name in stage.modalities if name != anchor)
        pairs.append(WeightedPairConfig(left=(anchor,), right=others, weight=joined_weight))
    return tuple(pairs)
