"""A checkpoint of the published MCN or AVLnet code as a model of ours: weights only, in the sizes that it has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from trichord.data import DatasetSpec, ModalitySpec
from trichord.encoders import JointEncoder
from trichord.encoders.published import REMEDY, published_weights
from trichord.encoders.published_names import PublishedSizes
from trichord.errors import ConfigError, DataError
from trichord.files import hash_tensors
from trichord.foreign.torch_files import read_torch_file
from trichord.modality import STANDARD, VIDEO, spell
from trichord.recipes.mcn import Size, mcn
from trichord.runs import ExperimentConfig, Model
from trichord.training.stage import StageConfig

FRAMES: Mapping[str, int] = {"youcook2": 5120, "msrvtt": 3072, "lsmdc": 3072, "crosstask": 1024}
"""Data set -> log-mel frames that its clips, or windows around its seconds, are cut or padded to when measured on."""


def load_published(
    path: str | Path,
    *,
    only: Collection[str] | None = None,
    evaluation_frames: int = 5120,
    device: str | torch.device | None = None,
) -> Model:
    """Load a file `e{n}.pth` of the published code; nothing in it is ever executed.

    Decoders and whatever else is no part of an encoder are left out; `published_weights` lists what.

    Args:
        path: the file.
        only: modalities to take, two or more; None takes all that the file holds. A file of the ablations `no_audio`
            or `no_video` holds that modality's branch too, untrained by any contrast: name the two others.
        evaluation_frames: log-mel frames that clips are cut or padded to; published ones are in `FRAMES`.
        device: where to compute; None takes a GPU if there is one.

    Returns:
        The model, in the configuration of the recipe `mcn`; its identity is the hash of the weights that were taken.

    Raises:
        DataError: the file cannot be read, or does not hold the weights of such a model, all of them and no others.
        ConfigError: `only` names a modality that the file has no branch of, or fewer than two.
    """
    try:
        weights = published_weights(_state_dict(read_torch_file(Path(path))), only)
    except DataError as error:
        raise DataError(error.rule, file=error.file or path, row=error.row, remedy=error.remedy) from error
    config = published_experiment(weights.sizes, evaluation_frames=evaluation_frames)
    with torch.device("meta"):  # without this, 0.2 billion numbers would be drawn in order to be overwritten
        encoder: JointEncoder = config.model.build()
    encoder.load_state_dict(weights.encoder, strict=True, assign=True)
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Model(config, encoder.to(chosen), hash_tensors(weights.encoder))


def published_experiment(sizes: PublishedSizes, *, evaluation_frames: int = 5120) -> ExperimentConfig:
    """Return the experiment of the recipe `mcn` in other sizes, without reconstruction where there was none.

    Raises:
        ConfigError: fewer than two modalities.
    """
    if len(sizes.modalities) < 2:
        raise ConfigError(f"a joint space needs two modalities or more, got {list(sizes.modalities)}")
    taken = [modality for modality in STANDARD if modality.name in sizes.modalities]
    entries = [
        ModalitySpec(entry, "pooled" if entry == VIDEO else "sequence", sizes.input_dims[entry.name], 1)
        for entry in taken
    ]
    size = Size(dim=sizes.dim, evaluation_frames=evaluation_frames)
    size = replace(size, audio_widths=sizes.audio_widths or size.audio_widths, decoder=sizes.decoder or size.decoder)
    config = mcn(DatasetSpec("published", tuple(entries), 1, {}), spell(sizes.modalities, STANDARD), size=size)
    if sizes.decoder is not None:
        return config
    return replace(config, stages=tuple(_without_reconstruction(stage) for stage in config.stages))


def _state_dict(content: object) -> dict[str, np.ndarray]:
    """Return what a file held if it is a plain state dictionary; it may as well have been anything else."""
    if not isinstance(content, dict):
        raise DataError(f"the file holds no state dictionary but {type(content).__name__}", remedy=REMEDY)
    strangers = [
        str(key) for key, value in content.items() if not (isinstance(key, str) and isinstance(value, np.ndarray))
    ]
    if strangers:
        found = ", ".join(strangers[:3])
        raise DataError(f"a state dictionary holds arrays by name, and nothing else; not so: {found}", remedy=REMEDY)
    return content


def _without_reconstruction(stage: StageConfig) -> StageConfig:
    assert stage.objective is not None, "the recipe gives every stage one"
    parts = {name: part for name, part in stage.objective.parts.items() if name != "reconstruction"}
    return replace(stage, objective=replace(stage.objective, parts=parts))
