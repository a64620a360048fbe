"""Every metric of a task with its interval, from one value per query."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trichord.metrics.bootstrap import Estimate, bootstrap_means, bootstrap_median, never_certain
from trichord.metrics.retrieval import METRICS, RECALL_DEPTHS
from trichord.shapes import Float, Int

RECALLS = tuple(f"R@{k}" for k in RECALL_DEPTHS)


def estimate_metrics(
    values: Mapping[str, Float[np.ndarray, "seeds queries"]],
    ranks: Float[np.ndarray, "seeds queries"],
    groups: Int[np.ndarray, " queries"],
    num_resamples: int,
    seed: int,
) -> dict[str, Estimate]:
    """Return every metric; the resamples are the same for all.

    Args:
        values: metric that is a mean over queries -> its values (recalls in percent).
        ranks: the ranks, for their median.
        groups: item of each query; items are resampled, with all their queries, and seeds where there are several.
        num_resamples: bootstrap resamples.
        seed: seed of the resamples.
    """
    options = {"num_resamples": num_resamples, "seed": seed}
    means = bootstrap_means(np.stack(list(values.values())), groups, **options)
    named = dict(zip(values, means, strict=True))
    num_items = len(np.unique(groups))
    named |= {name: never_certain(named[name], num_items, top=100.0) for name in RECALLS}
    named["MedR"] = bootstrap_median(ranks, groups, **options)
    return {name: named[name] for name in METRICS}
