"""The search: several workers, one storage, as many ended trials as were asked for."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from trichord.cotraining.directory import GraphDirectory
from trichord.cotraining.run import run_graph
from trichord.data import Dataset
from trichord.errors import ConfigError, RunError, TrichordError
from trichord.graphs.graph import GraphConfig
from trichord.graphs.reach import needed_nodes, only
from trichord.runs import RunOptions, load
from trichord.studies.crew import Crew, Death, check_stop
from trichord.studies.graphs.claim import TrialsFolder, num_ended
from trichord.studies.graphs.experiments import Planner
from trichord.studies.graphs.identity import check_same_search, identify_search
from trichord.studies.graphs.study import GraphStudy
from trichord.studies.graphs.trial import RunningTrial, TrialRecord
from trichord.studies.graphs.worker import Watch, work
from trichord.studies.machine import usable_cores

if TYPE_CHECKING:
    from trichord.studies.graphs.optuna_door import OptunaSearch

JOURNAL, OWN_NAME = "study.journal", "graphs"
IDENTITY = "trichord search"
MOST_DEATHS = 20
"""Of one worker of the search, which is replaced; a graph that kills it is given up much earlier."""
SECONDS = 0.5


@dataclass(frozen=True)
class SearchJob:
    """What a worker needs to know.

    Args:
        study: what is studied.
        out: folder of the study.
        starts: kind -> folder of the network of that kind that was trained alone.
        first: number of the first trial of this start of the study.
        options: choices that do not change the numbers.
    """

    study: GraphStudy
    out: Path
    starts: Mapping[str, str]
    first: int
    options: RunOptions

    @property
    def folder(self) -> TrialsFolder:
        """Where trials are trained."""
        return TrialsFolder(self.out / "trials")


@dataclass(frozen=True)
class Trainer:
    """Trains the graphs of trials; see `trichord.studies.graphs.worker.Train`."""

    job: SearchJob
    planner: Planner

    def __call__(self, trial: RunningTrial, folder: Path, watch: Watch) -> GraphDirectory:
        """Train the graph that was drawn, without the nodes that its target never hears of."""
        graph = drawn_graph(self.job.study, trial.drawn, self.job.starts)
        trial.note("graph", graph.to_dict())
        return run_graph(
            self.planner.config(graph, self.job.study.seed),
            self.planner.dataset,
            folder,
            options=replace(self.job.options, progress=False),
            base=self.planner.base,
            watch=watch,
        )


def drawn_graph(study: GraphStudy, drawn: Mapping[str, object], starts: Mapping[str, str]) -> GraphConfig:
    """Return the graph of a trial's draws, cut down to the nodes that the target's numbers depend on.

    The target's numbers are the same to the bit with the other nodes and without them.
    """
    graph = study.space.graph(drawn, starts)
    if graph is None:
        raise ConfigError("the target of this draw never learns; it should have been drawn again")
    return only(graph, needed_nodes(graph))


def open_search(study: GraphStudy, out: Path, dataset: Dataset) -> OptunaSearch:
    """Open the storage of a study, and begin the study there if it is new.

    Raises:
        ConfigError, RunError: see `OptunaSearch`.
    """
    from trichord.studies.graphs.optuna_door import OptunaSearch

    return OptunaSearch(
        out / JOURNAL if study.storage is None else study.storage,
        study.name or (OWN_NAME if study.storage is None else f"{dataset.spec.name} {study.task}"),
        study.space,
        study.seed,
        study.sampler,
        study.pruner,
        TrialsFolder(out / "trials").identity(),
    )


def begin_search(planner: Planner, out: Path) -> OptunaSearch:
    """Open the storage of a study and see to it that it holds this search or none.

    Raises:
        RunError: it holds another one; the message names what differs.
    """
    study = planner.study
    search = open_search(study, out, planner.dataset)
    there, here = search.attributes().get(IDENTITY), identify_search(planner)
    where = str(out / JOURNAL) if study.storage is None else f"the study {search.name!r} in the storage"
    if there is None:
        if search.records():
            raise RunError(f"{where} holds trials that are not of a search of graphs; choose another --name or --out")
        search.note(IDENTITY, here)
    else:
        check_same_search(there, here, where)
    return search


def run_search(
    planner: Planner, search: OptunaSearch, out: Path, starts: Mapping[str, str], *, workers: int, options: RunOptions
) -> list[TrialRecord]:
    """Carry out a search, or go on with it, until as many trials as were asked for have ended.

    Args:
        planner: the study and its data.
        search: its trials, see `begin_search`.
        out: folder of the study.
        starts: kind -> folder of the network of that kind that was trained alone.
        workers: trials at once, each in a process of its own with an equal share of the cores; 1 works here.
        options: choices that do not change the numbers.

    Returns:
        All trials, by number.

    Raises:
        RunError: many trials in a row failed, workers kept dying, or the storage does not answer.
        KeyboardInterrupt: the user stopped it; graphs in progress wrote checkpoints.
    """
    study = planner.study
    job = SearchJob(study, out, dict(starts), len(search.records()), options)
    bar = tqdm(total=study.num_trials, desc="search", unit="graph", disable=None if options.progress else True)

    def show() -> None:
        bar.n = min(study.num_trials, num_ended(search.records()))
        bar.refresh()

    try:
        show()
        if num_ended(search.records()) >= study.num_trials:
            pass
        elif workers == 1:
            work(search, job.folder, study.num_trials, job.first, Trainer(job, planner), show)
        else:
            _in_processes(job, planner.dataset.path, workers, show)
    finally:
        bar.close()
    records = search.records()
    if num_ended(records) < study.num_trials:
        raise RunError("the workers of the search ended before all of its trials did; start it again to go on")
    return records


def _in_processes(job: SearchJob, dataset: Path, workers: int, show: Callable[[], None]) -> None:
    """Search in worker processes; one that dies is replaced, and its trial is taken up by whoever comes next."""
    threads = max(1, usable_cores() // workers)
    labour = _Labour(job, str(dataset))
    with Crew(_labour, workers=workers, threads=threads, most_deaths=MOST_DEATHS) as crew:
        for _, ended in crew.carry_out([labour] * workers, meanwhile=show, seconds=SECONDS):
            # The first worker that says something stops the others, and it is what the user hears.
            if isinstance(ended, Death):
                raise RunError(f"a worker of the search was replaced again and again: {ended}")
            if ended.interrupted:
                raise KeyboardInterrupt
            if ended.message:
                raise RunError(ended.message)


@dataclass(frozen=True)
class _Labour:
    """What a worker process is sent."""

    job: SearchJob
    dataset: str


@dataclass(frozen=True)
class _Ended:
    """Why a worker ended: nothing is left to do, the user stopped it, or what went wrong."""

    message: str = ""
    interrupted: bool = False


def _labour(labour: _Labour) -> _Ended:
    """Take up trials, in a worker process."""
    job = labour.job
    try:
        dataset = Dataset.open(labour.dataset)
        search = open_search(job.study, job.out, dataset)
        planner = Planner(job.study, dataset, None if job.study.base is None else load(job.study.base))
        work(search, job.folder, job.study.num_trials, job.first, Trainer(job, planner), check_stop)
    except KeyboardInterrupt:
        return _Ended(interrupted=True)
    except TrichordError as error:
        return _Ended(str(error))
    except Exception:
        return _Ended(traceback.format_exc())
    return _Ended()
