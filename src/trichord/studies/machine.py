"""The general study: many resumable runs, several at a time, one outcome each.

A run that is finished is skipped, one that was interrupted goes on, one whose worker process died is begun again, and
one that fails does not stop the others.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import torch
from tqdm import tqdm

from trichord.data import Dataset
from trichord.errors import ConfigError, RunError, TrichordError
from trichord.runs import ExperimentConfig, RunDirectory, RunOptions, identify, load, run_experiment
from trichord.studies.crew import Crew, Death

LARGE_MODEL = 20_000_000
MOST_DEATHS = 3
"""Times that a run is begun again whose worker process died, before it counts as failed."""


@runtime_checkable
class Planned(Protocol):
    """Whatever a study carries out in a folder of its own, and takes up again where it was interrupted."""

    @property
    def folder(self) -> Path:
        """Its folder."""

    @property
    def data(self) -> Dataset | None:
        """Data of its own; None takes those of the study."""

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""

    def without_data(self) -> Planned:
        """Return it without its open data set, to be sent to another process."""

    def check(self, dataset: Dataset) -> None:
        """Raise `RunError` when the folder holds something else, or was begun on other data."""

    def carry_out(self, dataset: Dataset, options: RunOptions) -> None:
        """Begin it, or go on with it, to its end."""


@dataclass(frozen=True)
class PlannedRun:
    """A run of a study.

    Args:
        folder: its run folder.
        config: the experiment.
        recipe: the experiment before fields were overridden, to record the changes.
        initial: run folder of the model it starts from; None starts from random weights.
        data: data of its own, for instance a fold; None takes those of the study.
    """

    folder: Path
    config: ExperimentConfig
    recipe: ExperimentConfig
    initial: Path | None = None
    data: Dataset | None = None

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return RunDirectory(self.folder).finished

    def without_data(self) -> PlannedRun:
        """Return it without its open data set, to be sent to another process."""
        return replace(self, data=None)

    def check(self, dataset: Dataset) -> None:
        """Raise `RunError` when the folder holds another experiment, or a run on other data."""
        directory = RunDirectory(self.folder)
        if directory.exists:
            directory.check_same(self.config, identify(dataset))

    def carry_out(self, dataset: Dataset, options: RunOptions) -> None:
        """Train and measure, see `run_experiment`."""
        initial = None if self.initial is None else load(self.initial)
        run_experiment(self.config, dataset, self.folder, recipe=self.recipe, options=options, initial=initial)


@dataclass(frozen=True)
class Outcome:
    """How a planned run ended: its folder, and what went wrong if anything did."""

    folder: Path
    state: Literal["finished", "failed", "interrupted"]
    message: str = ""


def default_workers(planned: Sequence[PlannedRun]) -> int:
    """Runs to work on at once: one on a GPU or for large models, otherwise one for each core."""
    if torch.cuda.is_available() or not planned:
        return 1
    with torch.device("meta"):
        model: torch.nn.Module = planned[0].config.model.build()
    if sum(parameter.numel() for parameter in model.parameters()) > LARGE_MODEL:
        return 1
    return max(1, min(len(planned), usable_cores()))


def usable_cores() -> int:
    """Cores this process may use: those of its affinity mask where the system has one, or else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_planned(
    planned: Sequence[PlannedRun],
    dataset: Dataset,
    *,
    workers: int | None = None,
    options: RunOptions | None = None,
    description: str = "runs",
) -> tuple[RunDirectory, ...]:
    """Carry out all planned runs and return their folders in the order planned.

    Args:
        planned: the runs.
        dataset: their data; worker processes open it again by its path.
        workers: runs at once, each in a process of its own with an equal share of the cores; 1 runs them here.
        options: choices that do not change the numbers.
        description: label of the progress bar.

    Raises:
        RunError: a folder holds another experiment or a run on other data, before anything is trained; or some runs
            failed, and the message lists each with its reason: the others are finished.
        KeyboardInterrupt: the user stopped the study; running runs wrote a checkpoint first.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers counts runs at once and is at least 1, got {workers}")
    carry_out_all(
        planned,
        dataset,
        # By the plan, not by what is left of it: a worker's share of the cores, and so its bits, must not depend on it.
        workers=workers or default_workers(planned),
        options=options or RunOptions(),
        description=description,
    )
    return tuple(RunDirectory(plan.folder) for plan in planned)


def carry_out_all(
    planned: Sequence[Planned], dataset: Dataset, *, workers: int, options: RunOptions, description: str
) -> None:
    """Carry out everything that is planned; see `run_planned`."""
    for plan in planned:
        plan.check(plan.data or dataset)
    waiting = [plan for plan in planned if not plan.finished]
    bar = tqdm(
        total=len(planned),
        initial=len(planned) - len(waiting),
        desc=description,
        unit="run",
        disable=None if options.progress else True,
    )
    outcomes: list[Outcome] = []
    try:
        if workers == 1:
            for plan in waiting:
                outcomes.append(carry_out(plan, plan.data or dataset, options))
                bar.update()
                if outcomes[-1].state == "interrupted":
                    break
        elif waiting:
            outcomes = _in_processes(waiting, dataset.path, options, workers, bar)
    finally:
        bar.close()
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if any(outcome.state == "interrupted" for outcome in outcomes):
        raise KeyboardInterrupt
    if failed:
        listed = "\n".join(f"  {outcome.folder}: {outcome.message}" for outcome in failed)
        raise RunError(f"{len(failed)} of {len(planned)} runs failed; the others are finished:\n{listed}")


def carry_out(plan: Planned, dataset: Dataset, options: RunOptions) -> Outcome:
    """Carry out one run and say how it ended."""
    try:
        plan.carry_out(dataset, options)
    except KeyboardInterrupt:
        return Outcome(plan.folder, "interrupted")
    except TrichordError as error:
        return Outcome(plan.folder, "failed", str(error))
    except Exception:
        return Outcome(plan.folder, "failed", traceback.format_exc())
    return Outcome(plan.folder, "finished")


def _in_processes(
    waiting: Sequence[Planned], dataset: Path, options: RunOptions, workers: int, bar: tqdm
) -> list[Outcome]:
    quiet = replace(options, progress=False)
    # An open data set does not travel; each worker opens the folder again.
    jobs = [_Job(plan.without_data(), str(dataset if plan.data is None else plan.data.path), quiet) for plan in waiting]
    outcomes = []
    threads = max(1, usable_cores() // workers)
    with Crew(_work, workers=min(workers, len(jobs)), threads=threads, most_deaths=MOST_DEATHS) as crew:
        for place, result in crew.carry_out(jobs):
            failed = Outcome(waiting[place].folder, "failed", str(result))
            outcomes.append(failed if isinstance(result, Death) else result)
            bar.update()
            if outcomes[-1].state == "interrupted":
                raise KeyboardInterrupt
    return outcomes


@dataclass(frozen=True)
class _Job:
    """What a worker is sent."""

    plan: Planned
    dataset: str
    options: RunOptions


def _work(job: _Job) -> Outcome:
    try:
        dataset = Dataset.open(job.dataset)
    except TrichordError as error:
        return Outcome(job.plan.folder, "failed", str(error))
    return carry_out(job.plan, dataset, job.options)
