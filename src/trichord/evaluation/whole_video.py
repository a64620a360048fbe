"""Retrieval of whole videos: captions ask for the video their clip was cut from, four ways, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from trichord.errors import DataError, ProtocolError
from trichord.evaluation.embed import EmbeddingTable
from trichord.evaluation.guards import chance_flags, collapse_flags
from trichord.evaluation.settings import EvaluationConfig, EvaluationSet
from trichord.evaluation.sides import Side, build_side
from trichord.files import hash_bytes, hash_json
from trichord.metrics.bootstrap import Estimate, bootstrap_means, never_certain
from trichord.metrics.duplicates import distinct_rows
from trichord.metrics.ranks import check_vectors
from trichord.metrics.whole_video import ClipScores, VideoRecall, score_videos
from trichord.modality import Task, spell_task
from trichord.shapes import Float, Int


@dataclass(frozen=True, kw_only=True)
class WholeVideoProtocol:
    """Everything that decides a whole-video number besides the model; see `Protocol` for what is not explained here.

    Args:
        num_videos: number of source videos of the evaluated items.
        videos_hash: hash of each evaluated item's source, in order: which clips make up which video.
        denominator: what a mean divides by; "caption" asks once per caption, the other ways once per video.
        missing_policy: "miss": a video without clips or captions is a query with recall 0.
        tie_policy: "expected"; for votes, shared places and then the expectation (`metrics.whole_video`).
        benchmark: name of the benchmark, with what deviates from it; "none" where it was measured under no name.
    """

    task: str
    dataset: str
    dataset_fingerprint: str
    split: str
    items_hash: str
    num_items: int
    num_videos: int
    videos_hash: str
    query_captions: str
    gallery_captions: str
    similarity: str
    fusion: str
    benchmark: str = "none"
    denominator: str = "every caption, or every video; a video without captions counts as one query"
    missing_policy: str = "miss"
    tie_policy: str = "expected; votes: shared places, then expected"
    precision: str = "float32"

    def fingerprint(self) -> str:
        """Return a hash of all fields."""
        return hash_json(asdict(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the fingerprint as plain data."""
        return {**asdict(self), "fingerprint": self.fingerprint()}


@dataclass(frozen=True)
class WholeVideoScores:
    """One way of asking.

    Args:
        metrics: R@1, R@5, R@10 in percent with 95 % intervals, from resampling videos with all their captions.
        chance: the same of a model that scores every clip alike.
        recall: k -> (queries,) value in [0, 1] of each query.
        query_videos: (queries,) place in `WholeVideoResult.videos` of the video each query asks for, ascending.
        num_missing: queries that count as misses because their video has no clip or no caption.
        flags: a sentence where the score is at chance level.
    """

    metrics: Mapping[str, Estimate]
    chance: Mapping[str, float]
    recall: Mapping[int, np.ndarray]
    query_videos: Int[np.ndarray, " queries"]
    num_missing: int
    flags: tuple[str, ...]

    def per_video(self, k: int) -> Float[np.ndarray, " videos"]:
        """Return (videos,) the mean recall in [0, 1] at depth k of the queries of each video."""
        sums = np.bincount(self.query_videos, weights=self.recall[k])
        means: np.ndarray = sums / np.bincount(self.query_videos)
        return means

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the values per query as plain data."""
        return {
            "metrics": {name: asdict(estimate) for name, estimate in self.metrics.items()},
            "chance": dict(self.chance),
            "flags": list(self.flags),
            "num_queries": len(self.query_videos),
            "num_missing": self.num_missing,
        }


@dataclass(frozen=True)
class WholeVideoResult:
    """All four ways of asking, on one set of items.

    Args:
        protocol: how it was measured.
        videos: names of the source videos, sorted.
        ways: "caption", "caption average" (published for MCN), "vote over videos", "vote over clips" -> scores.
        flags: warnings about the embeddings.
    """

    protocol: WholeVideoProtocol
    videos: tuple[str, ...]
    ways: Mapping[str, WholeVideoScores]
    flags: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the values per query as plain data."""
        return {
            "protocol": self.protocol.to_dict(),
            "ways": {name: scores.to_dict() for name, scores in self.ways.items()},
            "flags": list(self.flags),
        }


def evaluate_whole_videos(
    tables: Mapping[str, EmbeddingTable],
    task: Task,
    evaluated: EvaluationSet,
    sources: Sequence[str | None] | None,
    config: EvaluationConfig | None = None,
) -> WholeVideoResult:
    """Score one task against whole videos. Memory is that of the scores of all queries against all clips, in float32.

    Args:
        tables: modality name -> its vectors; rows of items that are not evaluated are ignored.
        task: which modalities ask for which: "T>VA" as published for YouCook2.
        evaluated: the items (clips), and where they come from.
        sources: the source video of every item of the data set, `Dataset.source`.
        config: choices; None takes the defaults of `EvaluationConfig`.

    Raises:
        DataError: the data set has no column "source", or an evaluated item has none.
        ProtocolError: an embedding is zero or not finite, a table is missing, or no video has clips and captions.
    """
    config = EvaluationConfig() if config is None else config
    spelled = spell_task(task, evaluated.known)
    names, video_of = _videos(evaluated, sources)
    choices = {"captions": config.captions, "fusion": config.fusion, "similarity": config.similarity}
    try:
        query = build_side(tables, task.query, evaluated.items, **choices)
        gallery = build_side(tables, task.gallery, evaluated.items, **choices)
        if not np.intersect1d(video_of[query.positions], video_of[gallery.positions]).size:
            raise ProtocolError("no video has both clips and captions, so nothing can be retrieved")
        scores = _score(query, gallery)
        clips = ClipScores(scores, video_of[query.positions], video_of[gallery.positions], len(names))
    except ProtocolError as error:
        raise ProtocolError(f"{evaluated.dataset}, split {evaluated.split!r}, task {spelled}: {error}") from error
    alike = ClipScores(np.zeros_like(scores), clips.caption_videos, clips.clip_videos, len(names))
    found, chance = score_videos(clips), score_videos(alike)
    return WholeVideoResult(
        protocol=WholeVideoProtocol(
            task=spelled,
            dataset=evaluated.dataset,
            dataset_fingerprint=evaluated.fingerprint,
            split=evaluated.split,
            items_hash=evaluated.items_hash,
            num_items=len(evaluated.items),
            num_videos=len(names),
            videos_hash=hash_bytes(names[video].encode() for video in video_of.tolist()),
            query_captions=query.captions,
            gallery_captions=gallery.captions,
            similarity=config.similarity,
            fusion=config.fusion,
            benchmark=evaluated.benchmark,
        ),
        videos=names,
        ways={name: _estimate(recall, chance[name], config) for name, recall in found.items()},
        flags=tuple(collapse_flags(query, gallery, spelled)),
    )


def _videos(evaluated: EvaluationSet, sources: Sequence[str | None] | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the sorted names of the evaluated items' videos, and (items,) which of them each item is part of."""
    if sources is None:
        raise DataError(
            f"{evaluated.dataset} has no column 'source', so it is not known which clips make up a video",
            remedy="write the source video of every item into the table",
        )
    found = [sources[item] for item in evaluated.items.tolist()]
    for item, name in zip(evaluated.items.tolist(), found, strict=True):
        if name is None:
            raise DataError(
                f"an item of {evaluated.dataset}, split {evaluated.split!r}, has no source video",
                row=item,
                remedy="write its source into the table; which video a clip is part of is never guessed",
            )
    names, video_of = np.unique(np.array(found, dtype=object).astype(str), return_inverse=True)
    return tuple(names.tolist()), video_of.reshape(-1).astype(np.int64)


def _score(query: Side, gallery: Side) -> Float[np.ndarray, "queries gallery"]:
    """Return all dot products; equal gallery rows are scored once, so that they tie whatever the machine."""
    queries, clips = torch.from_numpy(query.vectors), torch.from_numpy(gallery.vectors)
    check_vectors(queries, "query")
    check_vectors(clips, "gallery")
    distinct = distinct_rows(clips)
    if distinct is None:
        return (queries @ clips.T).numpy()
    scores: np.ndarray = (queries @ clips[torch.from_numpy(distinct.representatives)].T).numpy()[:, distinct.index]
    return scores


def _estimate(found: VideoRecall, chance: VideoRecall, config: EvaluationConfig) -> WholeVideoScores:
    order = np.argsort(found.query_videos, kind="stable")
    videos = found.query_videos[order]
    recall = {k: values[order] for k, values in found.recall.items()}
    means = bootstrap_means(
        100.0 * np.stack(list(recall.values()))[:, None],
        videos,
        num_resamples=config.num_resamples,
        seed=config.seed,
    )
    num_videos = len(np.unique(videos))
    metrics = {f"R@{k}": never_certain(mean, num_videos, top=100.0) for k, mean in zip(recall, means, strict=True)}
    by_chance = {f"R@{k}": 100.0 * float(values.mean()) for k, values in chance.recall.items()}
    return WholeVideoScores(
        metrics=metrics,
        chance=by_chance,
        recall=recall,
        query_videos=videos,
        num_missing=int(found.missing.sum()),
        flags=tuple(chance_flags(metrics, by_chance, len(videos))),
    )
