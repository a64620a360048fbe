"""Scores of classes for tests: random truth, logits that know it more or less."""

from __future__ import annotations

import numpy as np

from trichord.evaluation.class_scores import ClassScores

NAMES = ("calm", "glad", "sad")


def scored(
    strength: float = 1.0,
    seed: int = 0,
    *,
    several: bool = False,
    items: int = 120,
    truth_seed: int = 0,
    missing: int = 0,
    split: str = "test",
) -> ClassScores:
    """Return scores whose logits are noise plus `strength` times the truth; the first `missing` items are not held."""
    members = np.random.default_rng(truth_seed).random((items, len(NAMES))) < 0.4
    numbers = np.random.default_rng(truth_seed).integers(0, len(NAMES), items)
    truth = members if several else numbers
    right = members if several else numbers[:, None] == np.arange(len(NAMES))
    logits = np.random.default_rng(1000 + seed).normal(size=right.shape) + strength * (2.0 * right - 1.0)
    held = np.arange(items) >= missing
    logits = np.where(held[:, None], logits, 0.0).astype(np.float32)
    return ClassScores("mood", NAMES, several, split, 7 + np.arange(items), truth, logits, held)
