"""experts.json: where the frozen experts under a classifier lie, and how they are found again."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from trichord.classification.directory import ClassifierDirectory
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.errors import ConfigError, DataError, RunError, nearest
from trichord.files import read_json, write_json

Places = Mapping[str, Mapping[str, str]]
"""Modality name -> "path" of its expert, the path "beside" the classifier's folder, and the "hash" of its weights."""


def write_places(
    directory: ClassifierDirectory, config: ClassifierExperimentConfig, folders: Mapping[str, Path]
) -> None:
    """Write where the experts lie: modality name -> folder."""
    places = {
        name: {
            "path": str(folders[name].resolve()),
            "beside": os.path.relpath(folders[name].resolve(), directory.path.resolve()),
            "hash": expected,
        }
        for name, expected in config.starts.items()
    }
    write_json(directory.experts_file, places)


def find_experts(
    directory: ClassifierDirectory, config: ClassifierExperimentConfig, elsewhere: Mapping[str, str | Path]
) -> dict[str, Path]:
    """Return modality name -> the folder of the frozen expert under a classifier; {} where it stands on none.

    Args:
        directory: the classifier's.
        config: its experiment.
        elsewhere: modality name -> where its expert is now.

    Raises:
        ConfigError: `elsewhere` names a modality of which no expert is under the classifier.
        RunError: experts.json is gone or damaged, or an expert is neither beside the classifier nor where it was.
    """
    under = config.starts if config.over_experts else {}
    _check_named(directory, config, under, elsewhere)
    if not under:
        return {}
    places = _read_places(directory, under)
    return {
        name: Path(elsewhere[name]) if name in elsewhere else _find(directory, name, places[name]) for name in under
    }


def _check_named(
    directory: ClassifierDirectory, config: ClassifierExperimentConfig, under: Collection[str], named: Collection[str]
) -> None:
    for name in named:
        if name not in under:
            why = nearest(name, list(under)) if under else f"one of the kind {config.kind!r} stands on none"
            raise ConfigError(f"the classifier in {directory.path} stands on no expert of {name!r}; {why}")


def _read_places(directory: ClassifierDirectory, under: Collection[str]) -> Places:
    try:
        places, why = read_json(directory.experts_file), "it does not say of every modality where its expert lies"
    except DataError as error:
        places, why = None, error.rule
    whole = isinstance(places, dict) and all(
        isinstance(place := places.get(name), dict) and {"path", "beside"} <= set(place) for name in under
    )
    if not whole:
        raise RunError(
            f"{directory.experts_file}: {why}; restore the file, or train the classifier again in another folder"
        )
    found: Places = places
    return found


def _find(directory: ClassifierDirectory, name: str, place: Mapping[str, str]) -> Path:
    """Return where an expert lies: beside its classifier as when it was saved, or in its old place."""
    candidates = [Path(os.path.normpath(directory.path / place["beside"])), Path(place["path"])]
    for candidate in candidates:
        if ClassifierDirectory(candidate).exists:
            return candidate
    raise RunError(
        f"the classifier in {directory.path} stands on the {name} expert in {place['path']}, which is not there; put "
        f"it back, or say where it is now: --experts {name}=FOLDER, or "
        f"load_classifier(..., experts={{{name!r}: FOLDER}})"
    )
