"""Adapters in a run: attached before training, measured each on its own pair, saved at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.lora import LowRank
from trichord.adapters.saved import write_adapter
from trichord.adapters.settings import BASE
from trichord.data import Dataset
from trichord.encoders import JointEncoder
from trichord.evaluation import EvaluationConfig, RetrievalResult, embed_split, evaluate, rank_task
from trichord.metrics.retrieval import summarise
from trichord.modality import Task, parse_task
from trichord.runs.experiment import ExperimentConfig

AFTER, TOGETHER = "after the base", "together with the base"


def attach_adapters(
    model: JointEncoder, config: ExperimentConfig
) -> tuple[LowRank, dict[str, dict[str, torch.Tensor]]]:
    """Put the adapters of an experiment into its model.

    Returns:
        The adapters, and name -> copies of the tensors that they start from.
    """
    low_rank = LowRank(model)
    start: dict[str, dict[str, torch.Tensor]] = {}
    for name, adapter in config.adapters.items():
        low_rank.attach(name, adapter.low_rank, [f"encoders.{side}" for side in adapter.sides], config.seed)
        start[name] = {key: tensor.clone() for key, tensor in low_rank.tensors(name).items()}
    return low_rank, start


def check_adapters(config: ExperimentConfig) -> None:
    """Raise `ConfigError` where an encoder has no layers for an adapter's matrices, before any work is done."""
    if not config.adapters:
        return
    with torch.device("meta"):
        model: JointEncoder = config.model.build()
    low_rank = LowRank(model)
    for adapter in config.adapters.values():
        low_rank.plan(adapter.low_rank, [f"encoders.{side}" for side in adapter.sides])


def own_adapter(config: ExperimentConfig, task: Task) -> str:
    """Return the adapter whose pair are the two sides of a task; `BASE` where no adapter is for this pair."""
    return config.own_adapter(task) or BASE


def group_tasks(config: ExperimentConfig, spellings: Sequence[str]) -> dict[str, list[Task]]:
    """Return adapter name (or `BASE`) -> the tasks that are measured under it."""
    groups: dict[str, list[Task]] = {}
    for spelling in spellings:
        task = parse_task(spelling, config.modalities)
        tasks = groups.setdefault(own_adapter(config, task), [])
        if task not in tasks:  # "T>VA" and "T>V+A" are one
            tasks.append(task)
    return groups


def measure(
    low_rank: LowRank, model: JointEncoder, dataset: Dataset, config: ExperimentConfig, spellings: Sequence[str]
) -> dict[str, RetrievalResult]:
    """Measure tasks on the reported split, each under the adapter of its pair, or the base where there is none."""
    measured, found = config.evaluation, dict[str, RetrievalResult]()
    for name, tasks in group_tasks(config, spellings).items():
        with low_rank.active(*_active(name)):
            found |= evaluate(model, dataset, measured.split, tasks, measured.scoring, batch_size=measured.batch_size)
    return {spelling: found[spelling] for spelling in _spelled(config, spellings)}


def validate(
    low_rank: LowRank, model: JointEncoder, dataset: Dataset, config: ExperimentConfig, spellings: Sequence[str]
) -> Mapping[str, float]:
    """Return the selection metric of every task on the validation split, and their mean as "selection"."""
    assert config.selection.split is not None
    items = dataset.split(config.selection.split)
    scoring: EvaluationConfig = config.evaluation.scoring
    chosen: dict[str, float] = {}
    for name, tasks in group_tasks(config, spellings).items():
        needed = {modality for task in tasks for modality in (*task.query, *task.gallery)}
        names = [modality.name for modality in config.modalities if modality.name in needed]
        with low_rank.active(*_active(name)):
            tables = embed_split(model, dataset, items, modalities=names, batch_size=config.evaluation.batch_size)
        for task in tasks:
            found = summarise(rank_task(tables, task, items, scoring).scores).named()
            chosen[config.spell(task)] = found[config.selection.metric]
    values = {spelling: chosen[spelling] for spelling in _spelled(config, spellings)}
    return {"selection": sum(values.values()) / len(values), **values}


def save_adapters(
    low_rank: LowRank,
    start: Mapping[str, Mapping[str, torch.Tensor]],
    config: ExperimentConfig,
    base: str,
    preprocessing: Mapping[str, str],
    dataset: Dataset,
    folders: Mapping[str, Path],
) -> dict[str, str]:
    """Write every adapter as a PEFT folder with its identity; return name -> hash of its identity.

    Args:
        low_rank: where they are.
        start: what they started from.
        config: the experiment.
        base: hash of the weights of the base.
        preprocessing: modality name -> hash of the settings of the base's encoder.
        dataset: the data they were learnt from.
        folders: name -> where.
    """
    hashes = {}
    for name, adapter in config.adapters.items():
        saved = low_rank.saved(name)
        if adapter.low_rank.starts_from_weights:
            saved = saved.without_start(start[name])
        identity = AdapterIdentity(
            name=name,
            left=adapter.left,
            right=adapter.right,
            sides=adapter.sides,
            base=base,
            weights=saved.hash,
            preprocessing={side: preprocessing[side] for side in adapter.sides},
            dataset=dataset.spec.name,
            dataset_fingerprint=dataset.fingerprint(),
            learnt=TOGETHER if config.trains_base else AFTER,
            fit_splits=config.fit_splits,
            selected_on=config.selection.split,
        )
        write_adapter(folders[name], saved, identity)
        hashes[name] = identity.hash
    return hashes


def _spelled(config: ExperimentConfig, spellings: Sequence[str]) -> list[str]:
    """Spell tasks as results are, each once: "T>V+A" is "T>VA"."""
    return list(dict.fromkeys(config.spell(parse_task(spelling, config.modalities)) for spelling in spellings))


def _active(name: str) -> tuple[str, ...]:
    return () if name == BASE else (name,)
