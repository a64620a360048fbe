"""Scores beside chance and beside another run, as plain records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ScoreFacts:
    """One task's score beside chance.

    Args:
        task: spelled task.
        metric: recall at the greatest depth at which chance stays below 50 %.
        value, low, high: score and its 95 % interval, percent.
        chance: what random ranking scores, percent.
        num_queries: number of queries.
        collapsed: the sentence of a collapse, empty where there is none.
        deciding: value of the metric that epochs are chosen by, and `deciding_chance` what chance gives.
    """

    task: str
    metric: str
    value: float
    low: float
    high: float
    chance: float
    num_queries: int
    collapsed: str
    deciding: float
    deciding_chance: float


@dataclass(frozen=True)
class ComparedTask:
    """A task that this run and another were both measured on, under one protocol.

    Args:
        task, metric: what is compared.
        here, there: the scores.
        low, high: 95 % interval of here - there.
        p: p-value of a paired randomisation test, adjusted by Holm over the tasks.
    """

    task: str
    metric: str
    here: float
    there: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class AgainstFacts:
    """Another run of the same recipe.

    Args:
        run: its folder.
        settings: dotted path -> (value here, value there), the seed left out.
        tasks: what both were measured on.
        not_compared: why scores were not compared; empty where they were.
    """

    run: str
    settings: dict[str, tuple[object, object]]
    tasks: tuple[ComparedTask, ...]
    not_compared: str


# A score that is surely above chance may still be next to nothing: less than three times chance, and less than five
# points above it.
FEW_TIMES_CHANCE, FEW_POINTS = 3.0, 5.0


def near_chance(score: ScoreFacts) -> bool:
    """Whether the interval reaches down to chance, or the score is so little above it that nothing was learnt."""
    little = score.value < FEW_TIMES_CHANCE * score.chance and score.value - score.chance < FEW_POINTS
    return score.low <= score.chance or little
