"""Whether data and experts can serve a classifier: what would stop it later is found before any work is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.loading import LoadedClassifier
from trichord.config import difference
from trichord.data import Dataset
from trichord.data.classes import Classes, LabelSets, read_labels
from trichord.errors import DataError, RunError
from trichord.runs.directory import DatasetIdentity
from trichord.runs.suitability import check_encoders

WHERE_IT_LAY = "source"
"""Field of a pretrained encoder that says where its checkpoint was."""


def check_classifier_data(config: ClassifierExperimentConfig, dataset: Dataset) -> Classes | LabelSets:
    """Return the classes of the items; raise `DataError` when the data cannot serve the experiment.

    They must hold its modalities, finite and in the widths its encoders expect, its splits, and in each of these every
    class; some item to learn from must hold each modality, and some item that is measured one or more.
    """
    used = (*config.fit_splits, config.selection_split, config.report_split)
    absent = sorted(set(used) - set(dataset.spec.splits))
    if absent:
        raise DataError(
            f"no split named {absent}; the data have {sorted(dataset.spec.splits)}",
            file=dataset.path,
            remedy="name existing splits in fit_splits, selection_split and report_split",
        )
    check_encoders(config.model.encoders, dataset, f"the classifier (recipe {config.recipe})")
    labels = read_labels(dataset, config.label, config.several, used)
    if labels.names != config.model.classes:
        raise DataError(
            f"the label {config.label!r} has the classes {list(labels.names)}, the classifier was made for "
            f"{list(config.model.classes)}",
            file=dataset.path,
            remedy="build the experiment for these data",
        )
    for name in config.model.encoders:
        if not dataset.has(name)[dataset.split(*config.fit_splits)].any():
            raise DataError(
                f"no item of {' + '.join(config.fit_splits)} holds {name}, so its encoder has nothing to learn from",
                file=dataset.path,
                remedy="leave this modality out, or fit on splits that hold it",
            )
    for split in used[len(config.fit_splits) :]:
        if not np.any([dataset.has(name)[dataset.split(split)] for name in config.model.encoders], axis=0).any():
            raise DataError(
                f"no item of the split {split!r} holds one of {list(config.model.encoders)}",
                file=dataset.path,
                remedy="name modalities that are there, or another split",
            )
    for name in config.model.encoders:
        dataset.check_finite(name)
    return labels


def check_experts(
    config: ClassifierExperimentConfig, dataset: Dataset, experts: Mapping[str, LoadedClassifier]
) -> None:
    """Raise `RunError` unless the experts are those that the experiment starts from or is taught by, and suit it.

    An expert must not have learnt from items that this experiment chooses or reports on, nor have chosen its weights
    on those that it reports. Splits are compared by name, and only of the same data: the same content, or the same
    folder, whichever way it is read. Which items two data sets share is not known: of an expert that learnt from other
    data, whoever names it must see to that.
    """
    for name, expected in [*config.starts.items(), *config.teachers.items()]:
        if name not in experts:
            raise RunError(f"the experiment needs the {name} expert {expected}; give it in `experts`")
        expert = experts[name]
        found = expert.hashes.get(name)
        if found != expected:
            raise RunError(
                f"the experiment needs the {name} expert {expected}, got {found or 'one of another modality'} in "
                f"{expert.path}; give the expert it was planned with, or plan it anew"
            )
        _check_expert(config, dataset, name, expert)


def _check_expert(config: ClassifierExperimentConfig, dataset: Dataset, name: str, expert: LoadedClassifier) -> None:
    whose = f"the {name} expert in {expert.path}"
    if expert.config.kind != "expert":
        raise RunError(f"{whose} is a classifier of the kind {expert.config.kind!r}; train an expert of {name} alone")
    both: dict[str, tuple[object, object]] = {"classes": (expert.config.model.classes, config.model.classes)}
    both |= {"label": (expert.config.label, config.label), "several": (expert.config.several, config.several)}
    encoders = difference(expert.config.model.encoders[name], config.model.encoders[name])
    encoders.pop(WHERE_IT_LAY, None)  # its weights are compared, not its place
    both |= encoders
    unlike = [f"{field}: {there!r} there, {here!r} here" for field, (there, here) in both.items() if there != here]
    if unlike:
        raise RunError(f"{whose} does not fit the experiment ({'; '.join(unlike[:5])}); train one that does")
    if not _is_same(expert.dataset, dataset):
        return
    held_out = {config.selection_split, config.report_split} & set(expert.config.fit_splits)
    if held_out:
        raise RunError(
            f"{whose} learnt from {sorted(held_out)}, which this experiment chooses or reports on; train one that did "
            "not see them"
        )
    if expert.config.selection_split == config.report_split:
        raise RunError(
            f"{whose} was chosen on {config.report_split!r}, which this experiment reports on; train one that was "
            "chosen on another split"
        )


def _is_same(learnt_from: DatasetIdentity, dataset: Dataset) -> bool:
    """Whether data are those; a pretrained encoder's view of raw inputs has a fingerprint of its own."""
    same_folder = Path(learnt_from.path).resolve() == dataset.path.resolve()
    return same_folder or learnt_from.fingerprint == dataset.fingerprint()
