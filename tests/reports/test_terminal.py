from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from report_maker import FAST, NOISE, planted_results
from rich.console import Console

from trichord.reports import Table, build_table, load_entries, print_results, print_table, summarise_table


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
    best = next(row for row in table.column("T>V", "R@10") if row.best)
    assert f"{best.mean:.1f}*" in text
    level = next(row for row in table.column("T>V", "R@10") if row.level_with_best)
    assert f"{level.mean:.1f}†" in text


def test_what_must_be_known_is_below_the_table(table: Table) -> None:
    text = " ".join(printed(table, 100).split())
    assert "60 queries against 60 items of split test, chance R@10 16.7, missing counted as misses: 0" in text
    assert "AV_T, stage 2 of 2 (AV_T): validation still rising: too few epochs (seed 0)" in text
    assert "none but those that make the orders what they are" in text
    assert "30 in the recipe, 12 here (AVT)" in text
    assert "Multiple comparisons: 18 of R@10 and 18 of MRR were made" in text


def test_labels_are_never_read_as_markup(study: Sequence[Path]) -> None:
    from dataclasses import replace

    entries = load_entries(study[:1])
    table = build_table([replace(entries[0], label="[bold]x[/bold]")], effort=FAST)
    assert "[bold]x[/bold]" in printed(table, 100)


def test_sentences_agree_with_the_table(table: Table) -> None:
    summary = summarise_table(table)
    assert summary.metric == "R@10"
    assert "VT_A has the best R@10 on T>V" in summary.headline
    best = table.row("VT_A", "T>V", "R@10")
    assert best is not None
    assert (
        f"VT_A is best with R@10 {best.mean:.1f} (95 % interval {best.low:.1f} to {best.high:.1f}"
        in (summary.tasks["T>V"])
    )
    assert "significantly better than" in summary.tasks["T>V"]
    assert "linear CCA (+" in summary.tasks["T>V"].partition("not significantly different from")[2]
    assert summary.convergence == (
        "AV_T, stage 2 of 2 (AV_T): validation still rising: too few epochs (seed 0); "
        "validation flat: converged (seed 1).",
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
