"""Worker processes of a study: jobs are shared out among them, and one that dies is replaced.

Workers are tied to the process of the study by pipes alone. Nothing of theirs outlives them: no semaphores, no files.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import TracebackType
from typing import Any, Generic, TypeVar

import torch
from tqdm import tqdm

INTERRUPTED = 130
"""Exit code of a worker that the user stopped outside a job."""
J = TypeVar("J")
R = TypeVar("R")
_stopping = threading.Event()


@dataclass(frozen=True)
class Leash:
    """What ties a worker to its study: the reading ends of two pipes that nothing is ever written to.

    Args:
        life: comes to its end when the process of the study does, however it does.
        stop: comes to its end when the study asks its workers to stop.
    """

    life: Connection
    stop: Connection


@dataclass(frozen=True)
class Death:
    """What became of a job whose workers died again and again.

    Args:
        exit_code: of the last of them; negative: the signal that killed it.
        times: how many died.
    """

    exit_code: int | None
    times: int

    def __str__(self) -> str:
        return f"its worker process died {self.times} times, at last with {how_it_ended(self.exit_code)}"


def how_it_ended(exit_code: int | None) -> str:
    """Say in words how a process ended."""
    if exit_code == -signal.SIGKILL:
        return "signal 9, as where there is not enough memory"
    return f"signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"exit code {exit_code}"


@dataclass
class _Worker:
    process: ForkServerProcess
    line: Connection
    """Jobs go there, results come back; it ends when the worker does."""
    job: int | None = None


class Crew(Generic[J, R]):
    """Workers that carry out jobs, while the block runs that it opens.

    Where the block is left by an error or by Ctrl-C, each worker is interrupted once, as if Ctrl-C had been pressed for
    it: what it trains writes a checkpoint. All have ended when the block is left.

    Args:
        function: carries out a job, in a worker; an importable function.
        workers: jobs at once.
        threads: share of the cores that each has.
        most_deaths: of workers with the same job, before it is given up.
    """

    def __init__(self, function: Callable[[J], R], *, workers: int, threads: int, most_deaths: int) -> None:
        self.function, self.workers, self.threads, self.most_deaths = function, workers, threads, most_deaths
        self.context = worker_context()
        self.team: list[_Worker] = []
        life, self._life = self.context.Pipe(duplex=False)
        stop, self._stop = self.context.Pipe(duplex=False)
        self.leash = Leash(life, stop)

    def __enter__(self) -> Crew[J, R]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is KeyboardInterrupt:
            print("\nstopping: what is in progress writes a checkpoint first", file=sys.stderr)
        if kind is not None:
            self._stop.close()
        try:
            for worker in self.team:
                worker.line.close()
            for worker in self.team:
                worker.process.join()
        except KeyboardInterrupt:  # once more: at once
            for worker in self.team:
                worker.process.kill()
            raise
        finally:
            for end in (self._stop, self._life, self.leash.life, self.leash.stop):
                end.close()

    def carry_out(
        self, jobs: Sequence[J], *, meanwhile: Callable[[], object] | None = None, seconds: float | None = None
    ) -> Iterator[tuple[int, R | Death]]:
        """Carry out all jobs, and yield (place of the job, its result) as they end.

        Args:
            jobs: plain data.
            meanwhile: called now and then in this process.
            seconds: between two such calls, at most.

        Raises:
            KeyboardInterrupt: the user stopped the study, or one of its workers.
        """
        waiting, deaths = deque(range(len(jobs))), Counter[int]()
        while True:
            self._give(jobs, waiting)
            busy = [worker for worker in self.team if worker.job is not None]
            if not busy:
                return
            ready = wait([worker.line for worker in busy], timeout=seconds)
            if meanwhile is not None:
                meanwhile()
            for worker in [worker for worker in busy if worker.line in ready]:
                place, worker.job = worker.job, None
                assert place is not None
                try:
                    result = worker.line.recv()
                except (EOFError, OSError):
                    deaths[place] += 1
                    code = self._bury(worker)
                    if code == INTERRUPTED:
                        raise KeyboardInterrupt from None
                    if deaths[place] < self.most_deaths:
                        waiting.appendleft(place)
                    else:
                        yield place, Death(code, deaths[place])
                else:
                    yield place, result

    def _give(self, jobs: Sequence[J], waiting: deque[int]) -> None:
        """Give every idle worker a job; start workers where there are too few."""
        idle = [worker for worker in self.team if worker.job is None]
        while waiting and (idle or len(self.team) < self.workers):
            worker = idle.pop() if idle else self._start()
            worker.job = waiting.popleft()
            with suppress(OSError):  # it died idle: its line has ended, and the job is given again
                worker.line.send(jobs[worker.job])

    def _start(self) -> _Worker:
        here, there = self.context.Pipe()
        process = self.context.Process(target=_serve, args=(self.function, self.threads, self.leash, there))
        process.start()
        there.close()
        worker: _Worker = _Worker(process, here)
        self.team.append(worker)
        return worker

    def _bury(self, worker: _Worker) -> int | None:
        self.team.remove(worker)
        worker.line.close()
        worker.process.join()
        return worker.process.exitcode


def worker_context() -> ForkServerContext:
    """Return the context that worker processes are started in.

    A server process imports everything once and computes nothing; workers are forked from it in a moment. Started from
    nothing, each would spend seconds on imports, and a study has workers in every one of its phases.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "trichord.studies.machine"])
    return context


def check_stop() -> None:
    """Raise `KeyboardInterrupt` in a worker whose study asked it to stop, should the interruption itself have got lost.

    Python drops an exception that reaches it in the middle of a destructor.
    """
    if _stopping.is_set():
        raise KeyboardInterrupt


def _serve(function: Callable[[Any], Any], threads: int, leash: Leash, line: Connection) -> None:
    """Carry out jobs until the study closes the line."""
    try:
        _prepare(threads, leash)
        while True:
            check_stop()
            line.send(function(line.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def _prepare(threads: int, leash: Leash) -> None:
    """Take a share of the cores; be interrupted when the study says so, and end when it is killed.

    A group of its own keeps Ctrl-C in a terminal from the worker: it would reach it twice, from there and from the
    study, and a second Ctrl-C means to stop at once, without a checkpoint.
    """
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
    torch.set_num_threads(threads)
    tqdm.set_lock(threading.RLock())  # its own are semaphores, which a killed study would leave behind

    def watch() -> None:
        wait([leash.life, leash.stop])
        if not leash.life.poll():
            _stopping.set()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            leash.life.poll(None)
        os._exit(1)  # What was in progress is taken up again when the study is started anew.

    threading.Thread(target=watch, daemon=True).start()
