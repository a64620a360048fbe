"""Every graph of a search is trained once, whoever is killed and when; on a real storage, with training left out."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from graph_search_cases import small_space

from trichord.errors import RunError, TrichordError
from trichord.studies.graphs import claim as claims
from trichord.studies.graphs import worker as workers
from trichord.studies.graphs.claim import TrialsFolder, claim_trial, num_ended
from trichord.studies.graphs.optuna_door import OptunaSearch
from trichord.studies.graphs.space import draw
from trichord.studies.graphs.storage import StorageError
from trichord.studies.graphs.trial import LostTrialError, RunningTrial
from trichord.studies.graphs.worker import Watch, carry_out, work

SPACE = small_space()


def open_search(out: Path, sampler: str = "random", pruner: str = "none", home: str = "") -> OptunaSearch:
    folder = TrialsFolder(out / "trials")
    home = home or folder.identity()
    return OptunaSearch(out / "study.journal", "graphs", SPACE, 0, sampler, pruner, home)  # type: ignore[arg-type]


def value_of(drawn: Any) -> float:
    """A number that stands for what a graph would score."""
    return sum(len(str(value)) * (place + 1) for place, value in enumerate(drawn.values())) / 1000


class Graph:
    """What is looked at of a trained graph."""

    def __init__(self, value: float, stopped: bool) -> None:
        self.value, self.stopped = value, stopped

    def curve(self) -> list[tuple[int, float]]:
        return [(4, self.value)]


def train(trial: RunningTrial, folder: Path, watch: Watch) -> Any:
    """Take four epochs, and go on where an earlier worker was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    done, value = folder / "epochs.json", value_of(trial.drawn)
    epochs = json.loads(done.read_text()) if done.exists() else []
    going = [watch(epoch, value) for epoch in epochs]
    while all(going) and len(epochs) < 4:
        epochs.append(len(epochs) + 1)
        done.write_text(json.dumps(epochs))
        going.append(watch(epochs[-1], value) or len(epochs) == 4)
    return Graph(value, stopped=not all(going))


def nothing() -> None:
    """Do nothing."""


def carry_on(search: OptunaSearch, folder: TrialsFolder, wanted: int, how: Callable[..., Any] = train) -> None:
    work(search, folder, wanted, len(search.records()), how, nothing)


def in_process(function: Callable[[], object]) -> int:
    """Call a function in a process of its own; return its id."""
    child = os.fork()
    if child == 0:
        try:
            function()
        finally:
            os._exit(0)
    return child


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trichord.studies.graphs.worker.PATIENCE", 0.02)


def test_a_search_ends_with_as_many_trials_as_were_asked_for_and_can_be_made_longer(tmp_path: Path) -> None:
    search, folder = open_search(tmp_path), TrialsFolder(tmp_path / "trials")
    carry_on(search, folder, 4)
    records = search.records()
    assert [record.place for record in records] == [0, 1, 2, 3]
    assert [dict(record.drawn) for record in records] == [draw(SPACE, 0, place) for place in range(4)]
    assert [record.value for record in records] == [value_of(record.drawn) for record in records]
    assert all(record.curve == tuple((epoch, record.value) for epoch in (1, 2, 3, 4)) for record in records)
    carry_on(search, folder, 4)
    assert len(search.records()) == 4
    carry_on(open_search(tmp_path), folder, 6)
    assert num_ended(search.records()) == 6


def test_killed_workers_are_replaced_and_nothing_finished_is_lost_or_repeated(tmp_path: Path) -> None:
    folder = TrialsFolder(tmp_path / "trials")

    def slowly(trial: RunningTrial, where: Path, watch: Watch) -> Any:
        def slow(epoch: int, value: float) -> bool:
            time.sleep(0.02)
            return watch(epoch, value)

        return train(trial, where, slow)

    def labour() -> None:
        carry_on(open_search(tmp_path), folder, 8, slowly)

    search = open_search(tmp_path)
    for ended in (2, 4):
        children = [in_process(labour) for _ in range(2)]
        wait_for(lambda ended=ended: num_ended(search.records()) >= ended)  # type: ignore[misc]
        wait_for(lambda: any(record.state == "running" for record in search.records()))
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    finished = [record for record in search.records() if record.ended]
    labour()
    records = search.records()
    kept = {record.number: record for record in records}
    assert all(kept[record.number] == record for record in finished)
    assert sorted(record.place for record in records if record.ended) == list(range(8))
    retried = [record for record in records if record.retry_of is not None]
    assert retried
    for record in retried:
        first = kept[record.retry_of or 0]
        assert (first.place, first.state, first.message) == (record.place, "failed", "")
        assert first.retry_of is None
    for record in records:
        if record.ended:
            assert dict(record.drawn) == draw(SPACE, 0, record.place)
            assert [epoch for epoch, _ in record.curve] == [1, 2, 3, 4]


def test_a_worker_that_lives_keeps_its_trial(tmp_path: Path) -> None:
    search, folder = open_search(tmp_path), TrialsFolder(tmp_path / "trials")
    mine = claim_trial(search, folder, 2, 0)
    other = claim_trial(open_search(tmp_path), folder, 2, 0)
    assert mine is not None
    assert other is not None
    assert (mine.trial.place, other.trial.place) == (0, 1)
    assert claim_trial(search, folder, 2, 0) is None, "two are wanted, and two are being worked on"
    mine.holding.close()  # as if its process had ended
    again = claim_trial(search, folder, 2, 0)
    assert again is not None
    assert (again.trial.place, again.trial.drawn) == (0, mine.trial.drawn)
    other.holding.close()
    again.holding.close()


def test_a_worker_of_another_folder_is_judged_by_what_it_said_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = TrialsFolder(tmp_path / "trials")
    there = open_search(tmp_path, home="on another machine")
    begun = there.begin(0)
    assert begun is not None
    search = open_search(tmp_path)
    assert claim_trial(search, here, 1, 0) is None
    monkeypatch.setattr(claims, "SILENCE", -1.0)
    taken = claim_trial(search, here, 1, 0)
    assert taken is not None
    assert taken.trial.place == 0
    taken.holding.close()


def test_a_worker_that_died_between_queue_and_beginning_leaves_a_trial_to_begin(tmp_path: Path) -> None:
    search, folder = open_search(tmp_path), TrialsFolder(tmp_path / "trials")
    began = OptunaSearch.begin_waiting
    try:
        OptunaSearch.begin_waiting = lambda self: None  # type: ignore[method-assign,assignment,misc]
        assert claim_trial(search, folder, 2, 0) is None
    finally:
        OptunaSearch.begin_waiting = began  # type: ignore[method-assign]
    carry_on(search, folder, 2)
    assert [(record.place, record.state) for record in search.records()] == [(0, "finished"), (1, "finished")]


def test_two_machines_that_began_the_same_graph_do_not_both_train_it(tmp_path: Path) -> None:
    folder = TrialsFolder(tmp_path / "trials")
    there = open_search(tmp_path, home="on another machine")
    search = open_search(tmp_path)
    records = search.records

    class Late:
        """Sees the other machine's trial only after it began its own."""

        def __init__(self) -> None:
            self.looks = 0

        def __call__(self) -> Any:
            self.looks += 1
            if self.looks == 2:
                there.begin(0)
                return []
            return records()

    search.records = Late()  # type: ignore[method-assign]
    assert claim_trial(search, folder, 2, 0) is None
    assert [(record.place, record.state, record.withdrawn) for record in records()] == [
        (0, "running", False),
        (0, "failed", True),
    ]


def test_a_trial_that_fails_is_recorded_and_another_graph_takes_its_turn(tmp_path: Path) -> None:
    search, folder = open_search(tmp_path), TrialsFolder(tmp_path / "trials")

    def sometimes(trial: RunningTrial, where: Path, watch: Watch) -> Any:
        if trial.place == 1:
            raise TrichordError("the loss is not finite")
        if trial.place == 2:
            raise ZeroDivisionError
        return train(trial, where, watch)

    carry_on(search, folder, 3, sometimes)
    states = {record.place: (record.state, record.message.splitlines()[-1:]) for record in search.records()}
    assert states == {
        0: ("finished", []),
        1: ("failed", ["the loss is not finite"]),
        2: ("failed", ["ZeroDivisionError"]),
        3: ("finished", []),
        4: ("finished", []),
    }


def test_a_search_in_which_everything_fails_stops_and_can_be_taken_up_when_that_is_mended(tmp_path: Path) -> None:
    search, folder = open_search(tmp_path), TrialsFolder(tmp_path / "trials")

    def broken(trial: RunningTrial, where: Path, watch: Watch) -> Any:
        raise TrichordError("no disk space")

    with pytest.raises(RunError, match="5 trials in a row failed, the last one with: no disk space"):
        carry_on(search, folder, 3, broken)
    carry_on(search, folder, 2)
    assert num_ended(search.records()) == 2


def test_a_graph_that_kills_its_worker_again_and_again_fails_for_good(tmp_path: Path) -> None:
    search, folder = open_search(tmp_path), TrialsFolder(tmp_path / "trials")
    for _ in range(claims.MOST_DEATHS):
        claim = claim_trial(search, folder, 1, 0)
        assert claim is not None
        assert claim.trial.place == 0
        claim.holding.close()
    work(search, folder, 1, 0, train, nothing)
    records = search.records()
    assert [record.place for record in records] == [0] * claims.MOST_DEATHS + [1]
    assert records[-2].message == "its worker died 5 times"


def test_an_interrupted_trial_is_taken_up_again(tmp_path: Path) -> None:
    search, folder = open_search(tmp_path), TrialsFolder(tmp_path / "trials")

    def stopped(trial: RunningTrial, where: Path, watch: Watch) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_on(search, folder, 1, stopped)
    carry_on(search, folder, 1)
    assert [(r.place, r.state, r.retry_of) for r in search.records()] == [(0, "failed", None), (0, "finished", 0)]


def test_a_retry_stands_with_the_pruner_where_its_predecessor_stood(tmp_path: Path) -> None:
    search, folder = open_search(tmp_path, pruner="halving"), TrialsFolder(tmp_path / "trials")
    first = search.begin(0)
    assert first is not None
    assert first.report(1, 0.5)
    other = search.begin(1)
    assert other is not None
    assert not other.report(1, 0.1), "the worse one is stopped after the first validation"
    other.prune()
    better = search.begin(2)
    assert better is not None
    assert better.report(1, 0.9)
    search.give_up(0)
    again = search.begin(0, search.records()[0])
    assert again is not None
    assert again.report(1, 0.5), "it would not be among the better half now, but that was decided before"
    carry_out(again, tmp_path, lambda *_: SimpleNamespace(stopped=True))  # type: ignore[arg-type,return-value]
    assert [record.state for record in search.records()] == ["failed", "pruned", "running", "pruned"]
    assert search.records()[1].curve == ((1, 0.1),)
    assert folder.identity() == folder.identity()


def test_a_trial_that_another_worker_ended_is_left_to_it(tmp_path: Path) -> None:
    search, folder = open_search(tmp_path), TrialsFolder(tmp_path / "trials")
    elsewhere = open_search(tmp_path, home="on another machine")
    said: list[str] = []

    def slow(trial: RunningTrial, where: Path, watch: Watch) -> Any:
        if not said:  # taken for dead in the middle of its first training
            elsewhere.give_up(trial.number)
            said.append("given up")
        return train(trial, where, watch)

    carry_on(search, folder, 2, slow)
    assert [(r.place, r.state, r.message, r.retry_of) for r in search.records()] == [
        (0, "failed", "", None),
        (0, "finished", "", 0),
        (1, "finished", "", None),
    ]


@pytest.mark.parametrize("last", ["finish", "prune", "fail", "note"])
def test_nothing_is_stored_any_more_about_a_trial_that_another_worker_ended(tmp_path: Path, last: str) -> None:
    trial = open_search(tmp_path).begin(0)
    assert trial is not None
    open_search(tmp_path).give_up(0)
    arguments = {"finish": (0.9,), "prune": (), "fail": ("no",), "note": ("message", "no")}[last]
    with pytest.raises(LostTrialError):
        getattr(trial, last)(*arguments)
    (record,) = open_search(tmp_path).records()
    assert (record.state, record.value, record.message) == ("failed", None, "")
    open_search(tmp_path).give_up(0, "too late")


@pytest.mark.parametrize("moment", ["while training", "at the end"])
def test_a_storage_that_is_lost_in_the_middle_is_one_clear_error_and_the_search_goes_on_when_it_is_back(
    tmp_path: Path, moment: str
) -> None:
    search, folder, journal = open_search(tmp_path), TrialsFolder(tmp_path / "trials"), tmp_path / "study.journal"
    whole: list[bytes] = []

    def lose() -> None:
        whole.append(journal.read_bytes())
        journal.write_bytes(whole[0] + b'{"broken\n{"op_code": 4}\n')

    def losing(trial: RunningTrial, where: Path, watch: Watch) -> Any:
        if trial.place < 1:
            return train(trial, where, watch)

        def lost(epoch: int, value: float) -> bool:
            if epoch == 2:
                lose()
            return watch(epoch, value)

        if moment == "while training":
            return train(trial, where, lost)
        graph = train(trial, where, watch)
        lose()
        return graph

    with pytest.raises(StorageError, match=r"study.journal: line \d+ cannot be read; restore the file") as caught:
        carry_on(search, folder, 3, losing)
    assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match=r"study.journal: line \d+ cannot be read"):
        open_search(tmp_path)
    journal.write_bytes(whole[0])
    again = open_search(tmp_path)
    carry_on(again, folder, 3)
    assert [(r.place, r.state, r.message) for r in again.records()] == [
        (0, "finished", ""),
        (1, "failed", ""),
        (1, "finished", ""),
        (2, "finished", ""),
    ]


def test_a_worker_that_cannot_say_that_it_lives_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "BEAT_SECONDS", 0.01)
    search, beats = open_search(tmp_path), list[int]()

    def beat(number: int) -> None:
        beats.append(number)
        if len(beats) < 4:
            raise StorageError("gone") if len(beats) % 2 else LostTrialError("ended")

    search.beat = beat  # type: ignore[method-assign]

    def patient(trial: RunningTrial, where: Path, watch: Watch) -> Any:
        wait_for(lambda: len(beats) >= 5)
        return train(trial, where, watch)

    carry_on(search, TrialsFolder(tmp_path / "trials"), 1, patient)
    assert set(beats) == {0}
    assert num_ended(search.records()) == 1
