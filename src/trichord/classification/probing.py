"""Linear probes of a classifier's encoders: how much each of them knows by itself, whatever the others bring."""

from __future__ import annotations

from pathlib import Path

from trichord.classification.directory import ClassifierDirectory, probe
from trichord.classification.loading import load_classifier
from trichord.classification.measure import Measuring
from trichord.classification.suitability import check_classifier_data
from trichord.data import Dataset
from trichord.dist import barrier, is_main
from trichord.errors import ConfigError

PROBED = ("expert", "joint", "teacher")
"""Kinds whose encoders learnt as a whole; the others' are those of experts, but for their matrices."""


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

    The main process does it, alone in the folder; the others wait for it.

    Args:
        folder: of a finished classifier.
        dataset: the data that it learnt from.

    Raises:
        ConfigError: it is of a kind that is not probed.
        RunError: it is no finished classifier, or another process is working in the folder.
    """
    directory = ClassifierDirectory(folder)
    config = directory.record().config
    if config.kind not in PROBED:
        raise ConfigError(f"{folder} holds a classifier of the kind {config.kind!r}; probed are {list(PROBED)}")
    if is_main() and lacks_probes(directory):
        with directory.lock():
            if lacks_probes(directory):  # another process may have been before us
                loaded, labels = load_classifier(folder), check_classifier_data(config, dataset)
                save_probes(directory, Measuring(loaded.model, loaded.config, dataset, labels, loaded.model.modalities))
    barrier()
    return directory


def lacks_probes(directory: ClassifierDirectory) -> bool:
    """Whether a classifier has still to be probed, whatever its kind."""
    return not directory.status().get("probed", False)
