"""Nodes on a split: their tables, their ranks, their results; ensembles as the mean of their members' tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trichord.cotraining.build import Cast
from trichord.cotraining.experiment import GraphExperimentConfig
from trichord.cotraining.suitability import measurable_items
from trichord.data import Dataset
from trichord.evaluation import EvaluationSet, RetrievalResult, embed_split
from trichord.evaluation.classes import classify_result, logit_side, rank_classes
from trichord.evaluation.embed import EmbeddingTable
from trichord.evaluation.guards import collapse_flags
from trichord.evaluation.retrieval import RankedTask, make_result, rank_sides
from trichord.evaluation.sides import Side, build_side
from trichord.metrics.retrieval import summarise
from trichord.modality import Task, parse_task
from trichord.shapes import Int


class Measuring:
    """Measures nodes of a graph.

    Args:
        cast: the nodes.
        config: their experiment.
        dataset: the data.
        numbers: (items of the data set,) class of each; None where no node classifies.
    """

    def __init__(
        self,
        cast: Cast,
        config: GraphExperimentConfig,
        dataset: Dataset,
        numbers: Int[np.ndarray, " items"] | None,
    ) -> None:
        self.cast, self.config, self.dataset, self.numbers = cast, config, dataset, numbers

    def measurable(self, name: str, split: str) -> bool:
        """Whether a node answers a task of its own, and the split holds an item to ask about."""
        return self.config.measurable(name) and measurable_items(self.config, self.dataset, name, split) > 0

    def value(self, name: str, split: str) -> float:
        """Return a node's value of the selection metric on a split."""
        found = summarise(self._rank(name, self.dataset.split(split)).scores).named()
        return float(found[self.config.selection.metric])

    def result(self, name: str, evaluated: EvaluationSet) -> RetrievalResult:
        """Return a node's result of its task, with intervals."""
        ranked = self._rank(name, evaluated.items)
        scoring, spelled = self.config.scoring, self.config.task_of(name)
        if self.config.answering(name).classifies:
            return classify_result(ranked, spelled, evaluated, scoring)
        task = parse_task(spelled, self.config.known)
        flags = collapse_flags(ranked.query, ranked.gallery, spelled)
        similarity, fusion = scoring.similarity, scoring.fusion
        return make_result(ranked, task, evaluated, scoring, similarity=similarity, fusion=fusion, flags=flags)

    def _rank(self, name: str, items: Int[np.ndarray, " items"]) -> RankedTask:
        members = self.config.graph.nodes[name].members or (name,)
        if self.config.answering(name).classifies:
            assert self.numbers is not None, "classes are read where a node classifies"
            logits = _mean([self._logits(member, items) for member in members])
            return rank_classes(logits, self.numbers[items], self.config.scoring.chunk)
        task = parse_task(self.config.task_of(name), self.config.known)
        sides = [self._sides(member, task, items) for member in members]
        query = _side_by_side([query for query, _ in sides])
        return rank_sides(query, _side_by_side([gallery for _, gallery in sides]), self.config.scoring.chunk)

    def _logits(self, name: str, items: Int[np.ndarray, " items"]) -> Side:
        left = self.config.graph.nodes[name].left
        return logit_side(self._tables(name, left, items), left, items)

    def _sides(self, name: str, task: Task, items: Int[np.ndarray, " items"]) -> tuple[Side, Side]:
        tables = self._tables(name, (*task.query, *task.gallery), items)
        scoring = self.config.scoring
        choices = {"captions": scoring.captions, "fusion": scoring.fusion, "similarity": scoring.similarity}
        return build_side(tables, task.query, items, **choices), build_side(tables, task.gallery, items, **choices)

    def _tables(
        self, name: str, modalities: Sequence[str], items: Int[np.ndarray, " items"]
    ) -> dict[str, EmbeddingTable]:
        node = self.cast.nodes[name]
        names = [modality.name for modality in self.config.known if modality.name in modalities]
        with node.looking():
            return embed_split(node.model, self.dataset, items, modalities=names, batch_size=self.config.encode_batch)


def _side_by_side(sides: Sequence[Side]) -> Side:
    """Return rows whose dot products are the mean of those of the given sides: their vectors side by side."""
    if len(sides) == 1:
        return sides[0]
    first = sides[0]
    vectors: np.ndarray = np.concatenate([side.vectors for side in sides], axis=1) / np.float32(np.sqrt(len(sides)))
    return Side(vectors, first.positions, first.instances, first.missing, first.captions)


def _mean(sides: Sequence[Side]) -> Side:
    """Return the mean of logits; members of an ensemble hold the same modalities, and so the same items."""
    if len(sides) == 1:
        return sides[0]
    first = sides[0]
    vectors = np.stack([side.vectors for side in sides]).mean(axis=0)
    return Side(vectors, first.positions, first.instances, first.missing, first.captions)
