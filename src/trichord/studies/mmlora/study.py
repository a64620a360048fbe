"""What a study of MMLoRA is, and whether the data can serve it: found before any work is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from trichord.adapters.targets import find_targets
from trichord.classification.model import Fusion
from trichord.classification.suitability import check_classifier_data
from trichord.data import Dataset
from trichord.data.classes import Classes, LabelSets, read_labels
from trichord.errors import ConfigError
from trichord.recipes.classifier import RANKS, ClassifierRecipe
from trichord.recipes.classifier_encoders import choose_encoders, read_modalities
from trichord.recipes.classifier_settings import ClassifierSettings, choose_settings, own_encoder
from trichord.studies.mmlora.plan import Method, plan_methods


@dataclass(frozen=True, kw_only=True)
class MMLoRAStudy:
    """What is studied.

    Args:
        label: the label column.
        several: whether items may have several classes at once.
        modalities: those that are looked at, by name or letter; () takes all of the data.
        sources: modality -> folder or hub name of its pretrained encoder; the others get encoders of ours.
        targets: layers that get matrices, see `LowRankConfig`; None: attention query and value of a pretrained encoder,
            all layers of one of ours.
        ranks: ranks to try; every other method chooses among as many settings.
        num_seeds: seeds 0, 1, ... of each method.
        fusion: how the modalities come together, see `FusionClassifierConfig`.
        settings: how much, how long, how fast; None decides by the data.
        controls: whether there are teachers (UMT), and experts that learnt by matrices alone.
        fit_splits: splits learnt from.
        selection_split: split that every setting is chosen on.
        report_split: split that is reported.
    """

    label: str
    several: bool = False
    modalities: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    targets: str | None = None
    ranks: tuple[int, ...] = RANKS
    num_seeds: int = 5
    fusion: Fusion = "sum of logits"
    settings: ClassifierSettings | None = None
    controls: bool = True
    fit_splits: tuple[str, ...] = ("train",)
    selection_split: str = "val"
    report_split: str = "test"

    def __post_init__(self) -> None:
        if self.num_seeds < 1:
            raise ConfigError(f"a study needs at least one seed, got {self.num_seeds}")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds."""
        return tuple(range(self.num_seeds))

    def settings_for(self, dataset: Dataset) -> ClassifierSettings:
        """Return its settings, or those that suit the data."""
        return self.settings or choose_settings(dataset.spec, self.fit_splits, pretrained=bool(self.sources))


@dataclass(frozen=True)
class Prepared:
    """A study whose data were found to serve it.

    Args:
        study: the study.
        dataset: the data, raw ones as pretrained encoders read them.
        labels: the classes of the items.
        recipe: what all classifiers share.
        described: modality -> what its encoder is, in words.
        methods: what is trained.
        parameters: of all encoders together.
    """

    study: MMLoRAStudy
    dataset: Dataset
    labels: Classes | LabelSets
    recipe: ClassifierRecipe
    described: Mapping[str, str]
    methods: tuple[Method, ...]
    parameters: int


def prepare(study: MMLoRAStudy, dataset: Dataset) -> Prepared:
    """Check that the data can serve a study, and plan it.

    Raises:
        ConfigError: a modality, a split or an encoder that is not there, or settings that do not fit.
        DataError: the label column is missing or of the other kind, a split lacks a class, or features are broken.
    """
    known = [modality.name for modality in dataset.modalities]
    names = read_modalities(dataset, study.modalities or known)
    splits = (*study.fit_splits, study.selection_split, study.report_split)
    labels = read_labels(dataset, study.label, study.several, splits)
    settings = study.settings_for(dataset)
    chosen = choose_encoders(dataset, names, study.sources, own=lambda entry: own_encoder(entry, settings))
    recipe = ClassifierRecipe(
        letters={modality.name: modality.letter for modality in dataset.modalities if modality.name in names},
        encoders=chosen.encoders,
        targets={name: study.targets or chosen.targets[name] for name in names},
        label=study.label,
        several=study.several,
        classes=labels.names,
        fusion=study.fusion,
        settings=settings,
        fit_splits=study.fit_splits,
        selection_split=study.selection_split,
        report_split=study.report_split,
    )
    methods = plan_methods(names, study.ranks, settings.learning_rate, settings.second_rate, controls=study.controls)
    check_classifier_data(recipe.joint(0, settings.learning_rate), chosen.dataset)
    return Prepared(
        study=replace(study, modalities=names),
        dataset=chosen.dataset,
        labels=labels,
        recipe=recipe,
        described=chosen.described,
        methods=methods,
        parameters=_count_parameters(recipe),
    )


def _count_parameters(recipe: ClassifierRecipe) -> int:
    """Return the parameters of all encoders; raise `ConfigError` where one has no layer that could get matrices.

    They are built with their weights, so that a checkpoint that cannot be loaded is found here.
    """
    encoders = torch.nn.ModuleDict({name: encoder.build() for name, encoder in recipe.encoders.items()})
    for name, targets in recipe.targets.items():
        find_targets(encoders, targets, [name])
    return sum(parameter.numel() for parameter in encoders.parameters())
