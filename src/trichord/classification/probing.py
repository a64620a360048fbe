"""Linear probes of a classifier's encoders: how much each of them knows by itself, whatever the others bring."""

from __future__ import annotations

from pathlib import Path

from trichord.classification.directory import ClassifierDirectory, probe
from trichord.classification.loading import load_classifier
from trichord.classification.measure import Measuring
from trichord.classification.suitability import check_classifier_data
from trichord.data import Dataset
from trichord.errors import ConfigError

PROBED = ("expert", "joint", "teacher")
"""Kinds whose encoders learnt as a whole; those of MMLoRA are the experts', but for their matrices."""


def save_probes(directory: ClassifierDirectory, measuring: Measuring) -> None:
    """Probe every encoder and save the answers; a flag in status.json says which cannot be probed."""
    config, flags = measuring.config, [*directory.status().get("flags", [])]
    for name in config.model.encoders:
        unseen = measuring.unseen_classes(name)
        if unseen:
            flags.append(f"no linear probe of {name}: no item to learn from holds it with the class {unseen[0]!r}")
            continue
        for split, scores in measuring.probe(name).items():
            scores.save(directory.scores_folder(split), probe(name))
    directory.write_status(flags=flags, probed=True)


def add_probes(folder: str | Path, dataset: Dataset) -> ClassifierDirectory:
    """Probe the encoders of a classifier that was trained without; return at once where that is done.

    Args:
        folder: of a finished classifier.
        dataset: the data that it learnt from.

    Raises:
        ConfigError: it is of a kind that is not probed.
    """
    directory = ClassifierDirectory(folder)
    loaded = load_classifier(folder)
    if loaded.config.kind not in PROBED:
        raise ConfigError(f"{folder} holds a classifier of the kind {loaded.config.kind!r}; probed are {list(PROBED)}")
    if not directory.status().get("probed", False):
        labels = check_classifier_data(loaded.config, dataset)
        save_probes(directory, Measuring(loaded.model, loaded.config, dataset, labels, loaded.model.modalities))
    return directory
