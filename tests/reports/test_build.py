from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_maker import FAST, NOISE, TASKS, experiment, planted_results, write_run

from trichord.errors import ConfigError, ProtocolError, RunError
from trichord.reports import Effort, Entry, Table, build_table, load_entries, save_baseline


def stored(folder: Path, task: str, name: str) -> np.ndarray:
    with np.load(folder / "results" / "test" / f"{task.replace('>', '_to_')}.npz", allow_pickle=False) as arrays:
        return np.asarray(arrays[name])


NAMES = {"R@1": "recall_at_1", "R@5": "recall_at_5", "R@10": "recall_at_10", "MRR": "reciprocal_rank", "MeanR": "rank"}


@pytest.mark.parametrize("metric", ["R@1", "R@5", "R@10", "MedR", "MeanR", "MRR"])
def test_means_are_those_of_the_stored_values(table: Table, entries: tuple[Entry, ...], metric: str) -> None:
    for entry in entries:
        for task in TASKS:
            row = table.row(entry.label, task, metric)
            assert row is not None
            each = []
            for folder in entry.folders:
                values = stored(folder, task, NAMES.get(metric, "rank"))
                value = float(np.median(values)) if metric == "MedR" else float(sum(values) / len(values))
                each.append(100 * value if metric.startswith("R@") else value)
            assert list(row.per_seed.values()) == pytest.approx(each)
            assert row.mean == pytest.approx(sum(each) / len(each))
            assert row.low <= row.mean <= row.high
            assert tuple(row.per_seed) == entry.seeds


def test_chance_is_that_of_one_right_row_in_sixty(table: Table) -> None:
    expected = {"R@1": 100 / 60, "R@5": 500 / 60, "R@10": 1000 / 60, "MeanR": 30.5}
    for metric, value in expected.items():
        assert all(row.chance == pytest.approx(value) for row in table.column("T>V", metric))


def test_intervals_hold_the_variation_between_seeds(entries: tuple[Entry, ...]) -> None:
    spread = replace(
        entries[0], results=(entries[0].results[0], planted_results(1, {"video": 9, "audio": 9, "text": 9}))
    )
    alone = replace(entries[0], results=entries[0].results[:1], seeds=(0,), folders=entries[0].folders[:1])
    widths = []
    for entry in (spread, alone):
        row = build_table([entry], effort=FAST).row("AV_T", "T>V", "R@10")
        assert row is not None
        widths.append(row.high - row.low)
    assert widths[0] > 1.3 * widths[1]


def test_all_pairs_are_compared_on_the_same_queries(table: Table, entries: tuple[Entry, ...]) -> None:
    assert len(table.paired) == 2 * len(TASKS) * 6
    by_label = {entry.label: entry for entry in entries}
    for pair in table.paired:
        assert pair.metric in ("R@10", "MRR")
        sides = []
        for label in (pair.a, pair.b):
            values = [stored(folder, pair.task, NAMES[pair.metric]).mean() for folder in by_label[label].folders]
            sides.append(float(np.mean(values)) * (100 if pair.metric == "R@10" else 1))
        assert pair.difference == pytest.approx(sides[0] - sides[1])
        assert pair.low <= pair.difference <= pair.high
    named = {(pair.a, pair.b) for pair in table.paired}
    assert named == set(combinations([entry.label for entry in entries], 2))


def test_holm_is_taken_over_all_comparisons_of_a_metric(table: Table) -> None:
    for metric in ("R@10", "MRR"):
        family = sorted((pair for pair in table.paired if pair.metric == metric), key=lambda pair: pair.p)
        running = 0.0
        for place, pair in enumerate(family):
            running = max(running, min(1.0, pair.p * (len(family) - place)))
            assert pair.p_holm == pytest.approx(running)


def test_enough_is_drawn_for_many_comparisons() -> None:
    assert Effort().draws(80) == 10_000
    assert 840 / (1 + Effort().draws(840)) < 0.011
    assert Effort(num_draws=7).draws(840) == 7


def test_too_few_draws_are_confessed(entries: tuple[Entry, ...]) -> None:
    table = build_table(entries, effort=Effort(num_resamples=20, num_draws=50))
    assert any("Too few draws" in note.fact for note in table.notes)
    assert not any(pair.significant for pair in table.paired)


def test_the_planted_winner_wins(table: Table) -> None:
    row = table.row("VT_A", "T>V", "R@10")
    assert row is not None
    assert row.best
    loser = table.row("AV_T", "T>V", "R@10")
    assert loser is not None
    assert not loser.level_with_best
    rival = table.row("linear CCA", "T>V", "R@10")
    assert rival is not None
    assert rival.level_with_best


@pytest.mark.parametrize("metric", ["R@10", "MRR", "MedR"])
def test_orders_and_baselines_are_marked_apart(table: Table, metric: str) -> None:
    lower = metric == "MedR"
    for task in TASKS:
        column = table.column(task, metric)
        orders = [row for row in column if row.kind == "trained"]
        top = min(row.mean for row in orders) if lower else max(row.mean for row in orders)
        assert {row.label for row in column if row.best_order} == {row.label for row in orders if row.mean == top}
        for row in column:
            ahead = row.mean <= top if lower else row.mean >= top
            assert row.reaches_best == (row.kind == "baseline" and ahead)
    marked = [row for row in table.rows if row.reaches_best and row.level_with_best]
    assert marked, "the planted baseline does better than the best order somewhere, and not significantly"


def test_without_orders_the_best_baseline_is_marked(study: Sequence[Path]) -> None:
    alone = build_table(load_entries(study[-1:]), effort=FAST)
    assert all(row.best and row.reaches_best and not row.best_order for row in alone.rows)


def test_low_ranks_are_the_good_ones(table: Table) -> None:
    for metric in ("MedR", "MeanR"):
        column = table.column("T>V", metric)
        assert {row.label for row in column if row.best} == {min(column, key=lambda row: row.mean).label}


def with_protocol(entry: Entry, **changes: Any) -> Entry:
    results = tuple(
        {task: replace(result, protocol=replace(result.protocol, **changes)) for task, result in seed.items()}
        for seed in entry.results
    )
    return replace(entry, results=results)


@pytest.mark.parametrize(
    ("field", "value"),
    [("split", "val"), ("items_hash", "other"), ("query_captions", "all"), ("similarity", "dot product")],
)
def test_unlike_protocols_are_refused_and_the_field_is_named(
    entries: tuple[Entry, ...], field: str, value: str
) -> None:
    mixed = [entries[0], with_protocol(entries[1], **{field: value})]
    with pytest.raises(ProtocolError, match=field.replace("_", " ")) as caught:
        build_table(mixed, effort=FAST)
    assert "AV_T" in str(caught.value)
    assert "VT_A" in str(caught.value)
    assert repr(value) in str(caught.value)


def test_unlike_protocols_within_one_entry_are_refused(entries: tuple[Entry, ...]) -> None:
    other = with_protocol(entries[0], split="val")
    mixed = replace(entries[0], results=(entries[0].results[0], other.results[1]))
    with pytest.raises(ProtocolError, match="split: 'test' against 'val'"):
        build_table([mixed], effort=FAST)


def test_a_task_that_an_entry_lacks_is_left_empty_and_said(study: Sequence[Path], tmp_path: Path) -> None:
    save_baseline(tmp_path / "b", "short", {}, planted_results(4, NOISE["AVT"], ["T>V"]), "test")
    table = build_table(load_entries([*study[:2], tmp_path / "b"]), effort=FAST)
    assert table.row("short", "V>T", "R@1") is None
    assert any("short was not measured on V>T and T>VA" in note.fact for note in table.notes)


def test_seeds_of_unlike_tasks_are_refused(entries: tuple[Entry, ...]) -> None:
    one, two = entries[0].results
    with pytest.raises(RunError, match="not measured on the same tasks"):
        build_table([replace(entries[0], results=(one, {"T>V": two["T>V"]}))], effort=FAST)


def test_names_that_are_not_there_are_refused(entries: tuple[Entry, ...]) -> None:
    with pytest.raises(ConfigError, match="did you mean 'T>V'"):
        build_table(entries, tasks=["T>W"], effort=FAST)
    with pytest.raises(ConfigError, match="did you mean 'R@10'"):
        build_table(entries, metrics=["R@100"], effort=FAST)
    with pytest.raises(RunError, match="distinct labels"):
        build_table([entries[0], entries[0]], effort=FAST)


def test_chosen_tasks_and_metrics_are_the_columns(entries: tuple[Entry, ...]) -> None:
    table = build_table(entries, tasks=["T>VA"], metrics=["MRR"], effort=FAST)
    assert (table.tasks, table.metrics) == (("T>VA",), ("MRR",))
    assert {(row.task, row.metric) for row in table.rows} == {("T>VA", "MRR")}
    assert {pair.metric for pair in table.paired} == {"MRR"}


def test_flags_carry_entry_task_and_seed(tmp_path: Path) -> None:
    nothing = {"video": 1e3, "audio": 1e3, "text": 1e3}
    for seed, noise in enumerate((NOISE["VT_A"], nothing)):
        write_run(tmp_path / str(seed), experiment("VT_A", seed), planted_results(seed, noise))
    table = build_table(load_entries([tmp_path / "0", tmp_path / "1"]), effort=FAST)
    assert table.flags
    assert all(flag.startswith("VT_A, ") and "(seed 1): " in flag and "chance" in flag for flag in table.flags)


def test_differing_numbers_of_seeds_and_single_seeds_are_said(study: Sequence[Path]) -> None:
    uneven = build_table(load_entries(study[:3]), effort=FAST)
    assert any("numbers of seeds differ: AV_T 2 and VT_A 1" in note.fact for note in uneven.notes)
    single = build_table(load_entries([study[0], study[2]]), effort=FAST)
    assert any("one seed only" in note.fact for note in single.notes)
