"""Ranks of 10,000 queries in a gallery of 10,000: counted without sorting, beside sorting the whole matrix."""

from __future__ import annotations

from statistics import median

import numpy as np
import torch

from benchmarks.evaluation_baseline import ranks_by_sorting
from benchmarks.evaluation_vectors import drawn_vectors
from benchmarks.outcome import Outcome, compared
from benchmarks.timing import in_turns, spread
from trichord.metrics.ranks import RankCounts, count_ranks


def evaluation_speed(quick: bool) -> Outcome:
    """Compare the time of ranking every query."""
    rows, dim, rounds = (2000, 512, 3) if quick else (10000, 512, 5)
    queries, gallery = drawn_vectors(rows, dim, "queries"), drawn_vectors(rows, dim, "gallery")
    times = in_turns(
        {
            "plain": lambda: ranks_by_sorting(queries.numpy(), gallery.numpy()),
            "ours": lambda: ranks_by_counting(queries, gallery),
        },
        rounds + 1,
    )
    plain, ours = times["plain"][1:], times["ours"][1:]
    differing = int((ranks_by_sorting(queries.numpy(), gallery.numpy()) != _ranks(queries, gallery)).sum())
    extra = f"{spread(plain, ours)}; ranks that differ: {differing} of {rows}"
    setting = f"{rows:,} queries, gallery of {rows:,}, {dim}-d"
    return compared("evaluation speed", setting, median(plain), median(ours), 2.0, extra)


def ranks_by_counting(queries: torch.Tensor, gallery: torch.Tensor) -> RankCounts:
    """Count ranks where row i looks for row i."""
    items = torch.arange(len(queries))
    return count_ranks(queries, gallery, items, items)


def _ranks(queries: torch.Tensor, gallery: torch.Tensor) -> np.ndarray:
    return ranks_by_counting(queries, gallery).greater
