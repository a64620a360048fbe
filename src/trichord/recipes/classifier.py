"""Classifiers of one or several modalities: experts, what is learnt over them, joint learning; settings that compare.

Every default here is ours: rank, places and rates of the paper (Du et al. 2023, arXiv 2310.05193) are not known to us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trichord.adapters.settings import LowRankConfig
from trichord.classification.experiment import ClassifierExperimentConfig, Kind, LearningConfig
from trichord.classification.model import Fusion, FusionClassifierConfig
from trichord.encoders import EncoderConfig
from trichord.recipes.classifier_settings import ClassifierSettings
from trichord.training.optimization import OptimizerConfig

RANKS = (1, 4, 8, 16, 32, 64)
RATE_STEP, DISTILLATION, DISTILLATION_STEP = 2.0, 1.0, 10**0.5


def spread(centre: float, step: float, number: int) -> tuple[float, ...]:
    """Return numbers in equal steps of their logarithm, ascending, the centre among them: two significant digits."""
    lowest = -(number // 2)
    return tuple(float(f"{centre * step**power:.2g}") for power in range(lowest, lowest + number))


@dataclass(frozen=True, kw_only=True)
class ClassifierRecipe:
    """What all classifiers of a study share; its methods return their experiments.

    Every stage of MMLoRA has E epochs, and so has a classifier that learns alone over experts; joint learning and that
    with teachers have 2 E, as many as both stages together.

    Args:
        letters: modality -> its letter, in the order of the data.
        encoders: modality -> its encoder.
        targets: modality -> layers that get matrices, see `LowRankConfig`.
        label, several, classes: what is told apart.
        fusion: see `FusionClassifierConfig`.
        settings: how much, how long, how fast.
        fit_splits, selection_split, report_split: learnt from, chosen on, reported.
    """

    letters: Mapping[str, str]
    encoders: Mapping[str, EncoderConfig]
    targets: Mapping[str, str]
    label: str
    several: bool
    classes: tuple[str, ...]
    fusion: Fusion = "sum of logits"
    settings: ClassifierSettings
    fit_splits: tuple[str, ...] = ("train",)
    selection_split: str = "val"
    report_split: str = "test"

    def expert(self, modality: str, seed: int, rank: int | None = None) -> ClassifierExperimentConfig:
        """Return an expert of one modality, which learns as a whole, or by matrices of a rank where one is given."""
        learns = (modality,) if rank is None else ()
        return self._experiment("expert", seed, (modality,), train=learns, low_rank=self._matrices(rank, (modality,)))

    def joint(self, seed: int, rate: float) -> ClassifierExperimentConfig:
        """Return joint learning of all encoders, at a learning rate."""
        found = self._experiment("joint", seed, tuple(self.encoders), train=tuple(self.encoders))
        return _at_rate(found, rate, longer=2)

    def teacher(self, seed: int, weight: float, teachers: Mapping[str, str]) -> ClassifierExperimentConfig:
        """Return joint learning that is held near experts.

        Args:
            seed: its seed.
            weight: of the distance to the experts' vectors.
            teachers: modality -> hash of its expert.
        """
        found = self._experiment(
            "teacher",
            seed,
            tuple(self.encoders),
            distillation=weight,
            train=tuple(self.encoders),
            teachers=dict(teachers),
        )
        return _at_rate(found, self.settings.learning_rate, longer=2)

    def mmlora(
        self, seed: int, rank: int, adapted: Sequence[str], experts: Mapping[str, str]
    ) -> ClassifierExperimentConfig:
        """Return the second stage of MMLoRA.

        Args:
            seed: its seed.
            rank: of the matrices; alpha is as large.
            adapted: modalities that get matrices.
            experts: modality -> hash of the frozen expert.
        """
        names = tuple(self.encoders)
        matrices = self._matrices(rank, adapted)
        return self._experiment("mmlora", seed, names, low_rank=matrices, starts=dict(experts))

    def head(self, seed: int, rate: float, experts: Mapping[str, str]) -> ClassifierExperimentConfig:
        """Return the second stage without matrices: over the frozen experts, the classifier on top learns alone.

        Args:
            seed: its seed.
            rate: learning rate.
            experts: modality -> hash of the frozen expert.
        """
        return _at_rate(self._experiment("head", seed, tuple(self.encoders), starts=dict(experts)), rate)

    def _matrices(self, rank: int | None, modalities: Sequence[str]) -> dict[str, LowRankConfig]:
        if rank is None:
            return {}
        return {
            name: LowRankConfig(rank=rank, alpha=float(rank), targets=self.targets[name])
            for name in self.encoders
            if name in modalities
        }

    def _experiment(
        self, kind: Kind, seed: int, names: tuple[str, ...], distillation: float = 0.0, **more: Any
    ) -> ClassifierExperimentConfig:
        settings, learns_matrices = self.settings, bool(more.get("low_rank"))
        learning = LearningConfig(
            optimizer=OptimizerConfig(
                learning_rate=settings.second_rate if learns_matrices else settings.learning_rate,
                weight_decay=settings.weight_decay,
            ),
            head_ratio=settings.head_ratio,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            evaluate_every=settings.evaluate_every,
            keep=settings.keep,
            label_smoothing=0.0 if self.several else settings.label_smoothing,
            distillation=distillation,
        )
        return ClassifierExperimentConfig(
            recipe="classifier",
            kind=kind,
            label=self.label,
            several=self.several,
            letters={name: self.letters[name] for name in names},
            model=FusionClassifierConfig(
                encoders={name: self.encoders[name] for name in names},
                classes=self.classes,
                fusion=self.fusion,
                dropout=settings.vector_dropout,
            ),
            learning=learning,
            seed=seed,
            fit_splits=self.fit_splits,
            selection_split=self.selection_split,
            report_split=self.report_split,
            **{"train": (), **more},
        )


def _at_rate(config: ClassifierExperimentConfig, rate: float, longer: int = 1) -> ClassifierExperimentConfig:
    """Return the experiment at another learning rate, and so many times as long."""
    learning = config.learning
    optimizer = replace(learning.optimizer, learning_rate=rate)
    return replace(config, learning=replace(learning, optimizer=optimizer, epochs=longer * learning.epochs))
