"""Adapters of modality pairs that are learnt together with the base they stand over.

Ours. In the last stage a pair's rows pass through its own low-rank matrices, which pull this pair together and leave
what other pairs have in common to the shared weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trichord.adapters.settings import AdapterConfig, LowRankConfig, adapter_name, ordered_pair
from trichord.errors import ConfigError
from trichord.modality import Pair
from trichord.objectives import ObjectiveConfig, PairwiseConfig, SetObjectiveConfig, WeightedPairConfig
from trichord.runs import ExperimentConfig


def together(
    config: ExperimentConfig, pairs: Sequence[Pair], low_rank: LowRankConfig | None = None
) -> ExperimentConfig:
    """Return the experiment that learns adapters together with the base, in its last stage.

    There each of the pairs is pulled together through its adapter, as strongly as before, and no longer on the base's
    own vectors; what the stage minimises besides stays on these.

    Args:
        config: a recipe's experiment, without adapters.
        pairs: which pairs get an adapter.
        low_rank: their matrices.

    Raises:
        ConfigError: a pair is named twice, or the last stage does not pull it together.
    """
    if config.adapters or not pairs:
        raise ConfigError("name at least one pair, and an experiment that has no adapters yet")
    *before, last = config.stages
    known, remaining = config.modalities, last.objective
    objectives: dict[str, ObjectiveConfig] = {}
    adapters: dict[str, AdapterConfig] = {}
    for pair in pairs:
        pair, name = ordered_pair(pair, known), adapter_name(pair, known)
        if name in adapters:
            raise ConfigError(f"the pair {name} is named twice")
        names = tuple(modality.name for modality in known if modality.name in (*pair.left, *pair.right))
        adapters[name] = AdapterConfig(
            left=pair.left, right=pair.right, sides=names, low_rank=low_rank or LowRankConfig()
        )
        remaining, objectives[name] = _taken_out(remaining, pair, name)
    stage = replace(last, objective=remaining, adapters=objectives)
    return replace(config, adapters=adapters, stages=(*before, stage))


def _taken_out(
    objective: ObjectiveConfig | None, pair: Pair, name: str
) -> tuple[ObjectiveConfig | None, ObjectiveConfig]:
    """Return an objective without one of its pairs, and the parts that pulled that pair together, as they were."""
    stays: dict[str, SetObjectiveConfig] = {}
    taken: dict[str, SetObjectiveConfig] = {}
    for key, part in ({} if objective is None else objective.parts).items():
        if not isinstance(part, PairwiseConfig):
            stays[key] = part
            continue
        mine = tuple(other for other in part.pairs if _is_pair(other, pair))
        others = tuple(other for other in part.pairs if not _is_pair(other, pair))
        if mine:
            taken[key] = replace(part, pairs=mine)
        if others:
            stays[key] = replace(part, pairs=others)
    if not taken:
        raise ConfigError(
            f"the last stage does not pull the pair {name} together, so its adapter has nothing to learn there"
        )
    return ObjectiveConfig(parts=stays) if stays else None, ObjectiveConfig(parts=taken)


def _is_pair(found: WeightedPairConfig, pair: Pair) -> bool:
    return {frozenset(found.left), frozenset(found.right)} == {frozenset(pair.left), frozenset(pair.right)}
