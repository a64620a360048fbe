"""Whether data can serve an experiment: everything that would stop it later is found before any work is done."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trichord.data import Dataset, require_segments, require_sources
from trichord.data.specification import RAW_WIDTHS
from trichord.encoders import EncoderConfig, WordPoolConfig
from trichord.encoders.backbone import BackboneConfig
from trichord.errors import DataError
from trichord.modality import parse_task
from trichord.objectives import PairwiseConfig
from trichord.runs.experiment import ExperimentConfig
from trichord.training.stage import StageConfig


def check_data(config: ExperimentConfig, dataset: Dataset) -> None:
    """Raise `DataError` when the data cannot serve the experiment.

    They must hold its modalities, finite and in the widths its encoders expect, and its splits; every stage needs an
    item to learn from that holds two of its modalities, every adapter one that holds its pair, and every task an item
    in the split it is measured on that has both sides. A stage that goes by the source or the segment of an item needs
    items that name them.
    """
    whose = f"the experiment (recipe {config.recipe}, order {config.order})"
    check_encoders(config.model.encoders, dataset, whose)
    _check_splits(config, dataset)
    for number, stage in enumerate(config.stages):
        held = np.sum([dataset.has(name)[dataset.split(*config.fit_splits)] for name in stage.modalities], axis=0)
        if not (held > 1).any():
            raise DataError(
                f"stage {number} learns from the splits {list(config.fit_splits)}, where no item holds two of "
                f"{list(stage.modalities)}",
                file=dataset.path,
                remedy="choose an order whose stages the data can serve, or other splits to fit on",
            )
        _check_pairs(config, dataset, stage)
        check_clips(dataset, stage, dataset.split(*config.fit_splits))
        if config.selection.split is not None:
            _check_tasks(dataset, config.selection.split, config.stage_tasks(stage), config, "selection")
    _check_tasks(dataset, config.evaluation.split, config.tasks, config, "evaluation")
    for entry in dataset.spec.modalities:
        # Features of whole videos may be terabytes; they were checked when they were packed.
        if entry.modality.name in config.model.encoders and not entry.cut:
            dataset.check_finite(entry.modality.name)


def check_encoders(encoders: Mapping[str, EncoderConfig], dataset: Dataset, whose: str) -> None:
    """Raise `DataError` when data lack a modality that is encoded, or hold it in another form than its encoder takes.

    Args:
        encoders: modality name -> its encoder.
        dataset: the data.
        whose: what has these encoders, as messages begin: "the experiment".
    """
    held = {entry.modality.name: entry for entry in dataset.spec.modalities}
    for name, encoder in encoders.items():
        if name not in held:
            raise DataError(
                f"{whose} needs the modality {name!r}; the data hold {sorted(held)}",
                file=dataset.path,
                remedy="choose an order of the modalities that are there, or import the missing one",
            )
        if held[name].kind in RAW_WIDTHS and not isinstance(encoder, BackboneConfig):
            raise DataError(
                f"{name} holds raw inputs (kind {held[name].kind!r}), and the encoder {type(encoder).__name__} of "
                f"{whose} takes features",
                file=dataset.path,
                remedy="classify with a pretrained encoder that reads them (trichord study mmlora --encoder "
                f"{name}=FOLDER), or make a data set of features",
            )
        if encoder.kind != held[name].kind:
            raise DataError(
                f"{name} is of the kind {held[name].kind!r}, and the encoder {type(encoder).__name__} of {whose} takes "
                f"{encoder.kind!r}",
                file=dataset.path,
                remedy="choose a recipe for such features, for instance mcn_fixed_small for words and sequences",
            )
        words = held[name].words
        if isinstance(encoder, WordPoolConfig) and words is not None and encoder.word_vectors != words.fingerprint:
            raise DataError(
                f"{name} is indexed with the word vectors {words.source} ({words.fingerprint}), the encoder was made "
                f"for others ({encoder.word_vectors or 'unknown'})",
                file=dataset.path,
                remedy="import the captions again with the file of word vectors the model was made with",
            )
        if isinstance(encoder, BackboneConfig) and encoder.processor != held[name].preparation:
            raise DataError(
                f"{name} is {'prepared for another checkpoint than' if held[name].preparation else 'not prepared for'} "
                f"that of {whose} ({encoder.family}, {encoder.source})",
                file=dataset.path,
                remedy="take trichord.runs.prepared_data.prepared_view of the data",
            )
        if encoder.input_dim != held[name].dim:
            raise DataError(
                f"{name} is {held[name].dim} wide, the encoder of {whose} expects {encoder.input_dim}",
                file=dataset.path,
                remedy="use the data the model was made for, or build the recipe for these data",
            )


def _check_pairs(config: ExperimentConfig, dataset: Dataset, stage: StageConfig) -> None:
    items = dataset.split(*config.fit_splits)
    for adapter in stage.adapters:
        needed = config.adapters[adapter].modalities
        if not np.all([dataset.has(name)[items] for name in needed], axis=0).any():
            raise DataError(
                f"the adapter {adapter} learns from the splits {list(config.fit_splits)}, where no item holds all of "
                f"{list(needed)}",
                file=dataset.path,
                remedy="leave this adapter out, or fit on splits that hold its pair",
            )


def check_clips(dataset: Dataset, stage: StageConfig, items: np.ndarray) -> None:
    """Raise `DataError` when a stage goes by the source or the segment of items, and items do not name them."""
    usable = items[np.any([dataset.has(name)[items] for name in stage.modalities], axis=0)]
    if stage.items_per_source is not None:
        require_sources(dataset, usable)
    objectives = [*([] if stage.objective is None else [stage.objective]), *stage.adapters.values()]
    parts = [part for objective in objectives for part in objective.parts.values()]
    if any(isinstance(part, PairwiseConfig) and part.mask_overlaps for part in parts):
        require_segments(dataset, usable)


def _check_splits(config: ExperimentConfig, dataset: Dataset) -> None:
    chosen = [] if config.selection.split is None else [config.selection.split]
    absent = sorted({*config.fit_splits, config.evaluation.split, *chosen} - set(dataset.spec.splits))
    if absent:
        raise DataError(
            f"no split named {absent}; the data have {sorted(dataset.spec.splits)}",
            file=dataset.path,
            remedy="name existing splits in fit_splits, selection.split and evaluation.split",
        )


def _check_tasks(dataset: Dataset, split: str, tasks: tuple[str, ...], config: ExperimentConfig, setting: str) -> None:
    items = dataset.split(split)

    def holds_any(names: tuple[str, ...]) -> np.ndarray:
        found: np.ndarray = np.any([dataset.has(name)[items] for name in names], axis=0)
        return found

    for spelling in tasks:
        task = parse_task(spelling, config.modalities)
        if not (holds_any(task.query) & holds_any(task.gallery)).any():
            raise DataError(
                f"task {spelling} cannot be measured on split {split!r}: no item there holds both of its sides",
                file=dataset.path,
                remedy=f"name the tasks that can in {setting}.tasks, or add the missing modality to the split",
            )
