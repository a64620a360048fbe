"""The search: several workers, one storage, as many ended trials as were asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Event
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
from trichord.studies.graphs.claim import TrialsFolder, check_failures, num_ended
from trichord.studies.graphs.experiments import Planner
from trichord.studies.graphs.identity import check_same_search, identify_search
from trichord.studies.graphs.study import GraphStudy
from trichord.studies.graphs.trial import RunningTrial, TrialRecord
from trichord.studies.graphs.worker import Watch, work
from trichord.studies.machine import start_worker, usable_cores, worker_context

if TYPE_CHECKING:
    from trichord.studies.graphs.optuna_door import OptunaSearch

JOURNAL, OWN_NAME = "study.journal", "graphs"
IDENTITY = "trichord search"
DONE, FAILURES, INTERRUPTED = 0, 3, 130
MOST_DEAD_WORKERS = 20
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
        RunError: many trials in a row failed, or workers kept dying.
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
            _Crew(job, planner.dataset.path, workers).work(search, show)
    finally:
        bar.close()
    records = search.records()
    if num_ended(records) < study.num_trials:
        raise RunError("the workers of the search ended before their time; what stopped them is printed above")
    return records


class _Crew:
    """Worker processes; one that dies is replaced, and its trial is taken up by whoever comes next."""

    def __init__(self, job: SearchJob, dataset: Path, workers: int) -> None:
        self.job, self.dataset, self.workers = job, dataset, workers
        self.context = worker_context()
        self.stop = self.context.Event()
        self.lifeline, self.held = self.context.Pipe(duplex=False)
        self.dead = 0

    def work(self, search: OptunaSearch, show: object) -> None:
        processes = [self._start() for _ in range(self.workers)]
        interrupted = False
        try:
            while processes:
                wait([process.sentinel for process in processes], timeout=SECONDS)
                assert callable(show)
                show()
                for process in [p for p in processes if not p.is_alive()]:
                    processes.remove(process)
                    code = process.exitcode
                    interrupted |= code == INTERRUPTED
                    if code == FAILURES:
                        self.stop.set()
                    elif code not in (DONE, INTERRUPTED):
                        self.dead += 1
                        if self.dead >= MOST_DEAD_WORKERS:
                            self.stop.set()
                            raise RunError(f"{self.dead} workers of the search died, the last with exit code {code}")
                        processes.append(self._start())
        except KeyboardInterrupt:
            print("\nstopping: graphs in progress write a checkpoint first", file=sys.stderr)
            interrupted = True
        finally:
            self.stop.set()
            for process in processes:
                process.join()
        if interrupted:
            raise KeyboardInterrupt
        check_failures(search.records(), self.job.first)

    def _start(self) -> ForkServerProcess:
        threads = max(1, usable_cores() // self.workers)
        arguments = (self.job, str(self.dataset), threads, self.stop, self.lifeline)
        process = self.context.Process(target=_work_in_process, args=arguments)
        process.start()
        return process


def _work_in_process(job: SearchJob, dataset: str, threads: int, stop: Event, lifeline: Connection) -> None:
    start_worker(threads, lifeline)

    def ended() -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    try:
        data = Dataset.open(dataset)
        search = open_search(job.study, job.out, data)
        planner = Planner(job.study, data, None if job.study.base is None else load(job.study.base))
        work(search, job.folder, job.study.num_trials, job.first, Trainer(job, planner), ended)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except TrichordError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(FAILURES) from None
