"""A trial of a search as the storage holds it, and a trial in progress as its worker sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

State = Literal["waiting", "running", "finished", "pruned", "failed"]
ENDED: tuple[State, ...] = ("finished", "pruned")


class LostTrialError(Exception):
    """Another worker ended this trial, as its own was taken for dead: nothing more can be stored about it.

    No error of the user, and none of the trial: its graph is, or was, in other hands.
    """


@dataclass(frozen=True)
class TrialRecord:
    """What a storage holds of a trial.

    Args:
        number: from 0, in the order in which trials began, retries and failures among them.
        place: which graph of the search it is, from 0; a retry has the place of what it retries.
        state: "failed" is also the state of one whose worker died.
        drawn: parameter -> value.
        value: validation value at its end; None before.
        curve: (epochs done, validation value), in order.
        retry_of: number of the first trial of its place, where it is a retry.
        seconds: from its beginning to its end; 0 before.
        message: what went wrong; "" where nothing did, and where its worker died.
        home: which folder it is worked on in.
        beat: seconds since the epoch when its worker last said that it lives; 0 where it never did.
        graph: plain data of the graph that was trained; nothing before it was known.
        withdrawn: its worker gave it back, as another one had begun the same place.
    """

    number: int
    place: int
    state: State
    drawn: Mapping[str, Any]
    value: float | None
    curve: tuple[tuple[int, float], ...]
    retry_of: int | None
    seconds: float
    message: str
    home: str
    beat: float
    graph: Mapping[str, Any]
    withdrawn: bool

    @property
    def ended(self) -> bool:
        """Whether it counts: trained to its end, or stopped because it was behind."""
        return self.state in ENDED

    @property
    def broken(self) -> bool:
        """Whether it failed by an error, so that its graph is not tried again."""
        return self.state == "failed" and bool(self.message)


@runtime_checkable
class RunningTrial(Protocol):
    """A trial in the hands of its worker."""

    @property
    def number(self) -> int:
        """Its number in the storage."""

    @property
    def place(self) -> int:
        """Which graph of the search it is."""

    @property
    def drawn(self) -> Mapping[str, Any]:
        """Parameter -> value."""

    def note(self, name: str, value: Any) -> None:
        """Store an attribute: plain data."""

    def report(self, epoch: int, value: float) -> bool:
        """Store the value of the next validation; return whether training shall go on."""

    def finish(self, value: float) -> None:
        """Store that it was trained to its end."""

    def prune(self) -> None:
        """Store that it was stopped because it was behind."""

    def fail(self, message: str) -> None:
        """Store that it broke off."""

    def withdraw(self) -> None:
        """Give it back: another worker had begun the same graph."""


@runtime_checkable
class SharedSearch(Protocol):
    """The trials of a search, shared by its workers."""

    def records(self) -> list[TrialRecord]:
        """Read all trials, by number."""

    def begin(self, place: int, retried: TrialRecord | None = None) -> RunningTrial | None:
        """Begin a trial: of the graph of a place, or once more that of a trial whose worker died.

        None where a worker on another machine took it out of the queue.
        """

    def begin_waiting(self) -> RunningTrial | None:
        """Begin a trial that was put in the queue and not begun."""

    def give_up(self, number: int, message: str = "") -> None:
        """Mark a trial as failed whose worker died; with a message its graph is not tried again."""

    def beat(self, number: int) -> None:
        """Store that the worker of a trial lives."""

    def importance(self) -> dict[str, float]:
        """Return parameter -> its importance in [0, 1]; nothing where there are too few finished trials."""
