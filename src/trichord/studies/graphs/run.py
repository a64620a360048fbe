"""The study of graphs: search on validation, rank again with fresh seeds, compare once on the reported split.

1. Alone: every kind of node is trained alone, with a seed of its own. They are the frozen nodes of the graphs. The
   target is also trained alone with the seed of the search, as the reference that a trial is held against.
2. Search: graphs are drawn and trained with one seed; validation says how good each is.
3. Ranking: the best distinct graphs are trained again with fresh seeds on the same splits, and so are the four rivals;
   the graph with the best mean on validation is the one that is reported. Nothing is chosen from here on.
4. Final: that graph and its rivals are trained with other fresh seeds, on fitting and selection splits together, and
   measured on the reported split.

A finished study can be made longer: with more trials, more seeds or more graphs to rank, what was trained is kept.
Where another graph wins then, the reported split is measured again, and the report says how often it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trichord.cotraining.directory import GraphDirectory
from trichord.data import Dataset
from trichord.errors import ConfigError, RunError
from trichord.files import write_json, write_text
from trichord.optional import require
from trichord.reports.graphs.drawing import write_drawing
from trichord.reports.graphs.history import write_history
from trichord.reports.graphs.lines import Importance
from trichord.reports.graphs.page import write_graph_page
from trichord.reports.graphs.report import GraphStudyReport
from trichord.runs import RunOptions, load
from trichord.studies.graphs import assemble
from trichord.studies.graphs.again import train_options
from trichord.studies.graphs.claim import TrialsFolder
from trichord.studies.graphs.conclusion import conclude, find_optimism
from trichord.studies.graphs.contest import Contest, hold_contest
from trichord.studies.graphs.experiments import Planner
from trichord.studies.graphs.importance import gate_importance
from trichord.studies.graphs.phases import Alone, Phases, alone_value
from trichord.studies.graphs.search import begin_search, drawn_graph, run_search
from trichord.studies.graphs.study import GraphStudy
from trichord.studies.graphs.trial import TrialRecord
from trichord.studies.machine import usable_cores

SAMPLERS = {"random": "uniformly at random", "tpe": "multivariate TPE after ten at random"}
PRUNERS = {"halving": "successive halving by validations", "none": "none"}


@dataclass(frozen=True)
class GraphStudyOutcome:
    """A finished study: its report, and where the page and the best graph lie."""

    report: GraphStudyReport
    page: Path
    graph: Path


def run_graph_study(
    study: GraphStudy, dataset: Dataset, out: Path, *, workers: int | None = None, options: RunOptions | None = None
) -> GraphStudyOutcome:
    """Carry out a study; killed at any point and started again, it goes on where it was.

    Args:
        study: what is studied.
        dataset: the data.
        out: folder of the study: alone/, reference/, trials/, ranking/, final/, study.journal, study.json, report.html,
            graph.txt, graph.svg, graph.png, history.svg.
        workers: trainings at once, each with an equal share of the cores; None: one on a GPU, else one for each core.
            The share decides the order of sums, and so the last bits of every number: give the same where two studies
            are to agree to the bit.
        options: choices that do not change the numbers.

    Raises:
        TrichordError: Optuna is not installed; before anything is trained.
        ConfigError, DataError: a setting or the data do not fit; before anything is trained.
        RunError: the storage does not answer or holds another search, before anything is trained; a folder is busy or
            holds something else; many trials in a row failed.
        KeyboardInterrupt: the user stopped it; what was in progress wrote a checkpoint.
    """
    require("optuna", "search", "searching graphs")
    options = options or RunOptions()
    if workers is not None and workers < 1:
        raise ConfigError(f"workers counts trainings at once and is at least 1, got {workers}")
    workers = workers or (1 if torch.cuda.is_available() else min(usable_cores(), study.num_trials))
    out = out.resolve()
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file, and a study is written to a folder; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    with GraphDirectory(out).lock():  # locked like the folder of a graph; workers have locks of their own
        return _carry_out(study, dataset, out, workers, options)


def _carry_out(study: GraphStudy, dataset: Dataset, out: Path, workers: int, options: RunOptions) -> GraphStudyOutcome:
    planner = Planner(study, dataset, None if study.base is None else load(study.base))
    planner.check()
    search = begin_search(planner, out)
    phases = Phases(planner, out, workers, options)
    alone = phases.train_alone()
    records = run_search(planner, search, out, alone.starts, workers=workers, options=options)
    contest = hold_contest(planner, phases, alone, records, options)
    importance = gate_importance(study.space, records, search.importance())
    return _write(_report(planner, phases, alone, records, contest, importance), dataset, out)


def _report(
    planner: Planner,
    phases: Phases,
    alone: Alone,
    records: Sequence[TrialRecord],
    contest: Contest,
    importance: tuple[Importance, ...],
) -> GraphStudyReport:
    study, dataset, starts = planner.study, planner.dataset, alone.starts
    found, ranking, final = contest.found, contest.ranking, contest.final
    texts = [assemble.spell(one.entry.starting(starts), dataset) for one in ranking]
    ranked = assemble.ranked_lines(study, found, ranking, texts)
    contenders = assemble.contender_lines(
        study,
        final,
        (ranking[contest.first], *contest.rivals),
        [assemble.spell(one.entry.starting(starts), dataset) for one in final],
    )
    results = assemble.trial_results(study, records, TrialsFolder(phases.out / "trials"))
    optimism = find_optimism(study, records, results, contest.ranked)
    reference = alone_value(alone.reference, study.selection_split, study.selection.metric)
    best, times = drawn_graph(study, contest.drawn, starts), phases.times_reported()
    return GraphStudyReport(
        title=f"Transfer graphs for {study.task} on {dataset.spec.name}",
        dataset=dataset.spec.name,
        task=study.task,
        metric=study.selection.metric,
        selection_split=study.selection_split,
        report_split=study.report_split,
        num_trials=study.num_trials,
        sampler=SAMPLERS[study.sampler],
        pruner=PRUNERS[study.pruner],
        seeds=study.num_seeds,
        trials=assemble.trial_lines(records, dataset),
        reference=reference,
        ranked=ranked,
        contenders=contenders,
        comparisons=assemble.compare(study, final[0], final[1:]),
        optimism=optimism,
        importance=importance,
        best=best,
        settings=_settings(study, dataset),
        letters={modality.name: modality.letter for modality in dataset.modalities},
        conclusion=conclude(study, optimism, ranked, contenders, reference, times),
        times_reported=times,
        train_options=train_options(planner, best),
    )


def _settings(study: GraphStudy, dataset: Dataset) -> dict[str, Any]:
    return {
        "data": str(dataset.path.resolve()),
        "base": None if study.base is None else str(study.base.resolve()),
        "recipe": study.recipe,
        "epochs": study.epochs,
        "evaluate_every": study.evaluate_every,
        "nodes": study.space.num_nodes,
        "kinds": list(study.space.kinds),
        "payloads": list(study.space.payloads),
        "temperatures": list(study.space.temperatures),
        "effects": list(study.space.effects),
        "ensemble": study.space.ensemble,
        "fit_splits": list(study.fit_splits),
        "refit": study.refit,
        "seed": study.seed,
        "seeds_of_ranking": list(study.seeds_of_ranking),
        "seeds_of_report": list(study.seeds_of_report),
        "space": study.space.to_dict(),
    }


def _write(report: GraphStudyReport, dataset: Dataset, out: Path) -> GraphStudyOutcome:
    write_json(out / "study.json", report.to_dict())
    write_text(out / "graph.txt", report.best_text + "\n")
    write_drawing(out / "graph.svg", out / "graph.png", report.best, tuple(dataset.modalities), title=report.task)
    write_history(out / "history.svg", report)
    write_graph_page(out / "report.html", report)
    return GraphStudyOutcome(report, out / "report.html", out / "graph.txt")
