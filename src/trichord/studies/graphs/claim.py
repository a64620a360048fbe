"""Which trial a worker takes up next: every graph of a search is trained exactly once, whoever is killed and when.

A trial counts when it ended: trained to its end, or stopped because it was behind. One that failed by an error is
recorded, and the search goes on with another graph. One whose worker died is marked as failed and begun once more, with
the same parameters and in the same folder, so that training goes on from its checkpoint.

Whether a worker lives is asked of the kernel: it holds a lock on a file beside its trial's folder, which is gone when
its process is. Of a worker that works in another folder, on another machine with the same storage, only what it stored
can be known: it says twice a minute that it lives, and is taken for dead after three minutes of silence. That compares
the clocks of two machines: where they differ by more than that, one may take a living worker for dead. No number comes
to harm then; the graph is trained twice, and what the slower of the two has to say is not taken any more.
"""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from trichord.errors import RunError
from trichord.files import write_text
from trichord.studies.graphs.journal import held, is_held
from trichord.studies.graphs.trial import RunningTrial, SharedSearch, TrialRecord

BEAT_SECONDS = 30.0
SILENCE = 180.0
MOST_DEATHS = 5
MOST_FAILURES = 5


@dataclass(frozen=True)
class TrialsFolder:
    """Where the trials of a search are trained.

    Args:
        path: the folder; trials are NNNN in it, by place.
    """

    path: Path

    def trial(self, place: int) -> Path:
        """Folder of the graph of a place."""
        return self.path / f"{place:04d}"

    def lock(self, place: int) -> Path:
        """The file whose lock its worker holds."""
        return self.path / f".{place:04d}.lock"

    @property
    def claims(self) -> Path:
        """The file whose lock is held while a worker looks for its next trial."""
        return self.path / ".claims.lock"

    def identity(self) -> str:
        """Return what tells this folder from those of other machines, drawn once."""
        file = self.path / ".home"
        self.path.mkdir(parents=True, exist_ok=True)
        with held(self.claims):
            if not file.exists():
                write_text(file, uuid.uuid4().hex)
        return file.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Claim:
    """A trial that a worker took up.

    Args:
        trial: the trial.
        holding: to be closed when the worker is done with it; says that the worker lives.
    """

    trial: RunningTrial
    holding: ExitStack


def claim_trial(search: SharedSearch, folder: TrialsFolder, wanted: int, first: int) -> Claim | None:
    """Take up the next trial.

    Args:
        search: the trials.
        folder: where they are trained.
        wanted: number of trials that shall end.
        first: number of the first trial of this start of the study; failures before it are no reason to stop.

    Returns:
        The trial; None where there is nothing to do at present, because all that is missing is being worked on.

    Raises:
        RunError: many trials failed in a row.
    """
    home = folder.identity()
    with held(folder.claims):
        records = search.records()
        check_failures(records, first)
        _bury(search, records, folder, home, first)
        places = _by_place(search.records())
        open_places = [place for place, of_place in places.items() if not _settled(of_place)]
        if sum(_counts(of_place) for of_place in places.values()) >= wanted:
            return None
        begun = _begin(search, places, open_places)
        if begun is None:
            return None
        holding = ExitStack()
        holding.enter_context(held(folder.lock(begun.place)))
        if _taken_before(search.records(), begun):
            begun.withdraw()
            holding.close()
            return None
    return Claim(begun, holding)


def num_ended(records: Sequence[TrialRecord]) -> int:
    """Return how many graphs of a search ended, each counted once."""
    return len({record.place for record in records if record.ended})


def check_failures(records: Sequence[TrialRecord], first: int) -> None:
    """Raise `RunError` when the last trials all failed by an error."""
    recent = [r for r in records if r.number >= first and (r.ended or r.broken)]
    last = recent[-MOST_FAILURES:]
    if len(last) == MOST_FAILURES and all(record.broken for record in last):
        raise RunError(
            f"{MOST_FAILURES} trials in a row failed, the last one with: {last[-1].message}. Mend this and start the "
            "search again; what was finished is kept"
        )


def _by_place(records: Sequence[TrialRecord]) -> dict[int, list[TrialRecord]]:
    places = defaultdict(list)
    for record in records:
        if record.place >= 0 and not record.withdrawn:
            places[record.place].append(record)
    return dict(places)


def _bury(search: SharedSearch, records: Sequence[TrialRecord], folder: TrialsFolder, home: str, first: int) -> None:
    """Mark the trials as failed whose workers died; a graph that kills its worker again and again fails for good."""
    for record in records:
        if record.state != "running":
            continue
        dead = not is_held(folder.lock(record.place)) if record.home == home else time.time() - record.beat > SILENCE
        if dead:
            before = [r for r in records if r.place == record.place and r.state == "failed" and r.number >= first]
            often = f"its worker died {MOST_DEATHS} times" if len(before) + 1 >= MOST_DEATHS else ""
            search.give_up(record.number, often)


def _counts(of_place: Sequence[TrialRecord]) -> bool:
    """Whether a place ended or is being worked on."""
    return any(record.ended or record.state == "running" for record in of_place)


def _settled(of_place: Sequence[TrialRecord]) -> bool:
    """Whether there is nothing to begin in a place."""
    return _counts(of_place) or any(record.broken for record in of_place)


def _begin(
    search: SharedSearch, places: dict[int, list[TrialRecord]], open_places: Sequence[int]
) -> RunningTrial | None:
    if any(record.state == "waiting" for of_place in places.values() for record in of_place):
        return search.begin_waiting()
    if open_places:
        place = min(open_places)
        return search.begin(place, places[place][-1])
    return search.begin(next(place for place in range(len(places) + 1) if place not in places))


def _taken_before(records: Sequence[TrialRecord], begun: RunningTrial) -> bool:
    """Whether a worker on another machine began the same place first."""
    others = [r for r in records if r.place == begun.place and r.number < begun.number and not r.withdrawn]
    return any(record.ended or record.state in ("running", "waiting") for record in others)
