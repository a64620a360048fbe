"""A trained classifier, written: whole, or as what learnt over frozen experts."""

from __future__ import annotations

from collections.abc import Mapping

from trichord.adapters.identity import AdapterIdentity
from trichord.adapters.lora import plain_state
from trichord.adapters.saved import write_adapter
from trichord.classification.build import Built
from trichord.classification.directory import ClassifierDirectory
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.experts_file import write_places
from trichord.classification.loading import LoadedClassifier, part_hash
from trichord.classification.model import FusionClassifier
from trichord.data import Dataset
from trichord.encoders.backbone import BackboneConfig, save_backbone_files
from trichord.files import hash_json, hash_tensors
from trichord.runs.preprocessing import OF_THE_DATA
from trichord.training.checkpoint import save_tensors

OVER_EXPERTS, OF_AN_EXPERT = "together over frozen experts", "before it was merged"


def save_classifier(
    directory: ClassifierDirectory,
    config: ClassifierExperimentConfig,
    built: Built,
    dataset: Dataset,
    experts: Mapping[str, LoadedClassifier],
    bases: Mapping[str, str],
) -> FusionClassifier:
    """Write the weights and what the matrices are over; return the classifier as it will be loaded.

    Over frozen experts the matrices stay beside their weights. Elsewhere they are merged, so that an expert that was
    learnt by matrices is an expert like any other; its matrices are kept as well.

    Args:
        directory: where.
        config: the experiment.
        built: the classifier.
        dataset: the data it learnt from.
        experts: modality name -> expert it started from.
        bases: modality name -> hash of the weights that its matrices are over.
    """
    adapters = {name: _save_matrices(directory, config, built, dataset, name, bases[name]) for name in config.low_rank}
    if config.over_experts:
        heads = built.model.heads.state_dict()
        save_tensors(directory.head_file, heads, {"hash": hash_tensors(heads)})
        write_places(directory, config, {name: expert.path for name, expert in experts.items()})
        identity = hash_json({"heads": hash_tensors(heads), "experts": dict(config.starts), "adapters": adapters})
        model = built.model
    else:
        model = _merged(built)
        state = plain_state(model)
        identity = hash_tensors(state)
        for name, encoder in config.model.encoders.items():
            if isinstance(encoder, BackboneConfig):
                save_backbone_files(encoder, directory.backbone_folder(name))
        save_tensors(directory.model_file, state, {"hash": identity})
    parts = {name: part_hash(model, name) for name in model.modalities}
    encoders = {name: hash_tensors(plain_state(model.encoder(name))) for name in model.modalities}
    directory.write_status(model=identity, adapters=adapters, parts=parts, encoders=encoders)
    return model


def _merged(built: Built) -> FusionClassifier:
    if not built.low_rank.names:
        return built.model
    merged = built.low_rank.merged(*built.low_rank.names)
    assert isinstance(merged, FusionClassifier)
    return merged


def _save_matrices(
    directory: ClassifierDirectory,
    config: ClassifierExperimentConfig,
    built: Built,
    dataset: Dataset,
    name: str,
    base: str,
) -> str:
    saved = built.low_rank.saved(name)
    if config.low_rank[name].starts_from_weights:
        saved = saved.without_start(built.start[name])
    settings = {key: value for key, value in config.model.encoders[name].to_dict().items() if key != OF_THE_DATA}
    identity = AdapterIdentity(
        name=name,
        left=(),
        right=(),
        sides=(name,),
        base=base,
        weights=saved.hash,
        preprocessing={name: hash_json(settings)},
        dataset=dataset.spec.name,
        dataset_fingerprint=dataset.fingerprint(),
        learnt=OVER_EXPERTS if config.over_experts else OF_AN_EXPERT,
        fit_splits=config.fit_splits,
        selected_on=config.selection_split,
    )
    write_adapter(directory.adapter_folder(name), saved, identity)
    return identity.hash
