"""The search as an Optuna study: samplers, pruner, storages, and errors that say what is wrong with them."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from graph_search_cases import large_space, small_space

from trichord.errors import ConfigError, RunError
from trichord.studies.graphs.optuna_door import STARTUP, OptunaSearch
from trichord.studies.graphs.space import SearchSpace, draw

SPACE = small_space()


def open_search(
    storage: str | Path, sampler: str = "random", pruner: str = "none", space: SearchSpace = SPACE
) -> OptunaSearch:
    return OptunaSearch(storage, "graphs", space, 3, sampler, pruner, "here")  # type: ignore[arg-type]


def try_graphs(search: OptunaSearch, places: range) -> list[dict[str, Any]]:
    """Begin and finish trials whose value is better the more edges into the target are linear."""
    drawn = []
    for place in places:
        trial = search.begin(place)
        assert trial is not None
        drawn.append(dict(trial.drawn))
        gates = [value for name, value in trial.drawn.items() if name in ("gate n1>n0", "gate n2>n0", "label n0")]
        trial.finish(gates.count("linear") / 3 + place * 1e-4)
    return drawn


def test_random_draws_are_the_same_in_any_storage(tmp_path: Path) -> None:
    expected = [draw(SPACE, 3, place) for place in range(4)]
    assert try_graphs(open_search(tmp_path / "a.journal"), range(4)) == expected
    assert try_graphs(open_search(f"sqlite:///{tmp_path / 'b.db'}"), range(4)) == expected
    large = large_space()
    assert try_graphs(open_search(tmp_path / "c.journal", space=large), range(1)) == [draw(large, 3, 0)]


def test_tpe_begins_at_random_then_draws_what_did_well_and_only_graphs_that_learn(tmp_path: Path) -> None:
    search = open_search(tmp_path / "a.journal", sampler="tpe")
    drawn = try_graphs(search, range(STARTUP))
    assert drawn == [draw(SPACE, 3, place) for place in range(STARTUP)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        later = try_graphs(search, range(STARTUP, 40))
    assert all(SPACE.learns(one) for one in later)
    names = ("gate n1>n0", "gate n2>n0", "label n0")

    def share(some: list[dict[str, Any]]) -> float:
        return sum(one[name] == "linear" for one in some for name in names) / (3 * len(some))

    assert share(later) > share([draw(SPACE, 3, place) for place in range(200)]) + 0.15
    again = open_search(tmp_path / "b.journal", sampler="tpe")
    assert try_graphs(again, range(20)) == [*drawn, *later[:10]], "a function of the seed and of what was tried"


def test_halving_lets_the_better_half_go_on_after_1_2_4_validations(tmp_path: Path) -> None:
    search = open_search(tmp_path / "a.journal", pruner="halving")
    for place, value in enumerate((0.9, 0.8, 0.7)):
        trial = search.begin(place)
        assert trial is not None
        going = [trial.report(5 * validation, value) for validation in (1, 2, 3, 4)]
        assert going == [place == 0] * 4 or place > 0
        assert going[0] == (place == 0)
    kept = open_search(tmp_path / "b.journal")
    for place in range(3):
        trial = kept.begin(place)
        assert trial is not None
        assert trial.report(5, -place)


def test_importance_is_that_of_the_gates_that_matter(tmp_path: Path) -> None:
    search = open_search(tmp_path / "a.journal")
    assert search.importance() == {}
    try_graphs(search, range(40))
    shares = search.importance()
    assert set(shares) == set(SPACE.parameters())
    assert sum(shares.values()) == pytest.approx(1.0)
    assert {"gate n1>n0", "gate n2>n0", "label n0"} == set(sorted(shares, key=lambda name: -shares[name])[:3])


def test_a_journal_that_a_machine_left_in_the_middle_of_a_line_is_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "a.journal"
    try_graphs(open_search(journal), range(2))
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "worker')
    search = open_search(journal)
    assert "a.journal: the last line was cut short, and is left out" in capsys.readouterr().err
    assert len(search.records()) == 2
    try_graphs(search, range(2, 3))
    assert len(open_search(journal).records()) == 3


def test_a_last_line_that_is_whole_but_for_its_end_is_kept(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal"
    open_search(journal)
    whole = journal.read_bytes()
    assert whole.count(b"\n") == 1
    journal.write_bytes(whole[:-1])
    try_graphs(open_search(journal), range(2))
    assert journal.read_bytes().startswith(whole)
    assert len(open_search(journal).records()) == 2


@pytest.mark.parametrize(("damage", "line"), [("middle", 2), ("no journal", 1), ("no end", 1)])
def test_a_journal_that_cannot_be_read_is_named_by_its_line_and_left_as_it_is(
    tmp_path: Path, damage: str, line: int
) -> None:
    journal = tmp_path / "a.journal"
    try_graphs(open_search(journal), range(2))
    lines = journal.read_bytes().splitlines()
    lines[1] = lines[1][:-3]
    content = {"middle": b"\n".join(lines) + b"\n", "no journal": b"{}\n[]\n", "no end": lines[0][:20]}[damage]
    journal.write_bytes(content)
    with pytest.raises(RunError, match=rf"a.journal: line {line} cannot be read; restore .*, or move it away"):
        open_search(journal)
    assert journal.read_bytes() == content


def test_a_database_that_is_lost_is_one_clear_error(tmp_path: Path) -> None:
    database = tmp_path / "b.db"
    search = open_search(f"sqlite:///{database}")
    trial = search.begin(0)
    assert trial is not None
    database.write_bytes(b"")
    for step in (search.records, lambda: search.beat(0), lambda: trial.report(1, 0.5), lambda: trial.finish(0.5)):
        with pytest.raises(RunError, match=r"storage sqlite:///.* does not answer .*; check the URL") as caught:
            step()
        assert "\n" not in str(caught.value)


def test_what_the_storage_says_about_the_study_comes_back(tmp_path: Path) -> None:
    search = open_search(tmp_path / "a.journal")
    search.note("what", {"a": [1, 2]})
    assert open_search(tmp_path / "a.journal").attributes() == {"what": {"a": [1, 2]}}
    assert search.name == "graphs"


@pytest.mark.parametrize(
    ("storage", "error", "message"),
    [
        ("mongodb://there/study", ConfigError, "of no kind that a study can be kept in; give sqlite:///FILE"),
        ("study.journal", ConfigError, "of no kind"),
        ("sqlite:////no/such/folder/study.db", RunError, "does not answer .*unable to open database file"),
        ("postgresql://me:secret@there/study", RunError, "storage postgresql://there/study needs a driver"),
        ("redis://there:1/0", RunError, "redis"),
    ],
)
def test_a_storage_that_cannot_be_used_is_one_clear_error(storage: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        open_search(storage)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_importing_the_studies_does_not_import_optuna() -> None:
    code = "import sys, trichord.studies.graphs, trichord.cli.graph_search; print('optuna' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
