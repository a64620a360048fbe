"""A classifier measured: with everything, with each modality removed, and by a linear probe of each encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from trichord.classification.directory import ALL, without
from trichord.classification.experiment import ClassifierExperimentConfig
from trichord.classification.model import FusionClassifier
from trichord.classification.vectors import ItemLogits, ItemVectors, classify_vectors, encode_items
from trichord.data import Dataset
from trichord.data.classes import Classes, LabelSets
from trichord.evaluation.class_scores import ClassScores, class_metrics, value
from trichord.evaluation.linear_probe import PENALTIES, fit_probe


def class_scores(
    config: ClassifierExperimentConfig,
    truth: np.ndarray,
    split: str,
    items: np.ndarray,
    found: ItemLogits,
) -> ClassScores:
    """Put the truth beside a classifier's answers.

    Args:
        config: the experiment.
        truth: of every item of the data.
        split: the split.
        items: rows of its items.
        found: the answers to them.
    """
    return ClassScores(
        label=config.label,
        names=config.model.classes,
        several=config.several,
        split=split,
        items=items,
        truth=truth[items],
        logits=found.logits,
        held=found.held,
    )


@dataclass
class Measuring:
    """Measures a classifier while it learns and afterwards.

    Args:
        model: the classifier.
        config: the experiment.
        dataset: the data.
        labels: classes of its items.
        still: modalities in whose encoders nothing learns: their vectors of a split are computed once.
    """

    model: FusionClassifier
    config: ClassifierExperimentConfig
    dataset: Dataset
    labels: Classes | LabelSets
    still: tuple[str, ...] = ()
    _known: dict[tuple[str, ...], dict[str, ItemVectors]] = field(default_factory=dict)

    def vectors(self, *splits: str) -> dict[str, ItemVectors]:
        """Return modality name -> its encoder's vectors of the items of splits."""
        known = self._known.get(splits, {})
        found = encode_items(
            self.model,
            self.dataset,
            self.dataset.split(*splits),
            modalities=[name for name in self.model.modalities if name not in known],
            batch_size=self.config.encode_batch,
        )
        self._known[splits] = known | {name: found[name] for name in self.still if name in found}
        everything = known | found
        return {name: everything[name] for name in self.model.modalities}

    def scores(self, split: str) -> dict[str, ClassScores]:
        """Return "all" and, where there are several, "without MODALITY" -> the answers on a split."""
        vectors = self.vectors(split)
        names = self.model.modalities if len(self.model.modalities) > 1 else ()
        left_out: dict[str, tuple[str, ...]] = {ALL: (), **{without(name): (name,) for name in names}}
        return {
            name: self._scores(split, classify_vectors(self.model, vectors, gone)) for name, gone in left_out.items()
        }

    def validate(self) -> Mapping[str, float]:
        """Return the measures of the selection split, the deciding one also as "selection"."""
        split = self.config.selection_split
        scores = self._scores(split, classify_vectors(self.model, self.vectors(split)))
        values = {metric: value(scores, metric) for metric in class_metrics(self.config.several)}
        return {"selection": next(iter(values.values())), **values}

    def unseen_classes(self, modality: str) -> list[str]:
        """Return the classes that no item to learn from has together with a modality."""
        items = self.dataset.split(*self.config.fit_splits)
        held = items[self.dataset.has(modality)[items]]
        return [name for number, name in enumerate(self.labels.names) if not self.labels.having(number)[held].any()]

    def probe(self, modality: str) -> dict[str, ClassScores]:
        """Fit a linear probe to an encoder's vectors; return split -> its answers.

        It learns from the items of the fitting splits that hold the modality, and its penalty is chosen on those of
        the selection split.
        """
        selection = self.config.selection_split
        vectors, truth = self._held(modality, *self.config.fit_splits)
        found = fit_probe(
            vectors, truth, len(self.labels), self.config.several, PENALTIES, *self._held(modality, selection)
        )
        answers = {}
        for split in (selection, self.config.report_split):
            encoded = self.vectors(split)[modality]
            held = encoded.held.cpu().numpy()
            logits = found.logits(encoded.vectors.cpu().numpy()) * held[:, None]
            answers[split] = self._scores(split, ItemLogits(logits, held))
        return answers

    def _held(self, modality: str, *splits: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors and the classes of the items of splits that hold a modality."""
        found = self.vectors(*splits)[modality]
        held = found.held.cpu().numpy()
        return found.vectors.cpu().numpy()[held], self.labels.truth[self.dataset.split(*splits)][held]

    def _scores(self, split: str, found: ItemLogits) -> ClassScores:
        return class_scores(self.config, self.labels.truth, split, self.dataset.split(split), found)
