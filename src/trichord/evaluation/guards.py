"""Sentences about results that should not be believed: collapsed embeddings, scores at chance level."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from trichord.evaluation.sides import Side
from trichord.metrics.bootstrap import Estimate
from trichord.metrics.collapse import describe_collapse
from trichord.metrics.retrieval import RECALL_DEPTHS


def collapse_flags(query: Side, gallery: Side, task: str) -> list[str]:
    """Return a sentence when one side's, or both sides' embeddings have collapsed."""
    spelled = task.split(">")
    verdicts = [describe_collapse(torch.from_numpy(side.vectors)) for side in (query, gallery)]
    if verdicts[0] is not None and verdicts[0] == verdicts[1]:
        return [f"collapsed: {verdicts[0]}"]
    named = zip(("query", "gallery"), spelled, verdicts, strict=True)
    return [f"collapsed: {role} side {letters}: {verdict}" for role, letters, verdict in named if verdict is not None]


def chance_flags(metrics: Mapping[str, Estimate], chance: Mapping[str, float], num_queries: int) -> list[str]:
    """Return a sentence when the interval of recall does not lie above what chance scores.

    Recall is taken at the greatest depth at which chance stays below 50 %, so that small galleries are judged too.
    """
    for k in sorted(RECALL_DEPTHS, reverse=True):
        name = f"R@{k}"
        found, by_chance = metrics[name], chance[name]
        if by_chance >= 50.0:
            continue
        if found.low > by_chance:
            return []
        level = "below chance level" if found.high < by_chance else "at chance level"
        return [
            f"{level}, as far as {num_queries} queries tell: {name} {found.value:.1f} "
            f"[{found.low:.1f}, {found.high:.1f}] against {by_chance:.1f} by chance"
        ]
    return []
