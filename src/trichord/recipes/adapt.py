"""Adapters of modality pairs: learnt after a base that stays as it is, or together with it.

Ours; no published system has them. A pair's rows pass through its own low-rank matrices, which pull this pair together
and leave what other pairs have in common to the shared weights (Hu et al. 2021 for the matrices themselves).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trichord.adapters.settings import AdapterConfig, LowRankConfig, adapter_name
from trichord.data import DatasetSpec
from trichord.encoders import JointEncoderConfig, WordPoolConfig
from trichord.errors import ConfigError
from trichord.modality import Pair, Task, spell_task
from trichord.objectives import (
    InfoNCEConfig,
    ObjectiveConfig,
    PairObjectiveConfig,
    PairwiseConfig,
    SetObjectiveConfig,
    WeightedPairConfig,
)
from trichord.runs import ExperimentConfig, Model, SelectionConfig
from trichord.training.stage import StageConfig


@dataclass(frozen=True)
class Adaptation:
    """How an adapter is learnt.

    Args:
        low_rank: its matrices.
        objective: what pulls the pair together; None: what the base's last stage pulled pairs together by.
        sides: names of the modalities whose encoders it changes; empty: both sides of the pair.
        learning_rate: peak rate; None: that of the base's last stage.
        epochs: passes over the data; None: as many as the base's last stage.
    """

    low_rank: LowRankConfig = LowRankConfig()
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
    name = adapter_name(pair, known)
    encoders = {modality: model.config.model.encoders[modality] for modality in own}
    for modality, encoder in encoders.items():
        words = held[modality].words
        if isinstance(encoder, WordPoolConfig):
            if words is not None and encoder.word_vectors not in ("", words.fingerprint):
                raise ConfigError(
                    f"the captions of {spec.name} are indexed with other word vectors ({words.source}) than the base "
                    "was trained with; import them again with the file of the base"
                )
            encoders[modality] = replace(encoder, num_words=held[modality].num_words or None)
    last = model.config.stages[-1]
    contrast = settings.objective or _contrast(last)
    optimizer = replace(last.optimizer, learning_rate=settings.learning_rate or last.optimizer.learning_rate)
    tasks = tuple(spell_task(task, known) for task in _directions(pair))
    split = model.config.selection.split or "val"
    return ExperimentConfig(
        recipe="adapt",
        order=name,
        seed=seed,
        letters={modality.name: modality.letter for modality in known},
        model=JointEncoderConfig(encoders=encoders, normalize=model.config.model.normalize),
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
                adapters={name: _pair_objective(pair, contrast, model.config.model.normalize)},
                optimizer=optimizer,
                epochs=settings.epochs or last.epochs,
                stop_epoch=None,
            ),
        ),
        fit_splits=tuple(split for split in model.config.fit_splits if split in spec.splits) or ("train",),
        evaluation=replace(model.config.evaluation, tasks=tasks),
        selection=SelectionConfig(split=split if _usable(split, spec, model.config) else None, tasks=tasks),
        precision=model.config.precision,
        initial=model.identity,
    )


def together(
    config: ExperimentConfig, pairs: Sequence[Pair], low_rank: LowRankConfig | None = None
) -> ExperimentConfig:
    """Return the experiment that learns adapters together with the base, in its last stage.

    There each of the pairs is pulled together through its adapter and no longer on the base's own vectors; what the
    stage minimises besides stays on these.

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
    known = config.modalities
    objectives: dict[str, ObjectiveConfig] = {}
    adapters: dict[str, AdapterConfig] = {}
    for pair in pairs:
        name = adapter_name(pair, known)
        if name in adapters:
            raise ConfigError(f"the pair {name} is named twice")
        names = tuple(modality.name for modality in known if modality.name in (*pair.left, *pair.right))
        adapters[name] = AdapterConfig(
            left=pair.left, right=pair.right, sides=names, low_rank=low_rank or LowRankConfig()
        )
        last, contrast = _taken_out(last, pair, name)
        objectives[name] = _pair_objective(pair, contrast, config.model.normalize)
    return replace(config, adapters=adapters, stages=(*before, replace(last, adapters=objectives)))


def _contrast(stage: StageConfig) -> PairObjectiveConfig:
    """Return what a stage pulls pairs together by."""
    found = [objective for objective in (stage.objective, *stage.adapters.values()) if objective is not None]
    parts = [part for objective in found for part in objective.parts.values() if isinstance(part, PairwiseConfig)]
    return parts[0].objective if parts else InfoNCEConfig()


def _pair_objective(pair: Pair, contrast: PairObjectiveConfig, unit: bool) -> ObjectiveConfig:
    sides = WeightedPairConfig(left=pair.left, right=pair.right)
    return ObjectiveConfig(
        parts={"contrast": PairwiseConfig(objective=contrast, pairs=(sides,), normalize_joined=unit)}
    )


def _directions(pair: Pair) -> tuple[Task, Task]:
    return Task(pair.left, pair.right), Task(pair.right, pair.left)


def _usable(split: str, spec: DatasetSpec, base: ExperimentConfig) -> bool:
    """Whether a split can decide about epochs: it is there, and the adapter does not learn from it as the base did."""
    return split in spec.splits and split not in base.fit_splits


def _taken_out(stage: StageConfig, pair: Pair, name: str) -> tuple[StageConfig, PairObjectiveConfig]:
    """Return the stage without one of its pairs, and what pulled that pair together."""
    if stage.objective is None:
        raise ConfigError(f"the last stage does not pull the pair {name} together any more")
    parts: dict[str, SetObjectiveConfig] = dict(stage.objective.parts)
    for key, part in stage.objective.parts.items():
        if not isinstance(part, PairwiseConfig):
            continue
        kept = tuple(other for other in part.pairs if {other.left, other.right} != {pair.left, pair.right})
        if len(kept) < len(part.pairs):
            if kept:
                parts[key] = replace(part, pairs=kept)
            else:
                del parts[key]
            objective = ObjectiveConfig(parts=parts) if parts else None
            return replace(stage, objective=objective), part.objective
    raise ConfigError(
        f"the last stage does not pull the pair {name} together, so its adapter has nothing to learn there"
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
