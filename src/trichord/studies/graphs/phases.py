"""The trainings around a search: every kind alone, the best graphs with fresh seeds, the final comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trichord.cotraining.build import build_cast
from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.measure import Measuring
from trichord.evaluation.result import RetrievalResult
from trichord.recipes.rewording import reworded
from trichord.runs import RunDirectory, RunOptions
from trichord.studies.graphs.experiments import PlannedGraph, Planner, answers, train_all
from trichord.studies.graphs.rivals import TEACHER, THE_BASE, Entry, distillation
from trichord.studies.graphs.space import TARGET
from trichord.training.engine import Engine

FINAL = "final"


@dataclass(frozen=True)
class Trained:
    """An entry, trained with several seeds.

    Args:
        entry: what it is.
        graphs: folder of every seed.
        results: what each of them scores, on the selection split or, in the final comparison, on the reported one.
        seconds: training of one seed, mean; that of frozen nodes, and of the base of adapters, before it included.
    """

    entry: Entry
    graphs: tuple[GraphDirectory, ...]
    results: tuple[RetrievalResult, ...]
    seconds: float

    def values(self, metric: str) -> tuple[float, ...]:
        """Return the value of every seed."""
        return tuple(result.metrics[metric].value for result in self.results)


@dataclass(frozen=True)
class Alone:
    """What was trained before the search.

    Args:
        kinds: kind of a node -> the network of that kind that is frozen in graphs.
        reference: the target alone with the seed of the search, as every trial trains it.
    """

    kinds: Mapping[str, GraphDirectory]
    reference: GraphDirectory

    @property
    def starts(self) -> dict[str, str]:
        """Kind -> folder of its network."""
        return {kind: str(graph.node_folder(TARGET)) for kind, graph in self.kinds.items()}


@dataclass(frozen=True)
class Phases:
    """Carries out the trainings of a study.

    What depends on which graph won lies in folders that are named by the trial that found it, so that a study can be
    made longer, and all else is trained once, whoever wins.

    Args:
        planner: makes the experiments.
        out: folder of the study.
        workers: trainings at once.
        options: choices that do not change the numbers.
    """

    planner: Planner
    out: Path
    workers: int
    options: RunOptions

    def train_alone(self) -> Alone:
        """Train every kind of node alone with a seed of its own, and the target with the seed of the search."""
        study = self.planner.study
        seed = study.seed_of_frozen(study.seed)
        plans = {
            kind: [self._alone(self.out / "alone" / kind, kind, seed, final=False)]
            for kind in study.space.trained_alone
        }
        reference = self._alone(self.out / "reference", study.space.own_kind, study.seed, final=False)
        done = self._train({**plans, "": [reference]}, "nodes alone")
        (target,) = done.pop("")
        return Alone({kind: graphs[0] for kind, graphs in done.items()}, target)

    def rank(self, entries: Sequence[Entry], place: int | None = None) -> list[Trained]:
        """Train entries with the seeds of the ranking on the fitting splits; measure them on the selection split.

        Args:
            entries: what is trained.
            place: of the graph that ranked first, where the entries are its rivals.
        """
        return self._fresh(entries, "ranking", self.planner.study.seeds_of_ranking, place)

    def compare(self, entries: Sequence[Entry], place: int) -> list[Trained]:
        """Train a place's graph and its rivals with the seeds of the report; measure them on the reported split."""
        return self._fresh(entries, FINAL, self.planner.study.seeds_of_report, place)

    def times_reported(self) -> int:
        """Return for how many graphs of the search the reported split was measured in this folder, at least in part."""
        folders = (self.out / FINAL).glob(_for_trial("*"))
        return sum(any(GraphDirectory(graph).finished for graph in folder.glob("*/*")) for folder in folders)

    def _fresh(self, entries: Sequence[Entry], what: str, seeds: Sequence[int], place: int | None) -> list[Trained]:
        study, folder, final = self.planner.study, self.out / what, what == FINAL
        home = folder if place is None else folder / _for_trial(f"{place:04d}")
        kinds = list(dict.fromkeys(kind for entry in entries for kind in entry.kinds))
        teachers = {
            kind: [
                self._alone(folder / "alone" / f"seed-{s}" / kind, kind, study.seed_of_frozen(s), final=final)
                for s in seeds
            ]
            for kind in kinds
        }
        taught = self._train(teachers, f"{what}: frozen nodes")
        plans: dict[str, list[PlannedGraph]] = {}
        for entry in entries:
            plans[entry.name] = []
            for number, seed in enumerate(seeds):
                starts = {kind: str(taught[kind][number].node_folder(TARGET)) for kind in entry.kinds}
                config = self.planner.config(entry.starting(starts), seed, scored=entry.scored, final=final)
                of_entry = home / entry.name.replace(" ", "-") / f"seed-{seed}"
                plans[entry.name].append(self.planner.plan(of_entry, config))
        done = self._train(plans, what)
        split = study.report_split if final else study.selection_split
        return [
            Trained(
                entry,
                tuple(done[entry.name]),
                tuple(graph.result(split) for graph in done[entry.name]),
                _seconds(done[entry.name])
                + sum(_seconds(taught[kind]) for kind in entry.kinds)
                + (self._seconds_of_base() if entry.over_base else 0.0),
            )
            for entry in entries
        ]

    def _alone(self, folder: Path, kind: str, seed: int, *, final: bool) -> PlannedGraph:
        return self.planner.plan(folder, self.planner.alone(kind, seed, final=final))

    def _seconds_of_base(self) -> float:
        """Return how long the base was trained."""
        folder = self.planner.study.base
        stages = [] if folder is None else RunDirectory(folder).status().get("stages", [])
        return sum(float(stage.get("seconds", 0.0)) for stage in stages)

    def _train(self, plans: dict[str, list[PlannedGraph]], description: str) -> dict[str, list[GraphDirectory]]:
        return train_all(
            plans, self.planner.dataset, workers=self.workers, options=self.options, description=description
        )


def strongest_kind(planner: Planner, alone: Alone, options: RunOptions) -> str:
    """Return what answers the task best without a graph, on validation: a kind that was trained alone, or the base."""
    study, kinds = planner.study, planner.study.space.trained_alone
    values: dict[str, float] = {}
    of_base = base_value(planner, options)
    if of_base is not None:
        values[THE_BASE] = of_base  # first: an adapter that is no better than its base adds nothing
    for kind, graph in alone.kinds.items():
        if answers(kinds[kind], study):
            values[kind] = alone_value(graph, study.selection_split, study.selection.metric)
    return max(values, key=lambda kind: values[kind])


def base_value(planner: Planner, options: RunOptions) -> float | None:
    """Return the validation value of the base as it is, as the frozen teacher that it can be.

    None where it can be none: there is no base, it lacks a modality of the target, or captions are in other words.
    """
    study, base = planner.study, planner.base
    own, spec = study.space.own, planner.dataset.spec
    if base is None or own.classifies or not all(base.supports(modality) for modality in own.modalities):
        return None
    held = {entry.modality.name: entry for entry in spec.modalities if entry.modality.name in own.modalities}
    encoders = base.config.model.encoders
    if any(reworded(encoders[name], entry, spec) != encoders[name] for name, entry in held.items()):
        return None
    config = planner.config(distillation(study, THE_BASE), study.seed)
    cast = build_cast(config, planner.dataset, base, Engine(config.precision, options.device).device, None)
    return Measuring(cast, config, planner.dataset, None).value(TEACHER, study.selection_split)


def alone_value(graph: GraphDirectory, split: str, metric: str) -> float:
    """Return the validation value of a node that was trained alone."""
    return graph.result(split).metrics[metric].value


def _for_trial(place: str) -> str:
    return f"for-trial-{place}"


def _seconds(graphs: Sequence[GraphDirectory]) -> float:
    return sum(float(graph.status()["seconds"]) for graph in graphs) / len(graphs)
