"""Carries out a study of graphs whose process is killed (-9) in the search and in the final comparison.

A program of its own: everything is imported once, and the processes that are killed are forked from it before any work
is done in it.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from graph_search_cases import tiny_dataset, tiny_study

from trichord.cotraining.directory import GraphDirectory
from trichord.runs import RunOptions
from trichord.studies.graphs import run_graph_study

PATIENCE = 120


def carry_out(folder: Path) -> None:
    """Carry out the study, with a checkpoint after every step."""
    options = RunOptions(progress=False, checkpoint_steps=1)
    run_graph_study(tiny_study(), tiny_dataset(folder), folder / "study", workers=1, options=options)


def killed(folder: Path, when: Callable[[], bool]) -> None:
    """Carry out the study in another process, and kill that at a certain point."""
    child = os.fork()
    if child == 0:
        try:
            carry_out(folder)
        finally:
            os._exit(0)
    until = time.monotonic() + PATIENCE
    while not when():
        assert time.monotonic() < until, "it never came to the point"
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "it ended before it came to the point"
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main(folder: Path) -> None:
    """Kill it twice, then let it end."""
    study = folder / "study"
    killed(folder, (study / "trials" / "0001" / "checkpoint.safetensors").exists)
    assert GraphDirectory(study / "trials" / "0000").finished
    killed(folder, lambda: any(study.glob("final/for-trial-*/mutual-learning/seed-2/checkpoint.safetensors")))
    carry_out(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
