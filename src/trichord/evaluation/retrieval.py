"""Any-to-any retrieval: tables of vectors -> results, one per task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from trichord.data.dataset import Dataset
from trichord.errors import ConfigError, ProtocolError
from trichord.evaluation.embed import EmbeddingTable, Progress, embed_split
from trichord.evaluation.estimates import estimate_metrics
from trichord.evaluation.guards import chance_flags, collapse_flags
from trichord.evaluation.protocol import Protocol
from trichord.evaluation.result import RetrievalResult
from trichord.evaluation.settings import EvaluationConfig, EvaluationSet, evaluation_set
from trichord.evaluation.sides import Side, build_side
from trichord.metrics.bootstrap import Estimate
from trichord.metrics.ranks import RankCounts, count_ranks
from trichord.metrics.retrieval import QueryScores, chance_counts, score_queries, summarise, with_misses
from trichord.modality import Task, spell_task
from trichord.shapes import Bool, Int


@dataclass(frozen=True)
class RankedTask:
    """A task's queries with their values, and what chance would give them.

    Args:
        query, gallery: the two sides.
        scores, chance: values per query, misses included, of the model and of random ranking.
        positions: (queries,) place of each query's item in the list of evaluated items.
        instances: (queries,) which instance of the item it is.
        num_missing: queries that count as misses.
    """

    query: Side
    gallery: Side
    scores: QueryScores
    chance: QueryScores
    positions: Int[np.ndarray, " queries"]
    instances: Int[np.ndarray, " queries"]
    num_missing: int


def rank_task(
    tables: Mapping[str, EmbeddingTable], task: Task, items: Int[np.ndarray, " items"], config: EvaluationConfig
) -> RankedTask:
    """Score every query of a task.

    Every item counts. One that has no query side gives one query that is a miss; so is every query of an item that is
    not in the gallery. A miss has recall 0, reciprocal rank 0 and the last rank: the number of items, or of gallery
    rows where there are more.
    """
    choices = {"captions": config.captions, "fusion": config.fusion, "similarity": config.similarity}
    query = build_side(tables, task.query, items, **choices)
    gallery = build_side(tables, task.gallery, items, **choices)
    return rank_sides(query, gallery, config.chunk)


def rank_sides(query: Side, gallery: Side, chunk: int) -> RankedTask:
    """Score every query row against the gallery; see `rank_task`."""
    scored = ~gallery.missing[query.positions]
    return rank_rows(query, gallery, scored, _count(query, gallery, scored, chunk))


def rank_rows(query: Side, gallery: Side, scored: Bool[np.ndarray, " rows"], counts: RankCounts) -> RankedTask:
    """Turn the counts of those query rows that could be scored into values of every query, misses included.

    Args:
        query, gallery: the rows of both sides; their vectors are not looked at.
        scored: (query rows,) which of them have a relevant gallery row in their ranking.
        counts: of those, in order.
    """
    items = len(query.missing)
    num_relevant = np.bincount(gallery.positions, minlength=items)[query.positions[scored]]
    by_chance = chance_counts(num_relevant, len(gallery.positions))
    without_query = np.flatnonzero(query.missing)
    positions = np.concatenate([query.positions, without_query])
    instances = np.concatenate([query.instances, np.zeros_like(without_query)])
    counted = np.concatenate([scored, np.zeros(len(without_query), dtype=bool)])
    order = np.argsort(positions, kind="stable")
    last_rank = max(items, len(gallery.positions))
    model, chance = (with_misses(score_queries(found), counted[order], last_rank) for found in (counts, by_chance))
    return RankedTask(
        query, gallery, model, chance, positions[order], instances[order], len(counted) - int(counted.sum())
    )


def evaluate_task(
    tables: Mapping[str, EmbeddingTable],
    task: Task,
    evaluated: EvaluationSet,
    config: EvaluationConfig | None = None,
) -> RetrievalResult:
    """Score one task on the evaluated items, with intervals, chance values and flags.

    Args:
        tables: modality name -> its vectors; rows of items that are not evaluated are ignored.
        task: which modalities ask for which.
        evaluated: the items, and where they come from.
        config: choices; None takes the defaults of `EvaluationConfig`.

    Raises:
        ProtocolError: an embedding is zero or not finite, a table is missing, or no item has both sides.
    """
    config = EvaluationConfig() if config is None else config
    spelled = spell_task(task, evaluated.known)
    try:
        ranked = rank_task(tables, task, evaluated.items, config)
    except ProtocolError as error:
        raise ProtocolError(f"{evaluated.dataset}, split {evaluated.split!r}, task {spelled}: {error}") from error
    flags = collapse_flags(ranked.query, ranked.gallery, spelled)
    return make_result(ranked, task, evaluated, config, similarity=config.similarity, fusion=config.fusion, flags=flags)


def make_result(
    ranked: RankedTask,
    task: Task | str,
    evaluated: EvaluationSet,
    config: EvaluationConfig,
    *,
    similarity: str,
    fusion: str,
    flags: Sequence[str],
) -> RetrievalResult:
    """Add intervals, chance values, flags of chance and the protocol to a task that is ranked.

    Args:
        task: the task; one that is no retrieval between modalities comes spelled.
        similarity, fusion: what the protocol says of them.
        flags: sentences about the vectors.
    """
    metrics = _estimate(ranked, config)
    chance = summarise(ranked.chance).named()
    return RetrievalResult(
        protocol=Protocol(
            task=task if isinstance(task, str) else spell_task(task, evaluated.known),
            dataset=evaluated.dataset,
            dataset_fingerprint=evaluated.fingerprint,
            split=evaluated.split,
            items_hash=evaluated.items_hash,
            num_items=len(evaluated.items),
            query_captions=ranked.query.captions,
            gallery_captions=ranked.gallery.captions,
            similarity=similarity,
            fusion=fusion,
            benchmark=evaluated.benchmark,
        ),
        metrics=metrics,
        chance=chance,
        flags=(*flags, *chance_flags(metrics, chance, len(ranked.positions))),
        num_missing=ranked.num_missing,
        query_items=evaluated.items[ranked.positions],
        query_instances=ranked.instances,
        scores=ranked.scores,
    )


def evaluate(
    model: nn.Module,
    dataset: Dataset,
    split: str,
    tasks: Sequence[Task],
    config: EvaluationConfig | None = None,
    *,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> dict[str, RetrievalResult]:
    """Encode a split once and score several tasks; return task spelling -> result."""
    if not tasks:
        raise ConfigError("no task was named; give at least one, for instance T>V")
    evaluated = evaluation_set(dataset, split)
    needed = {name for task in tasks for name in (*task.query, *task.gallery)}
    names = [modality.name for modality in evaluated.known if modality.name in needed]
    tables = embed_split(model, dataset, evaluated.items, modalities=names, batch_size=batch_size, progress=progress)
    return evaluate_tasks(tables, tasks, evaluated, config)


def evaluate_tasks(
    tables: Mapping[str, EmbeddingTable],
    tasks: Sequence[Task],
    evaluated: EvaluationSet,
    config: EvaluationConfig | None = None,
) -> dict[str, RetrievalResult]:
    """Score several tasks from the same tables; return task spelling -> result."""
    return {spell_task(task, evaluated.known): evaluate_task(tables, task, evaluated, config) for task in tasks}


def check_some(scored: Bool[np.ndarray, " rows"]) -> None:
    """Raise `ProtocolError` unless some query row can be scored."""
    if not scored.any():
        raise ProtocolError(
            "no item holds both the query and the gallery side, so nothing can be retrieved; leave the task out"
        )


def _count(query: Side, gallery: Side, scored: np.ndarray, chunk: int) -> RankCounts:
    check_some(scored)
    return count_ranks(
        torch.from_numpy(query.vectors[scored]),
        torch.from_numpy(gallery.vectors),
        torch.from_numpy(query.positions[scored]),
        torch.from_numpy(gallery.positions),
        chunk=chunk,
    )


def _estimate(ranked: RankedTask, config: EvaluationConfig) -> dict[str, Estimate]:
    """Return every metric with its interval."""
    scores = ranked.scores
    values = {f"R@{k}": 100.0 * recalls[None] for k, recalls in scores.recall.items()}
    values |= {"MeanR": scores.rank[None], "MRR": scores.reciprocal_rank[None]}
    return estimate_metrics(values, scores.rank[None], ranked.positions, config.num_resamples, config.seed)
