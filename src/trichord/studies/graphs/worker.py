"""A worker of a search: takes up one trial after another until enough have ended."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trichord.cotraining.directory import GraphDirectory
from trichord.errors import TrichordError
from trichord.studies.graphs.claim import BEAT_SECONDS, TrialsFolder, claim_trial, num_ended
from trichord.studies.graphs.storage import StorageError
from trichord.studies.graphs.trial import LostTrialError, RunningTrial, SharedSearch

PATIENCE = 0.2
Watch = Callable[[int, float], bool]
Train = Callable[[RunningTrial, Path, Watch], GraphDirectory]
"""(trial, its folder, what to tell validations to) -> the folder of the trained graph."""


def work(
    search: SharedSearch, folder: TrialsFolder, wanted: int, first: int, train: Train, ended: Callable[[], object]
) -> None:
    """Take up trials until as many as wanted have ended.

    Args:
        search: the trials.
        folder: where they are trained.
        wanted: number of trials that shall end.
        first: see `claim_trial`.
        train: trains the graph of a trial.
        ended: called after every trial.

    Raises:
        RunError: many trials failed in a row, or the storage does not answer.
        KeyboardInterrupt: the user stopped it; the graph in progress wrote a checkpoint.
    """
    while num_ended(search.records()) < wanted:
        claim = claim_trial(search, folder, wanted, first)
        if claim is None:
            time.sleep(PATIENCE)  # what is missing is being worked on, and may yet fail
            continue
        with claim.holding, _beating(search, claim.trial.number):
            carry_out(claim.trial, folder.trial(claim.trial.place), train)
        ended()


def carry_out(trial: RunningTrial, folder: Path, train: Train) -> None:
    """Train the graph of a trial and store how it ended.

    One that was interrupted, or whose storage was lost, stays as it is, and is taken up again. One that another worker
    ended meanwhile is left to it.
    """
    with suppress(LostTrialError):
        try:
            directory = train(trial, folder, trial.report)
        except (StorageError, LostTrialError):
            raise
        except TrichordError as error:
            trial.fail(str(error))
        except Exception:
            trial.fail(traceback.format_exc())
        else:
            if directory.stopped:
                trial.prune()
            else:
                _, value = directory.curve()[-1]
                trial.finish(value)


@contextmanager
def _beating(search: SharedSearch, number: int) -> Iterator[None]:
    """Store now and then that this worker lives."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(BEAT_SECONDS):
            # Where this fails it is tried again; whatever the worker itself has to store will say what is wrong.
            with suppress(StorageError, LostTrialError):
                search.beat(number)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
