"""The trainings around a search: every kind alone, the best graphs with fresh seeds, the final comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trichord.cotraining.directory import GraphDirectory
from trichord.evaluation.result import RetrievalResult
from trichord.runs import RunOptions
from trichord.studies.graphs.experiments import PlannedGraph, Planner, answers, train_all
from trichord.studies.graphs.rivals import Entry
from trichord.studies.graphs.space import TARGET


@dataclass(frozen=True)
class Trained:
    """An entry, trained with several seeds.

    Args:
        entry: what it is.
        graphs: folder of every seed.
        results: what each of them scores, on the selection split or, in the final comparison, on the reported one.
        seconds: training of one seed, mean; that of frozen nodes before it included.
    """

    entry: Entry
    graphs: tuple[GraphDirectory, ...]
    results: tuple[RetrievalResult, ...]
    seconds: float

    def values(self, metric: str) -> tuple[float, ...]:
        """Return the value of every seed."""
        return tuple(result.metrics[metric].value for result in self.results)


@dataclass(frozen=True)
class Phases:
    """Carries out the trainings of a study.

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

    def train_kinds(self) -> dict[str, GraphDirectory]:
        """Train every kind of node alone, with the seed of the search; return kind -> folder."""
        study = self.planner.study
        seed = study.seed
        kinds = study.space.trained_alone
        plans = {kind: self._alone(self.out / "alone" / kind, kind, seed, final=False) for kind in kinds}
        done = self._train({kind: [plan] for kind, plan in plans.items()}, "nodes alone")
        return {kind: graphs[0] for kind, graphs in done.items()}

    def rank(self, entries: Sequence[Entry]) -> list[Trained]:
        """Train entries with the seeds of the ranking on the fitting splits; measure them on the selection split."""
        return self._fresh(entries, self.out / "ranking", self.planner.study.seeds_of_ranking, final=False)

    def compare(self, entries: Sequence[Entry]) -> list[Trained]:
        """Train entries with the seeds of the report, and measure them on the reported split."""
        return self._fresh(entries, self.out / "final", self.planner.study.seeds_of_report, final=True)

    def _fresh(self, entries: Sequence[Entry], folder: Path, seeds: Sequence[int], *, final: bool) -> list[Trained]:
        study, what = self.planner.study, folder.name
        kinds = list(dict.fromkeys(kind for entry in entries for kind in entry.kinds))
        teachers = {
            kind: [self._alone(folder / "alone" / f"seed-{s}" / kind, kind, s, final=final) for s in seeds]
            for kind in kinds
        }
        taught = self._train(teachers, f"{what}: frozen nodes")
        plans: dict[str, list[PlannedGraph]] = {}
        for entry in entries:
            plans[entry.name] = []
            for place, seed in enumerate(seeds):
                starts = {kind: str(taught[kind][place].node_folder(TARGET)) for kind in entry.kinds}
                config = self.planner.config(entry.starting(starts), seed, scored=entry.scored, final=final)
                of_entry = folder / entry.name.replace(" ", "-") / f"seed-{seed}"
                plans[entry.name].append(self.planner.plan(of_entry, config))
        done = self._train(plans, what)
        split = study.report_split if final else study.selection_split
        return [
            Trained(
                entry,
                tuple(done[entry.name]),
                tuple(graph.result(split) for graph in done[entry.name]),
                _seconds(done[entry.name]) + sum(_seconds(taught[kind]) for kind in entry.kinds),
            )
            for entry in entries
        ]

    def _alone(self, folder: Path, kind: str, seed: int, *, final: bool) -> PlannedGraph:
        return self.planner.plan(folder, self.planner.alone(kind, seed, final=final))

    def _train(self, plans: dict[str, list[PlannedGraph]], description: str) -> dict[str, list[GraphDirectory]]:
        return train_all(
            plans, self.planner.dataset, workers=self.workers, options=self.options, description=description
        )


def strongest_kind(planner: Planner, alone: dict[str, GraphDirectory]) -> str:
    """Return the kind that answers the task best alone, on validation; the target's own is one of them."""
    study, kinds = planner.study, planner.study.space.trained_alone
    values = {
        kind: alone_value(graph, study.selection_split, study.selection.metric)
        for kind, graph in alone.items()
        if answers(kinds[kind], study)
    }
    return max(values, key=lambda kind: values[kind])


def alone_value(graph: GraphDirectory, split: str, metric: str) -> float:
    """Return the validation value of a node that was trained alone."""
    return graph.result(split).metrics[metric].value


def _seconds(graphs: Sequence[GraphDirectory]) -> float:
    return sum(float(graph.status()["seconds"]) for graph in graphs) / len(graphs)
