"""A classifier before it learns: weights of its own or of experts, statistics of the data, matrices, teachers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from trichord.adapters.lora import LowRank, plain_state
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.loading import LoadedClassifier
from trichord.classification.model import FusionClassifier
from trichord.curricula import set_trainable
from trichord.data import Dataset
from trichord.encoders import Encoder
from trichord.randomness import derive_seed
from trichord.runs.statistics import fit_statistics, take_words
from trichord.shapes import Tensor
from trichord.training.checkpoint import load_state


@dataclass(frozen=True)
class Built:
    """A classifier ready to learn.

    Args:
        model: the classifier, what is frozen in it asking for no gradients.
        low_rank: the matrices in it, each named after its modality.
        start: modality name -> copies of the tensors that its matrices start from.
        teachers: modality name -> frozen encoder whose vectors are aimed at.
    """

    model: FusionClassifier
    low_rank: LowRank
    start: Mapping[str, Mapping[str, Tensor]]
    teachers: Mapping[str, Encoder]

    def to(self, device: torch.device) -> None:
        """Put everything on a device."""
        for module in (self.model, *self.teachers.values()):
            module.to(device)


def build_classifier(
    config: ClassifierExperimentConfig,
    dataset: Dataset | None,
    experts: Mapping[str, LoadedClassifier],
) -> Built:
    """Build a classifier from the experiment's seed.

    Args:
        config: the experiment.
        dataset: the data, on whose fitting splits input statistics are fitted; None leaves them unfitted: they will be
            loaded with the weights.
        experts: modality name -> the expert that `config.starts` or `config.teachers` names; left as they are.
    """
    torch.manual_seed(derive_seed(config.seed, "weights"))
    model: FusionClassifier = config.model.build()
    if dataset is not None:
        fit_statistics(model, dataset, dataset.split(*config.fit_splits), besides=config.starts)
        take_words(model, dataset)
    for name in config.starts:
        _take_expert(model, name, experts[name])
    low_rank = LowRank(model)
    start = {}
    for name, matrices in config.low_rank.items():
        low_rank.attach(name, matrices, [f"encoders.{name}"], config.seed)
        start[name] = {key: tensor.clone() for key, tensor in low_rank.tensors(name).items()}
    set_trainable(model.encoders, config.train)
    low_rank.learn(tuple(config.low_rank))
    teachers = {name: _frozen_copy(experts[name].model.encoder(name)) for name in config.teachers}
    return Built(model, low_rank, start, teachers)


def _take_expert(model: FusionClassifier, name: str, expert: LoadedClassifier) -> None:
    """Copy the weights of an expert's encoder; where logits are summed, those of its classifier as well."""
    load_state(model.encoder(name), plain_state(expert.model.encoder(name)))
    if model.fusion == "sum of logits":
        own = expert.model.heads["all" if expert.model.fusion == "concatenation" else name]
        load_state(model.heads[name], own.state_dict())


def _frozen_copy(encoder: Encoder) -> Encoder:
    frozen: Encoder = copy.deepcopy(encoder).eval()
    frozen.requires_grad_(False)
    return frozen
