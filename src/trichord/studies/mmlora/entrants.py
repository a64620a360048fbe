"""Everything that enters the table: what it answered, what was chosen for it, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trichord.classification.directory import without
from trichord.evaluation.class_ensemble import Ensemble, fit_ensemble
from trichord.evaluation.class_scores import ClassScores
from trichord.reports.mmlora.record import Cost, Edge, Family
from trichord.studies.mmlora.trained import Trained

Scores = tuple[ClassScores, ...]


@dataclass(frozen=True)
class Entrant:
    """A method with its answers, before it is held against others.

    Args:
        name, family, modalities, adapted, setting, tries, at_edge, cost: see `MethodRow`.
        validation: its answers on validation, one per seed.
        reported: those on the reported split.
        without: removed modality -> answers without it, on the reported split.
        rests_on: names of the experts that it shares, seed by seed, with others that rest on them.
    """

    name: str
    family: Family
    modalities: tuple[str, ...]
    adapted: tuple[str, ...]
    setting: str
    tries: int
    validation: Scores
    reported: Scores
    cost: Cost
    without: Mapping[str, Scores] = field(default_factory=dict)
    rests_on: frozenset[str] = frozenset()
    at_edge: Edge = ""


def trained_entrant(trained: Trained, done: Mapping[str, Trained], splits: tuple[str, str]) -> Entrant:
    """Return a method that was trained, with the setting that validation prefers.

    Args:
        trained: the method.
        done: name -> all methods that were trained.
        splits: validation, and the reported split.
    """
    method = trained.method
    validation, report = splits
    removed = method.modalities if len(method.modalities) > 1 else ()
    return Entrant(
        name=method.name,
        family=method.family,
        modalities=method.modalities,
        adapted=method.adapted,
        setting=trained.setting.words,
        tries=len(method.settings),
        validation=trained.scores(validation),
        reported=trained.scores(report),
        cost=trained_cost(trained, [done[name] for name in method.experts.values()]),
        without={name: trained.scores(report, without(name)) for name in removed},
        rests_on=frozenset(method.experts.values()),
        at_edge=edge(trained.chosen, len(method.settings)),
    )


def edge(chosen: int, number: int) -> Edge:
    """Return which end of several settings was chosen, ascending; "" for neither, or where there was one."""
    if number < 2 or 0 < chosen < number - 1:
        return ""
    return "largest" if chosen else "smallest"


def ensemble_entrant(name: str, experts: Mapping[str, Trained], splits: tuple[str, str]) -> Entrant:
    """Return the ensemble of experts, its weights chosen on validation by the mean over seeds.

    Its weights have no edge that could be stepped over: all there are lie between a modality alone and another.

    Args:
        name: of the ensemble.
        experts: modality -> its expert.
        splits: validation, and the reported split.
    """
    answers = {split: _by_seed({m: one.scores(split) for m, one in experts.items()}) for split in splits}
    found = fit_ensemble(*answers[splits[0]])
    validation, reported = (tuple(found.scores(members) for members in answers[split]) for split in splits)
    return Entrant(
        name=name,
        family="ensemble",
        modalities=tuple(experts),
        adapted=tuple(m for one in experts.values() for m in one.method.adapted),
        setting=ensemble_words(found),
        tries=found.tried,
        validation=validation,
        reported=reported,
        cost=ensemble_cost([trained_cost(one, []) for one in experts.values()]),
        without={
            gone: tuple(found.scores({**members, gone: _unheld(members[gone])}) for members in answers[splits[1]])
            for gone in experts
        },
        rests_on=frozenset(one.method.name for one in experts.values()),
    )


def ensemble_words(found: Ensemble) -> str:
    """Say how an ensemble averages: "0.45 video + 0.55 audio, logits"."""
    return f"{' + '.join(f'{weight:.2g} {name}' for name, weight in found.weights.items())}, {found.combines}"


def trained_cost(trained: Trained, experts: Sequence[Trained]) -> Cost:
    """Return what a method takes, with the experts it rests on, as the folders of its seeds tell."""
    first, *_ = statuses = [folder.status() for folder in trained.folders]
    before = [trained_cost(expert, []) for expert in experts]
    epochs = trained.folders[0].record().config.learning.epochs
    return Cost(
        trainable=first["trainable"],
        parameters=first["parameters"],
        training_bytes=max(status["training_bytes"] for status in statuses),
        device_bytes=_most([status["device_bytes"] for status in statuses]),
        epochs=epochs + max((cost.epochs for cost in before), default=0),
        seconds=_mean(statuses),
        seconds_before=sum(cost.seconds + cost.seconds_before for cost in before),
    )


def ensemble_cost(experts: Sequence[Cost]) -> Cost:
    """Return what an ensemble takes: experts are trained one after the other, and all of them answer."""
    return Cost(
        trainable=sum(cost.trainable for cost in experts),
        parameters=sum(cost.parameters for cost in experts),
        training_bytes=max(cost.training_bytes for cost in experts),
        device_bytes=_most([cost.device_bytes for cost in experts]),
        epochs=max(cost.epochs for cost in experts),
        seconds=sum(cost.seconds for cost in experts),
        seconds_before=0.0,
    )


def _mean(statuses: Sequence[Mapping[str, Any]]) -> float:
    return round(float(np.mean([status["seconds"] for status in statuses])), 3)


def _most(values: Sequence[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _by_seed(answers: Mapping[str, Scores]) -> list[dict[str, ClassScores]]:
    """Return one mapping from modality to answers for every seed."""
    return [dict(zip(answers, of_seed, strict=True)) for of_seed in zip(*answers.values(), strict=True)]


def _unheld(scores: ClassScores) -> ClassScores:
    """Return the answers of a member that nothing was given to."""
    return replace(scores, logits=np.zeros_like(scores.logits), held=np.zeros_like(scores.held))
