"""Classification as retrieval of the class: every item asks, the classes are the gallery, and accuracy is R@1.

So intervals, paired tests and averages over seeds are those of retrieval.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from trichord.errors import ProtocolError
from trichord.evaluation.embed import EmbeddingTable
from trichord.evaluation.result import RetrievalResult
from trichord.evaluation.retrieval import RankedTask, make_result
from trichord.evaluation.settings import EvaluationConfig, EvaluationSet
from trichord.evaluation.sides import Side, build_side
from trichord.metrics.ranks import count_ranks
from trichord.metrics.retrieval import chance_counts, score_queries, with_misses
from trichord.shapes import Int


def logit_side(tables: Mapping[str, EmbeddingTable], names: tuple[str, ...], items: Int[np.ndarray, " items"]) -> Side:
    """Return the logits of every item: the sum over those of the named modalities that it holds."""
    return build_side(tables, names, items, captions="first", fusion="sum of vectors", similarity="dot product")


def rank_classes(logits: Side, numbers: Int[np.ndarray, " items"], chunk: int = 512) -> RankedTask:
    """Rank the classes of every item; one that has no logits is a miss, with recall 0 and the last rank.

    Args:
        logits: one row per item that has logits.
        numbers: (items,) the right class of every evaluated item.
        chunk: items scored at once.

    Raises:
        ProtocolError: no item has logits.
    """
    if not len(logits.positions):
        raise ProtocolError("no item holds a modality of the classifier, so nothing can be classified")
    num_classes = logits.vectors.shape[1]
    classes = np.arange(num_classes)
    counts = count_ranks(
        torch.from_numpy(logits.vectors),
        torch.eye(num_classes),
        torch.from_numpy(numbers[logits.positions]),
        torch.from_numpy(classes),
        chunk=chunk,
    )
    by_chance = chance_counts(np.ones(len(logits.positions), dtype=np.int64), num_classes)
    scored = ~logits.missing
    model, chance = (with_misses(score_queries(found), scored, num_classes) for found in (counts, by_chance))
    gallery = Side(np.eye(num_classes, dtype=np.float32), classes, classes, np.zeros(num_classes, bool), "one per item")
    positions = np.arange(len(numbers))
    return RankedTask(logits, gallery, model, chance, positions, np.zeros_like(positions), int(logits.missing.sum()))


def classify_result(
    ranked: RankedTask, task: str, evaluated: EvaluationSet, config: EvaluationConfig
) -> RetrievalResult:
    """Add intervals, chance values and the protocol; R@1 is the accuracy in percent."""
    return make_result(
        ranked, task, evaluated, config, similarity="logits of classes", fusion="sum of logits", flags=()
    )
