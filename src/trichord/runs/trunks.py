"""Trunks in which a stage learns nothing are computed once: the data of a stage, read through the cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trichord.data import Dataset
from trichord.dist import barrier, is_main
from trichord.encoders.beforehand import Depth
from trichord.errors import RunError
from trichord.evaluation.embed import evaluating
from trichord.runs.experiment import ExperimentConfig
from trichord.runs.options import RunOptions
from trichord.runs.preprocessing import preprocessing_of
from trichord.training.stage import StageConfig
from trichord.training.system import System
from trichord.training.trunk_cache import cache_outputs, cacheable_depth


@dataclass(frozen=True)
class StageData:
    """What a stage reads.

    Args:
        learning: data to learn from.
        validation: data for validation; the encoders are in evaluation mode there and may read other frames.
        depths: modality name -> how far it is computed already, in both; see `JointEncoder.given`.
    """

    learning: Dataset
    validation: Dataset
    depths: Mapping[str, Depth]


def stage_data(
    system: System,
    config: ExperimentConfig,
    stage: StageConfig,
    dataset: Dataset,
    folder: Path,
    options: RunOptions,
    before: Mapping[str, Depth] | None = None,
) -> StageData:
    """Return the data of a stage, with the outputs of still trunks in place of what they are computed from.

    So are the outputs of whole encoders of sequences, where none of their weights learns. A modality is left as it is
    where its values would be larger than `RunOptions.largest_cache`.

    Args:
        system: what the stage trains, frozen parts already set, on its device.
        config: the experiment.
        stage: the stage.
        dataset: the data.
        folder: where caches lie.
        options: whether to cache, and how much.
        before: the depths of a stage that goes on: what was not computed beforehand then is not now. None: it begins.

    Raises:
        RunError: the stage went by outputs that were computed beforehand, and these options do not allow it now.
    """
    found = _find_data(system, config, stage, dataset, folder, options, before)
    missing = sorted(set(before or {}) - set(found.depths))
    if missing:
        raise RunError(
            f"this stage began with outputs of {' and '.join(missing)} that were computed beforehand, and cannot have "
            "them now; to go on with the same numbers, take the options it began with (cache_trunks, largest_cache)"
        )
    return found


def _find_data(
    system: System,
    config: ExperimentConfig,
    stage: StageConfig,
    dataset: Dataset,
    folder: Path,
    options: RunOptions,
    before: Mapping[str, Depth] | None,
) -> StageData:
    model = system.model
    system.set_mode()
    # Heads on pooled vectors are about as fast as reading what they would give.
    long = [name for name in stage.modalities if model.encoder(name).sequences]
    found = {name: cacheable_depth(model.encoder(name)) for name in long}
    known = {name: depth for name, depth in found.items() if depth is not None}
    depths = {name: depth for name, depth in known.items() if before is None or before.get(name) == depth}
    if not options.cache_trunks or not depths:
        return StageData(dataset, dataset, {})
    if not is_main():
        barrier()
    settings, validated = preprocessing_of(config.model), config.selection.split
    items = dataset.split(*config.fit_splits)
    cache = partial(
        cache_outputs, settings=settings, folder=folder, largest_bytes=options.largest_cache, write=is_main()
    )
    learning = cache(model, dataset, items, depths)
    if validated is None:
        validation = learning
    else:
        with evaluating(model):
            items = dataset.split(validated)
            validation = cache(model, dataset, items, learning.depths)
        learning = learning.without(set(learning.outputs) - set(validation.outputs))
    if is_main():
        barrier()
    return StageData(learning, validation, learning.depths)
