"""From what entered a study to the rows of its table: intervals, paired differences, adjusted over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trichord.evaluation.class_results import class_lines, compare_classes, confusion, estimate_classes
from trichord.evaluation.class_scores import class_metrics, value
from trichord.metrics.bootstrap import Comparison, Estimate, holm
from trichord.reports.mmlora.record import MethodRow, Paired, RankEffect
from trichord.studies.mmlora.entrants import Entrant, Scores
from trichord.studies.mmlora.plan import ENSEMBLE, HEAD, JOINT, PROBE_OF_ALL
from trichord.studies.mmlora.trained import Trained

CONTROLS = (ENSEMBLE, JOINT)
"""What every row of several modalities is held against."""
CONTROLS_OF_MMLORA = (HEAD, PROBE_OF_ALL)
"""What rows of MMLoRA are held against besides: the second stage without matrices, and no encoder that learnt."""


def build_rows(entrants: Sequence[Entrant]) -> tuple[MethodRow, ...]:
    """Return the rows, in the order given; those of several modalities held against the controls."""
    against = compare_all(entrants)
    return tuple(_row(entrant, against.get(entrant.name, {})) for entrant in entrants)


def compare_all(entrants: Sequence[Entrant]) -> dict[str, dict[str, Paired]]:
    """Return name of a row of several modalities -> name of a control -> its difference from it.

    p-values are adjusted by Holm's rule over all of these comparisons. Joint learning and the ensemble are compared
    once: the former with the latter. Where both sides rest on the same experts, their seeds belong together.
    """
    known = {entrant.name: entrant for entrant in entrants}
    pairs = [
        (entrant, known[name])
        for entrant in entrants
        for name in (*CONTROLS, *(CONTROLS_OF_MMLORA if entrant.family == "mmlora" else ()))
        if name in known and len(entrant.modalities) > 1 and entrant.name not in (name, ENSEMBLE)
    ]
    found = [_compare(entrant, control) for entrant, control in pairs]
    adjusted = adjust(found)
    result: dict[str, dict[str, Paired]] = {}
    for (entrant, control), paired in zip(pairs, adjusted, strict=True):
        result.setdefault(entrant.name, {})[control.name] = paired
    return result


def rank_effects(done: Mapping[str, Trained], split: str) -> tuple[RankEffect, ...]:
    """Return, for every placement, its chosen rank less the smallest that was tried, seed by seed.

    Where validation chose the smallest there is no effect to tell. p-values are adjusted by Holm's rule among these.

    Args:
        done: name -> method that was trained.
        split: the reported split.
    """
    placed = [(name, one) for name, one in done.items() if one.method.family == "mmlora" and one.chosen]
    sides = [(one.scores(split), one.scores(split, setting=0)) for _, one in placed]
    found = [compare_classes(a, b, class_metrics(a[0].several)[0], matched=True) for a, b in sides]
    return tuple(
        RankEffect(name, int(one.setting.value), int(one.method.settings[0].value), paired)
        for (name, one), paired in zip(placed, adjust(found), strict=True)
    )


def adjust(found: Sequence[Comparison]) -> list[Paired]:
    """Return comparisons with their p-values adjusted by Holm's rule over all of them."""
    adjusted = holm([comparison.p_value for comparison in found])
    return [
        Paired(comparison.difference, comparison.low, comparison.high, comparison.p_value, p)
        for comparison, p in zip(found, adjusted, strict=True)
    ]


def deciding(scores: Scores) -> Estimate:
    """Return the deciding measure over seeds, with its interval."""
    return estimate_classes(scores)[class_metrics(scores[0].several)[0]]


def mean_value(scores: Scores) -> float:
    """Return the deciding measure, mean over seeds."""
    return float(np.mean([value(one, class_metrics(one.several)[0]) for one in scores]))


def _compare(entrant: Entrant, control: Entrant) -> Comparison:
    metric = class_metrics(entrant.reported[0].several)[0]
    matched = bool(entrant.rests_on) and entrant.rests_on == control.rests_on
    return compare_classes(entrant.reported, control.reported, metric, matched=matched)


def _row(entrant: Entrant, against: Mapping[str, Paired]) -> MethodRow:
    several = entrant.reported[0].several
    shares = () if several else confusion(entrant.reported)
    return MethodRow(
        name=entrant.name,
        family=entrant.family,
        modalities=entrant.modalities,
        adapted=entrant.adapted,
        setting=entrant.setting,
        tries=entrant.tries,
        at_edge=entrant.at_edge,
        validation=mean_value(entrant.validation),
        metrics=estimate_classes(entrant.reported),
        against=against,
        without={name: deciding(scores) for name, scores in entrant.without.items()},
        cost=entrant.cost,
        classes=class_lines(entrant.reported),
        confusion=tuple(tuple(float(share) for share in row) for row in shares),
    )
