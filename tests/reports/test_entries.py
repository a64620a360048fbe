from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from report_maker import NOISE, experiment, planted_results, write_run

from trichord.errors import RunError
from trichord.files import read_json, write_json
from trichord.reports import Entry, is_baseline, load_baseline, load_entries, save_baseline
from trichord.runs import RunDirectory


def test_runs_that_differ_in_nothing_but_the_seed_are_one_entry(entries: tuple[Entry, ...]) -> None:
    assert [entry.label for entry in entries] == ["AV_T", "VT_A", "AVT", "linear CCA"]
    assert [entry.kind for entry in entries] == ["trained"] * 3 + ["baseline"]
    assert [entry.seeds for entry in entries] == [(0, 1)] * 3 + [(0,)]
    first = entries[0]
    assert len(first.results) == len(first.folders) == len(first.curves) == len(first.verdicts) == 2
    assert "seed" not in first.settings
    assert list(first.results[0]) == ["T>V", "V>T", "T>VA"], "tasks keep the order of the run"
    assert entries[2].changes == {"stages.0.epochs": (30, 12)}


def test_seeds_are_sorted_and_baselines_come_last_however_they_are_named(study: Sequence[Path]) -> None:
    reversed_entries = load_entries(list(reversed(study)))
    assert [entry.label for entry in reversed_entries] == ["AVT", "VT_A", "AV_T", "linear CCA"]
    assert all(entry.seeds == tuple(sorted(entry.seeds)) for entry in reversed_entries)


def test_curves_and_verdicts_are_those_of_the_folder(entries: tuple[Entry, ...]) -> None:
    first = entries[0]
    stage = first.curves[0][1]
    lines = RunDirectory(first.folders[0]).metrics()
    mine = [line for line in lines if line["stage"] == 1]
    assert stage.name == "AV_T"
    assert stage.values == tuple(line["metrics"]["selection"] for line in mine if line["kind"] == "validation")
    third = [line["loss"] for line in mine if line["kind"] == "step" and line["epoch"] == 2]
    assert stage.losses[2] == pytest.approx(sum(third) / len(third))
    assert stage.loss_epochs[2] == 3
    assert [verdict.verdict for verdict in first.verdicts[0]] == ["flat", "rising"]


@pytest.mark.parametrize("state", ["running", "failed", "interrupted"])
def test_an_unfinished_run_is_refused_with_its_state(tmp_path: Path, state: str) -> None:
    folder = write_run(tmp_path / "run", experiment("VT_A", 0), planted_results(0, NOISE["VT_A"]))
    RunDirectory(folder).write_status(state=state, error="out of memory" if state == "failed" else None)
    with pytest.raises(RunError, match=f"is not finished: its state is '{state}'") as caught:
        load_entries([folder])
    assert ("out of memory" in str(caught.value)) == (state == "failed")


def test_the_same_run_twice_is_refused(study: Sequence[Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="are the same run"):
        load_entries([study[0], study[0]])


def test_unlike_settings_of_one_order_are_told_apart(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path / str(epochs), experiment("VT_A", 0, epochs), planted_results(epochs, NOISE["VT_A"]))
        for epochs in (6, 9)
    ]
    assert [entry.label for entry in load_entries(folders)] == ["VT_A #1", "VT_A #2"]


def test_a_baseline_named_like_an_order_is_told_apart(study: Sequence[Path], tmp_path: Path) -> None:
    save_baseline(tmp_path / "b", "AVT", {}, planted_results(3, NOISE["AVT"]), "test")
    assert [entry.label for entry in load_entries([study[4], tmp_path / "b"])] == ["AVT #1", "AVT #2"]


def test_folders_that_hold_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing to compare"):
        load_entries([])
    with pytest.raises(RunError, match="is not a run folder"):
        load_entries([tmp_path])
    folder = write_run(tmp_path / "run", experiment("VT_A", 0), {})
    with pytest.raises(RunError, match="holds no results on split 'test'"):
        load_entries([folder])


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    results = planted_results(3, NOISE["AVT"])
    save_baseline(tmp_path / "b", "linear", {"ridge": 0.5}, results, "test")
    assert is_baseline(tmp_path / "b")
    entry = load_baseline(tmp_path / "b")
    assert (entry.label, entry.kind, entry.settings) == ("linear", "baseline", {"ridge": 0.5})
    assert list(entry.results[0]) == list(results)
    for task, result in results.items():
        assert entry.results[0][task].to_dict() == result.to_dict()


def test_a_baseline_of_another_format_is_refused(tmp_path: Path) -> None:
    save_baseline(tmp_path / "b", "linear", {}, planted_results(3, NOISE["AVT"]), "test")
    file = tmp_path / "b" / "baseline.json"
    write_json(file, {**read_json(file), "baseline_format": 9})
    with pytest.raises(RunError, match="baseline format 9"):
        load_baseline(tmp_path / "b")


def test_runs_on_other_data_are_another_entry(tmp_path: Path) -> None:
    config = experiment("VT_A", 0)
    for number in range(2):
        seeded = replace(config, seed=number)
        write_run(tmp_path / str(number), seeded, planted_results(number, NOISE["VT_A"]))
    file = tmp_path / "1" / "config.json"
    data = read_json(file)
    write_json(file, {**data, "dataset": {**data["dataset"], "fingerprint": "another"}})
    assert len(load_entries([tmp_path / "0", tmp_path / "1"])) == 2
