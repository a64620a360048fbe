"""Adapters of modality pairs, learnt after a base that stays as it is; `together` learns them along with it.

Ours; no published system has them. A pair's rows pass through its own low-rank matrices, which pull this pair together
and leave what other pairs have in common to the shared weights (Hu et al. 2021 for the matrices themselves).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from trichord.adapters.settings import AdapterConfig, LowRankConfig, adapter_name, ordered_pair
from trichord.data import DatasetSpec
from trichord.encoders import JointEncoderConfig
from trichord.errors import ConfigError
from trichord.modality import Pair, Task, spell_task
from trichord.objectives import (
    InfoNCEConfig,
    ObjectiveConfig,
    PairObjectiveConfig,
    PairwiseConfig,
    WeightedPairConfig,
)
from trichord.recipes.rewording import reworded
from trichord.recipes.together import together
from trichord.runs import ExperimentConfig, Model, SelectionConfig

__all__ = ["Adaptation", "adapt", "specialise", "together"]


# Chosen on validation clips of vine (five folds) and grid words, see docs/results.md; at the published width of MCN one
# percent of the weights.
SMALL = LowRankConfig(rank=32, alpha=32, dropout=0.3)


@dataclass(frozen=True)
class Adaptation:
    """How an adapter is learnt.

    Args:
        low_rank: its matrices.
        objective: what pulls the pair together; None: what the base's last stage pulled pairs together by. Clips that
            overlap are masked, and batches made of source videos, where the base's last stage did so and the data are
            cut from whole videos, too.
        sides: names of the modalities whose encoders it changes; empty: both sides of the pair.
        learning_rate: peak rate; None: that of the base's last stage.
        epochs: passes over the data; None: as many as the base's last stage.
    """

    low_rank: LowRankConfig = SMALL
    objective: PairObjectiveConfig | None = None
    sides: tuple[str, ...] = ()
    learning_rate: float | None = None
    epochs: int | None = None


def adapt(
    model: Model, spec: DatasetSpec, pair: Pair, seed: int = 0, settings: Adaptation | None = None
) -> ExperimentConfig:
    """Return the experiment that learns one pair's adapter over a base, whose weights are frozen.

    Args:
        model: the base.
        spec: the data; they need hold the pair's modalities alone.
        pair: what it pulls together.
        seed: seed of its start and of the order of batches.
        settings: how it is learnt.

    Raises:
        ConfigError: the base or the data lack a modality of the pair, or the captions have other word vectors.
    """
    settings = settings or Adaptation()
    names = (*pair.left, *pair.right)
    held = {entry.modality.name: entry for entry in spec.modalities}
    for name in names:
        if name not in held or not model.supports(name):
            where = f"the data {spec.name}" if name not in held else "the base"
            raise ConfigError(f"the pair needs {name!r}, which {where} lacks; adapt a pair that both have")
    known = tuple(entry.modality for entry in spec.modalities if entry.modality.name in names)
    own = tuple(modality.name for modality in known)
    pair, name = ordered_pair(pair, known), adapter_name(pair, known)
    last = model.config.stages[-1]
    narrated = any(held[modality].cut for modality in own)
    rate = settings.learning_rate
    optimizer = last.optimizer if rate is None else replace(last.optimizer, learning_rate=rate)
    tasks = tuple(spell_task(task, known) for task in _directions(pair))
    split = model.config.selection.split or "val"
    return ExperimentConfig(
        recipe="adapt",
        order=name,
        seed=seed,
        letters={modality.name: modality.letter for modality in known},
        model=JointEncoderConfig(
            encoders={
                modality: reworded(model.config.model.encoders[modality], held[modality], spec) for modality in own
            },
            normalize=model.config.model.normalize,
        ),
        adapters={
            name: AdapterConfig(
                left=pair.left, right=pair.right, sides=settings.sides or own, low_rank=settings.low_rank
            )
        },
        stages=(
            replace(
                last,
                modalities=own,
                train=(),
                objective=None,
                adapters={name: _objective(pair, settings.objective, model.config, narrated=narrated)},
                optimizer=optimizer,
                epochs=last.epochs if settings.epochs is None else settings.epochs,
                stop_epoch=None,
                items_per_source=last.items_per_source if narrated else None,
            ),
        ),
        fit_splits=tuple(split for split in model.config.fit_splits if split in spec.splits) or ("train",),
        evaluation=replace(model.config.evaluation, tasks=tasks),
        selection=SelectionConfig(split=split if _usable(split, spec, model.config) else None, tasks=tasks),
        precision=model.config.precision,
        initial=model.identity,
    )


def specialise(
    model: Model, spec: DatasetSpec, pair: Pair, seed: int = 0, settings: Adaptation | None = None
) -> ExperimentConfig:
    """Return the experiment that fine-tunes the whole encoders of one pair: what its adapter is measured against.

    Everything else is as in `adapt`, which also says what may be wrong.
    """
    config = adapt(model, spec, pair, seed, settings)
    (stage,) = config.stages
    (objective,) = stage.adapters.values()
    whole = replace(stage, train=stage.modalities, objective=objective, adapters={})
    return replace(config, recipe="specialise", stages=(whole,), adapters={})


def _objective(
    pair: Pair, contrast: PairObjectiveConfig | None, base: ExperimentConfig, *, narrated: bool
) -> ObjectiveConfig:
    """Return what pulls the pair together: as the base's last stage did, where `contrast` does not say otherwise."""
    last = base.stages[-1]
    objectives = [objective for objective in (last.objective, *last.adapters.values()) if objective is not None]
    parts = [part for objective in objectives for part in objective.parts.values() if isinstance(part, PairwiseConfig)]
    part = PairwiseConfig(
        objective=contrast or (parts[0].objective if parts else InfoNCEConfig()),
        pairs=(WeightedPairConfig(left=pair.left, right=pair.right),),
        normalize_joined=base.model.normalize,
        mask_overlaps=narrated and bool(parts) and parts[0].mask_overlaps,
    )
    return ObjectiveConfig(parts={"contrast": part})


def _directions(pair: Pair) -> tuple[Task, Task]:
    return Task(pair.left, pair.right), Task(pair.right, pair.left)


def _usable(split: str, spec: DatasetSpec, base: ExperimentConfig) -> bool:
    """Whether a split can decide about epochs: it is there, and neither learnt from nor measured on, as by the base."""
    return split in spec.splits and split not in (*base.fit_splits, base.evaluation.split)
