"""A trained classifier, loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trichord.adapters.lora import LowRank, own_tensors, plain_state
from trichord.adapters.saved import read_adapter
from trichord.classification.directory import ClassifierDirectory
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.experts_file import find_experts
from trichord.classification.measure import class_scores
from trichord.classification.model import FusionClassifier
from trichord.classification.vectors import ItemLogits, ItemVectors, classify_vectors, encode_items
from trichord.data import Dataset
from trichord.data.classes import read_labels
from trichord.encoders import EncoderConfig
from trichord.encoders.backbone import BackboneConfig, relocated
from trichord.errors import ConfigError, DataError, RunError, nearest
from trichord.evaluation.class_scores import ClassScores, Truth
from trichord.files import hash_tensors
from trichord.runs.directory import DatasetIdentity
from trichord.runs.prepared_data import prepared_view
from trichord.runs.suitability import check_encoders
from trichord.shapes import Int
from trichord.training.checkpoint import load_state, load_tensors


@dataclass(frozen=True)
class LoadedClassifier:
    """A classifier that was trained.

    Args:
        path: its folder.
        config: the experiment it came from.
        encoders: modality name -> its encoder, built of what lies in folders of classifiers: the checkpoint that a
            pretrained one came from may be gone.
        model: its weights, in evaluation mode. Matrices over frozen experts stand beside them and are active in the
            methods below only.
        low_rank: those matrices, each named after its modality.
        hashes: modality name -> hash of its encoder and of the classifier on top of it.
        dataset: the data it learnt from.
    """

    path: Path
    config: ClassifierExperimentConfig
    encoders: Mapping[str, EncoderConfig]
    model: FusionClassifier
    low_rank: LowRank
    hashes: Mapping[str, str]
    dataset: DatasetIdentity

    def vectors(
        self, dataset: Dataset, items: Int[np.ndarray, " items"], modalities: Sequence[str] | None = None
    ) -> dict[str, ItemVectors]:
        """Return what the encoders make of items.

        Args:
            dataset: the data.
            items: rows of the items.
            modalities: names of those to encode; None: all that have an encoder.

        Raises:
            DataError: the data lack a modality, hold it in another form, or hold NaN or infinity in one of the items.
        """
        names = self.model.modalities if modalities is None else tuple(modalities)
        for name in names:
            if name not in self.model.modalities:
                raise ConfigError(f"the classifier knows no {name!r}; {nearest(name, self.model.modalities)}")
        encoders = {name: self.encoders[name] for name in names}
        held = [modality.name for modality in dataset.modalities]
        for name in names:
            if name not in held:
                raise DataError(
                    f"the classifier in {self.path} needs the modality {name!r}; the data hold {sorted(held)}",
                    file=dataset.path,
                    remedy="take others of its modalities alone (--only, or only=...), or import the missing one",
                )
        view = prepared_view(dataset, encoders)
        check_encoders(encoders, view, f"the classifier in {self.path}")
        with self.low_rank.active(*self.low_rank.names):
            return encode_items(self.model, view, items, modalities=names, batch_size=self.config.encode_batch)

    def classify(
        self, dataset: Dataset, items: Int[np.ndarray, " items"], only: Collection[str] | None = None
    ) -> ItemLogits:
        """Return the logits of items, whose classes need not be known.

        Args:
            dataset: the data.
            items: rows of the items.
            only: take these modalities alone, as if the others were missing; None takes all.

        Raises:
            ConfigError: `only` names others than it knows.
            DataError: see `vectors`; or an answer is not finite.
        """
        names = None if only is None else [name for name in self.model.modalities if name in only]
        if only is not None and (not names or set(only) - set(names)):
            raise ConfigError(
                f"the classifier in {self.path} knows {list(self.model.modalities)}; it was asked to take "
                f"{sorted(only)} alone"
            )
        found = classify_vectors(self.model, self.vectors(dataset, items, names))
        wrong = np.flatnonzero(~np.isfinite(found.logits).all(axis=1))
        if len(wrong):
            raise DataError(
                f"the classifier in {self.path} has no finite answer to item {dataset.ids[int(items[wrong[0]])]!r} "
                f"(so it is with {len(wrong)} of {len(items)} items)",
                file=dataset.path,
                remedy="check its features for values that are too large, and the training of the classifier",
            )
        return found

    def predict(self, dataset: Dataset, split: str, only: Collection[str] | None = None) -> ClassScores:
        """Classify the items of a split and put the truth beside it; see `classify`.

        Raises:
            DataError: the data have other classes than those it tells apart.
        """
        truth, items = self.truth(dataset, split), dataset.split(split)
        return class_scores(self.config, truth, split, items, self.classify(dataset, items, only))

    def truth(self, dataset: Dataset, *splits: str) -> Truth:
        """Return the classes of the items of splits (none named: of all), numbered as the classifier's.

        See `Classes.truth`; items of other splits have -1, or no class.

        Raises:
            DataError: they have no such label, or other classes than those it tells apart.
        """
        return read_labels(dataset, self.config.label, self.config.several, splits, self.config.model.classes).truth


def load_classifier(folder: str | Path, experts: Mapping[str, str | Path] | None = None) -> LoadedClassifier:
    """Load a trained classifier on the CPU.

    Args:
        folder: of a finished classifier.
        experts: modality name -> folder of the frozen expert under its matrices, where these lie elsewhere now.

    Raises:
        ConfigError: `experts` names a modality of which no expert is under this classifier.
        RunError: the folder holds no classifier, it is not finished, weights are not those that were saved, or an
            expert is not where it was, or is another one.
    """
    directory = ClassifierDirectory(folder)
    record = directory.record()
    if not directory.finished:
        raise RunError(f"{directory.path} is {directory.status()['state']}; finish it first")
    config = record.config
    over = _load_experts(directory, config, find_experts(directory, config, experts or {}))
    encoders = {
        name: over[name].encoders[name] if name in over else _as_saved(encoder, directory, name)
        for name, encoder in config.model.encoders.items()
    }
    model: FusionClassifier = replace(config.model, encoders=encoders).build()
    low_rank = LowRank(model)
    if config.over_experts:
        _load_over_experts(directory, config, model, low_rank, over)
    else:
        load_state(model, load_checked(directory.model_file))
    model.eval().requires_grad_(False)
    hashes = {name: part_hash(model, name) for name in model.modalities}
    return LoadedClassifier(directory.path, config, encoders, model, low_rank, hashes, record.dataset)


def _as_saved(encoder: EncoderConfig, directory: ClassifierDirectory, name: str) -> EncoderConfig:
    return relocated(encoder, directory.backbone_folder(name)) if isinstance(encoder, BackboneConfig) else encoder


def load_checked(file: Path) -> dict[str, Any]:
    """Read weights; raise `RunError` where they are not those that were saved."""
    tensors, note = load_tensors(file)
    if hash_tensors(tensors) != note.get("hash"):
        raise RunError(
            f"{file}: the weights are not those that were saved (another hash than {note.get('hash')}); restore the "
            "file, or train again in another folder"
        )
    return tensors


def part_hash(model: FusionClassifier, name: str) -> str:
    """Hash an encoder, the matrices in it, and the classifier on top of it."""
    encoder, head = model.encoder(name), model.heads[name if name in model.heads else "all"]
    state = encoder.state_dict()
    own = {f"matrices.{key}": state[key] for key in own_tensors(encoder, [name])}
    weights = {f"encoder.{key}": tensor for key, tensor in plain_state(encoder).items()}
    return hash_tensors(weights | own | {f"head.{key}": tensor for key, tensor in head.state_dict().items()})


def _load_experts(
    directory: ClassifierDirectory, config: ClassifierExperimentConfig, places: Mapping[str, Path]
) -> dict[str, LoadedClassifier]:
    found = {}
    for name, place in places.items():
        found[name], expected = load_classifier(place), config.starts[name]
        if found[name].hashes.get(name) != expected:
            raise RunError(
                f"{place} holds the {name} expert {found[name].hashes.get(name)}, the classifier in {directory.path} "
                f"stands on {expected}; restore the folder, or name the right one"
            )
    return found


def _load_over_experts(
    directory: ClassifierDirectory,
    config: ClassifierExperimentConfig,
    model: FusionClassifier,
    low_rank: LowRank,
    experts: Mapping[str, LoadedClassifier],
) -> None:
    for name, expert in experts.items():
        load_state(model.encoder(name), plain_state(expert.model.encoder(name)))
    load_state(model.heads, load_checked(directory.head_file))
    for name in config.low_rank:
        folder = directory.adapter_folder(name)
        saved, identity = read_adapter(folder)
        if saved.hash != identity.weights or identity.base != config.starts[name] or identity.sides != (name,):
            raise RunError(
                f"{folder} holds other matrices than were learnt over the {name} expert {config.starts[name]}; restore "
                "the folder, or train again"
            )
        low_rank.attach_saved(name, saved, str(folder))
