"""When a training writes a line, saves and stops."""

from __future__ import annotations

from pathlib import Path

import pytest

from trichord.runs import RunDirectory, RunOptions
from trichord.runs.progress import Interruption, Progress


def progress(
    folder: Path, *, log_every: int = 1, steps: int | None = None, seconds: float = 1e9, done: int = 0
) -> Progress:
    options = RunOptions(progress=False, log_every=log_every, checkpoint_steps=steps, checkpoint_seconds=seconds)
    return Progress(RunDirectory(folder), options, Interruption(), name="run", total=20, done=done)


@pytest.mark.parametrize("done", [0, 1, 3, 7])
def test_the_same_steps_are_logged_wherever_it_goes_on(tmp_path: Path, done: int) -> None:
    whole, rest = progress(tmp_path, log_every=3), progress(tmp_path, log_every=3, done=done)
    logged = [whole.step() for _ in range(10)]
    assert logged == [True, False, False] * 3 + [True]
    assert [rest.step() for _ in range(10 - done)] == logged[done:]


def test_checkpoints_are_written_every_so_many_steps_or_seconds(tmp_path: Path) -> None:
    def saved(found: Progress) -> list[int]:
        places: list[int] = []

        def save() -> None:
            places.append(found.steps)
            found.saved()

        for _ in range(8):
            found.step()
            found.boundary(save)
        return places

    assert saved(progress(tmp_path, steps=3)) == [3, 6]
    assert saved(progress(tmp_path, seconds=0.0)) == list(range(1, 9))
    assert saved(progress(tmp_path)) == []


def test_a_user_who_stops_it_gets_a_checkpoint_first(tmp_path: Path) -> None:
    found, order = progress(tmp_path), []
    found.boundary(lambda: order.append("too early"))
    found.interruption.requested = True
    with pytest.raises(KeyboardInterrupt):
        found.boundary(lambda: order.append("saved"))
    assert order == ["saved"]


def test_values_are_drawn_at_the_step_they_belong_to(tmp_path: Path) -> None:
    drawn: list[tuple[str, float, int]] = []

    class Board:
        def add_scalar(self, name: str, value: float, step: int) -> None:
            drawn.append((name, value, step))

        def close(self) -> None:
            drawn.append(("closed", 0.0, 0))

    found = progress(tmp_path, done=4)
    found.draw("train", {"loss": 1.0})
    found.board = Board()
    found.step()
    found.draw("train", {"loss": 2.0, "norm": 3.0})
    found.close()
    assert drawn == [("train/loss", 2.0, 5), ("train/norm", 3.0, 5), ("closed", 0.0, 0)]
