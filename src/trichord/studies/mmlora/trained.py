"""The trainings of a study: experts of all seeds first, then all that rests on them, and what validation chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trichord.classification.directory import ALL, ClassifierDirectory
from trichord.evaluation.class_scores import ClassScores, class_metrics, value
from trichord.runs import RunOptions
from trichord.studies.machine import LARGE_MODEL, carry_out_all, usable_cores
from trichord.studies.mmlora.plan import JOINT, UMT, Method, Setting, experiment
from trichord.studies.mmlora.planned import PlannedClassifier, check_experts, remember_experts
from trichord.studies.mmlora.select import choose
from trichord.studies.mmlora.study import Prepared

EXPERTS_FILE = "experts.json"


@dataclass(frozen=True)
class Trained:
    """A method that was trained with all its settings and seeds.

    Args:
        method: the method.
        runs: one entry per setting, ascending; each the folder of every seed.
        chosen: which setting validation prefers.
    """

    method: Method
    runs: tuple[tuple[ClassifierDirectory, ...], ...]
    chosen: int

    @property
    def setting(self) -> Setting:
        """The setting that validation prefers."""
        return self.method.settings[self.chosen]

    @property
    def folders(self) -> tuple[ClassifierDirectory, ...]:
        """The folders of its seeds with the setting that validation prefers."""
        return self.runs[self.chosen]

    def scores(self, split: str, name: str = ALL, setting: int | None = None) -> tuple[ClassScores, ...]:
        """Return the answers of every seed on a split, with the chosen setting or another."""
        return tuple(run.scores(split, name) for run in self.runs[self.chosen if setting is None else setting])


@dataclass(frozen=True)
class Trainings:
    """Carries out the trainings of a study.

    Args:
        prepared: the study.
        out: folder of the study.
        workers: trainings at once.
        options: choices that do not change the numbers.
    """

    prepared: Prepared
    out: Path
    workers: int
    options: RunOptions

    def carry_out(self) -> tuple[dict[str, Trained], int]:
        """Train everything that is not trained yet.

        Returns:
            Name -> method, in the order of the table; and how many experts' folders were proven not to have changed.

        Raises:
            RunError: some trainings failed, and the message lists them; or an expert's folder has changed, or what it
                held before is not known any more.
        """
        first = [method for method in self.prepared.methods if method.kind == "expert"]
        rest = [method for method in self.prepared.methods if method.kind != "expert"]
        done = self._train(first, {}, "experts")
        record = self.out / EXPERTS_FILE
        folders = [run.path for trained in done.values() for runs in trained.runs for run in runs]
        remember_experts(record, self.out, folders, self._resting(rest))
        done |= self._train(rest, done, "methods")
        self._probe([done[name] for name in (JOINT, UMT) if name in done], done)
        proven = check_experts(record, self.out)
        return {method.name: done[method.name] for method in self.prepared.methods}, proven

    def _resting(self, methods: Sequence[Method]) -> list[Path]:
        """Return the folders of all runs that start from experts or are held near them."""
        return [
            self.out / method.folder(setting, seed)
            for method in methods
            if method.experts
            for setting in method.settings
            for seed in self.prepared.study.seeds
        ]

    def _train(self, methods: Sequence[Method], done: Mapping[str, Trained], description: str) -> dict[str, Trained]:
        seeds = self.prepared.study.seeds
        plans = {
            (method.name, place, seed): self._plan(method, setting, seed, done, probes=_is_whole_expert(method))
            for method in methods
            for place, setting in enumerate(method.settings)
            for seed in seeds
        }
        self._carry_out(list(plans.values()), description)
        return {method.name: self._chosen(method, plans) for method in methods}

    def _probe(self, chosen: Sequence[Trained], done: Mapping[str, Trained]) -> None:
        """Probe the encoders of joint learning with the setting that validation prefers."""
        plans = [
            self._plan(one.method, one.setting, seed, done, probes=True)
            for one in chosen
            for seed in self.prepared.study.seeds
        ]
        self._carry_out(plans, "probes")

    def _carry_out(self, plans: Sequence[PlannedClassifier], description: str) -> None:
        carry_out_all(plans, self.prepared.dataset, workers=self.workers, options=self.options, description=description)

    def _plan(
        self, method: Method, setting: Setting, seed: int, done: Mapping[str, Trained], *, probes: bool
    ) -> PlannedClassifier:
        experts = {name: done[expert].folders[seed] for name, expert in method.experts.items()}
        hashes = {name: str(folder.status()["parts"][name]) for name, folder in experts.items()}
        return PlannedClassifier(
            folder=self.out / method.folder(setting, seed),
            config=experiment(self.prepared.recipe, method, setting, seed, hashes),
            encoders=self.prepared.recipe.encoders,
            experts={name: folder.path for name, folder in experts.items()},
            probes=probes,
        )

    def _chosen(self, method: Method, plans: Mapping[tuple[str, int, int], PlannedClassifier]) -> Trained:
        study = self.prepared.study
        runs = tuple(
            tuple(ClassifierDirectory(plans[method.name, place, seed].folder) for seed in study.seeds)
            for place in range(len(method.settings))
        )
        metric = class_metrics(study.several)[0]
        values = [[value(run.scores(study.selection_split), metric) for run in of_setting] for of_setting in runs]
        return Trained(method, runs, choose(values))


def _is_whole_expert(method: Method) -> bool:
    return method.kind == "expert" and not method.adapted


def default_workers(prepared: Prepared) -> int:
    """Return how many trainings to work on at once: one on a GPU or for large encoders, else one for each core."""
    if torch.cuda.is_available():
        return 1
    return 1 if prepared.parameters > LARGE_MODEL else usable_cores()
