from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from trichord.errors import ConfigError
from trichord.reports import PairedRow, Row, Table, summarise_table, winners
from trichord.reports.build import mark_best
from trichord.reports.table import Protocol


def small_table(means: Mapping[str, float], p_values: Mapping[tuple[str, str], float], metric: str = "R@10") -> Table:
    rows = [
        Row(
            label, "baseline" if label == "linear" else "trained", "T>V", metric, mean, mean - 1, mean + 1, {0: mean}, 2
        )
        for label, mean in means.items()
    ]
    paired = tuple(PairedRow(a, b, "T>V", metric, means[a] - means[b], -9, 9, p, p) for (a, b), p in p_values.items())
    return Table(
        labels=tuple(means),
        kinds={row.label: row.kind for row in rows},
        seeds=dict.fromkeys(means, (0,)),
        tasks=("T>V",),
        metrics=(metric,),
        rows=mark_best(rows, paired),
        paired=paired,
        baseline_settings={"linear": {}} if "linear" in means else {},
        protocols={"T>V": Protocol("f", {"dataset": "d"})},
        num_queries={"T>V": 9},
        num_missing={"T>V": 0},
        settings=(),
        changes={},
        verdicts={},
        flags=(),
        notes=(),
    )


def test_the_best_beats_some_and_is_level_with_others() -> None:
    table = small_table({"A": 30, "B": 40, "C": 39}, {("A", "B"): 0.01, ("B", "C"): 0.6, ("A", "C"): 0.01})
    outcome = winners(table, "T>V", "R@10")
    assert (outcome.best, outcome.beats, outcome.level, outcome.untested) == (("B",), ("A",), ("C",), ())
    assert [row.level_with_best for row in table.rows] == [False, False, True]
    assert summarise_table(table).headline == "B has the best R@10 on T>V (significantly ahead of all but C)."


def test_a_p_value_at_the_level_is_not_below_it() -> None:
    outcome = winners(small_table({"A": 30, "B": 40}, {("A", "B"): 0.05}), "T>V", "R@10")
    assert (outcome.beats, outcome.level) == ((), ("A",))


def test_exact_ties_share_the_first_place() -> None:
    p_values = {("A", "B"): 1.0, ("A", "C"): 0.01, ("B", "C"): 0.2}
    table = small_table({"A": 40, "B": 40, "C": 30}, p_values)
    outcome = winners(table, "T>V", "R@10")
    assert outcome.best == ("A", "B")
    assert outcome.beats == (), "C is beaten by A but not by B, so the first place does not beat it"
    assert outcome.level == ("C",)
    assert winners(small_table({"A": 40, "B": 40, "C": 30}, {**p_values, ("B", "C"): 0.01}), "T>V", "R@10").beats == (
        "C",
    )
    assert summarise_table(table).headline.startswith("A and B share the best R@10")


def test_without_tests_nothing_is_claimed() -> None:
    table = small_table({"A": 40, "B": 30}, {})
    outcome = winners(table, "T>V", "R@10")
    assert (outcome.beats, outcome.level, outcome.untested) == ((), (), ("B",))
    assert "not tested" in summarise_table(table).headline


def test_for_ranks_less_is_better() -> None:
    table = small_table({"A": 40, "B": 30}, {("A", "B"): 0.01}, metric="MeanR")
    assert winners(table, "T>V", "MeanR").best == ("B",)
    assert table.paired[0].winner == "B"


def test_a_significant_difference_of_zero_has_no_winner() -> None:
    assert small_table({"A": 30, "B": 30}, {("A", "B"): 0.01}).paired[0].winner is None


def test_a_single_entry_has_no_rival() -> None:
    assert "there is no rival" in summarise_table(small_table({"A": 40}, {})).headline


def test_a_baseline_that_wins_is_called_a_baseline() -> None:
    table = small_table({"A": 30, "B": 38, "linear": 40}, {("A", "linear"): 0.01, ("B", "linear"): 0.6})
    summary = summarise_table(table)
    assert summary.headline.startswith("The baseline linear has the best R@10 on T>V")
    assert "the best order is B with 38.0" in summary.tasks["T>V"]
    assert summary.baselines == ("The baseline linear has the best value on T>V.",)


def test_a_column_that_is_not_there() -> None:
    table = small_table({"A": 40}, {})
    with pytest.raises(ConfigError, match="the table has no 'R@5'"):
        winners(table, "T>V", "R@5")
    with pytest.raises(ConfigError, match="the table has no 'V>T'"):
        winners(replace(table), "V>T", "R@10")
