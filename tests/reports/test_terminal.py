from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from report_maker import FAST, NOISE, planted_results
from rich.console import Console

from trichord.reports import Table, build_table, load_entries, print_results, print_table, summarise_table
from trichord.reports.summary import verdict_lines


def printed(table: Table, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_table(table, console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_table_fits_the_width_and_loses_nothing(table: Table, width: int) -> None:
    text = printed(table, width)
    assert max(map(len, text.splitlines())) <= width
    for label in table.labels:
        assert re.search(rf"^{label}", text, re.M)
    for task in table.tasks:
        assert task in text
    for row in table.rows:
        if row.metric in ("R@1", "R@5", "R@10"):
            assert f"{row.mean:.1f}" in text
    assert "…" not in text, "nothing is cut"


def test_the_best_and_those_level_with_it_are_marked(table: Table) -> None:
    text = printed(table, 100)
    shown = [row for row in table.rows if row.metric in ("R@1", "R@5", "R@10")]
    kinds = set()
    for row in shown:
        marks = ("*" if row.best_order else "") + ("°" if row.reaches_best else "") + "†" * row.level_with_best
        half = (row.high - row.low) / 2
        assert re.search(rf"{row.mean:.1f}{re.escape(marks)} *±{half:.1f}", text)
        kinds.add(marks)
    assert kinds >= {"", "*", "°", "†", "°†"}, "the planted study has an example of each"
    explained = " ".join(text.split())
    assert "* best order of the column. ° a baseline that does at least as well. † not significantly" in explained


def test_what_must_be_known_is_below_the_table(table: Table) -> None:
    text = " ".join(printed(table, 100).split())
    assert "60 queries against 60 items of split test. Intervals:" in text
    assert "AV_T, stage 2 of 2 (AV_T): still rising (seed 0), converged (seed 1)" in text
    assert "none but those that make the orders what they are" in text
    assert "30 in the recipe, 12 here (AVT)" in text
    assert "Multiple comparisons: 18 of R@10 and 18 of MRR, p adjusted by Holm's rule" in text
    for note in table.notes:
        assert note.fact in text
        assert not note.meaning or note.meaning not in text, "explanations are in the Markdown and on the page"


def test_how_it_was_measured_takes_few_lines(table: Table) -> None:
    notes = printed(table, 100).split("\nNotes\n")[1].strip().splitlines()
    assert len(notes) <= 4
    missing = replace(table, num_missing={**table.num_missing, "V>T": 7})
    text = " ".join(printed(missing, 100).split())
    assert "T>V, T>VA: 60 queries against 60 items of split test; V>T: 60 queries" in text
    assert "split test, 7 missing counted as misses." in text


def test_labels_are_never_read_as_markup(study: Sequence[Path]) -> None:
    entries = load_entries(study[:1])
    table = build_table([replace(entries[0], label="[bold]x[/bold]")], effort=FAST)
    assert "[bold]x[/bold]" in printed(table, 100)


def test_sentences_agree_with_the_table(table: Table) -> None:
    summary = summarise_table(table)
    assert summary.metric == "R@10"
    assert summary.headline == (
        "By R@10, VT_A is best on T>V, V>T and T>VA (significantly ahead of every other order but AVT)."
    )
    best = table.row("VT_A", "T>V", "R@10")
    assert best is not None
    assert (
        f"T>V: VT_A is the best order with R@10 {best.mean:.1f} (95 % interval {best.low:.1f} to {best.high:.1f}"
        in (summary.tasks["T>V"])
    )
    assert "significantly better than" in summary.tasks["T>V"]
    assert "the baseline linear CCA has 8" in summary.tasks["T>V"]
    assert summary.convergence == ("AV_T, stage 2 of 2 (AV_T): still rising (seed 0), converged (seed 1)",)
    assert verdict_lines(table)[1] == (
        "AV_T, stage 2 of 2 (AV_T): validation still rising: too few epochs (seed 0); "
        "validation flat: converged (seed 1)."
    )


def test_all_converged_is_one_sentence(study: Sequence[Path]) -> None:
    table = build_table(load_entries(study[2:4]), effort=FAST)
    assert summarise_table(table).convergence == (
        "Every stage of every run had converged: its validation curve was flat at the end.",
    )


def test_results_of_one_evaluation_fit_a_hundred_columns() -> None:
    console = Console(width=100, file=io.StringIO(), color_system=None)
    results = planted_results(0, NOISE["VT_A"])
    print_results(results, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 100
    for task, result in results.items():
        line = next(line for line in text.splitlines() if line.startswith(f"{task} "))
        assert f"{result.metrics['R@10'].value:.1f}" in line
        assert f"{result.metrics['MRR'].value:.3f}" in line
