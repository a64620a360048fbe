"""Slow references, written from the definitions: plain loops, and every order of tied rows enumerated."""

from __future__ import annotations

from itertools import permutations

import numpy as np


def first_relevant_positions(scores: list[float], relevant: list[bool]) -> list[int]:
    """Return the position (from 1) of the first relevant row for every order that the scores allow."""
    levels = sorted(set(scores), reverse=True)
    positions: list[int] = []
    before = 0
    for level in levels:
        members = [i for i, score in enumerate(scores) if score == level]
        if any(relevant[i] for i in members):
            for order in permutations(members):
                positions.append(before + 1 + next(j for j, i in enumerate(order) if relevant[i]))
            return positions
        before += len(members)
    raise AssertionError("no relevant row")


def brute_force(scores: list[float], relevant: list[bool], k: int) -> tuple[float, float, float]:
    """Return expected rank, probability of a hit among the first k, expected reciprocal rank."""
    positions = np.array(first_relevant_positions(scores, relevant), dtype=float)
    return float(positions.mean()), float((positions <= k).mean()), float((1.0 / positions).mean())


def count_by_loops(
    scores: np.ndarray, query_items: np.ndarray, gallery_items: np.ndarray
) -> list[tuple[int, int, int]]:
    rows = []
    for i, item in enumerate(query_items):
        best = max(scores[i, j] for j in range(scores.shape[1]) if gallery_items[j] == item)
        greater = tied = relevant_tied = 0
        for j in range(scores.shape[1]):
            if scores[i, j] > best:
                greater += 1
            elif scores[i, j] == best and gallery_items[j] == item:
                relevant_tied += 1
            elif scores[i, j] == best:
                tied += 1
        rows.append((greater, tied, relevant_tied))
    return rows
