from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from trichord.errors import ConfigError
from trichord.reports import PairedRow, Row, Table, contenders, summarise_table, winners
from trichord.reports.against import stand_against
from trichord.reports.build import mark_best
from trichord.reports.table import Protocol

Means = Mapping[str, float]
PValues = Mapping[tuple[str, str], float]


def several_tasks(columns: Mapping[str, tuple[Means, PValues]], metric: str = "R@10") -> Table:
    """A table of one metric from the means and the adjusted p-values of every task; "linear..." are baselines."""
    rows = [
        Row(label, "baseline" if label.startswith("linear") else "trained", task, metric, x, x - 1, x + 1, {0: x}, 2)
        for task, (means, _) in columns.items()
        for label, x in means.items()
    ]
    paired = tuple(
        PairedRow(a, b, task, metric, means[a] - means[b], -9, 9, p, p)
        for task, (means, p_values) in columns.items()
        for (a, b), p in p_values.items()
    )
    kinds = {row.label: row.kind for row in sorted(rows, key=lambda row: row.kind == "baseline")}
    return Table(
        labels=tuple(kinds),
        kinds=kinds,
        seeds=dict.fromkeys(kinds, (0,)),
        tasks=tuple(columns),
        metrics=(metric,),
        rows=mark_best(rows, paired),
        paired=paired,
        baseline_settings={label: {} for label, kind in kinds.items() if kind == "baseline"},
        protocols={task: Protocol("f", {"dataset": "d"}) for task in columns},
        num_queries=dict.fromkeys(columns, 9),
        num_missing=dict.fromkeys(columns, 0),
        settings=(),
        changes={},
        verdicts={},
        flags=(),
        notes=(),
    )


def small_table(means: Means, p_values: PValues, metric: str = "R@10") -> Table:
    return several_tasks({"T>V": (means, p_values)}, metric)


CLEAR = {("A", "B"): 0.01, ("A", "C"): 0.01, ("B", "C"): 0.01}
A_FIRST, B_FIRST = {"A": 50, "B": 30, "C": 20}, {"A": 30, "B": 50, "C": 20}


def test_the_best_beats_some_and_is_level_with_others() -> None:
    table = small_table({"A": 30, "B": 40, "C": 39}, {("A", "B"): 0.01, ("B", "C"): 0.6, ("A", "C"): 0.01})
    outcome = winners(table, "T>V", "R@10")
    assert (outcome.best, outcome.beats, outcome.level, outcome.untested) == (("B",), ("A",), ("C",), ())
    assert [row.level_with_best for row in table.rows] == [False, False, True]
    assert summarise_table(table).headline == (
        "By R@10, B is best on T>V (significantly ahead of every other order but C)."
    )


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
    assert summarise_table(table).headline == (
        "By R@10, A and B share the first place on T>V (not significantly ahead of C)."
    )


def test_without_tests_nothing_is_claimed() -> None:
    table = small_table({"A": 40, "B": 30}, {})
    outcome = winners(table, "T>V", "R@10")
    assert (outcome.beats, outcome.level, outcome.untested) == ((), (), ("B",))
    assert summarise_table(table).headline == "By R@10, A is best on T>V (not tested against B)."


def test_for_ranks_less_is_better() -> None:
    table = small_table({"A": 40, "B": 30}, {("A", "B"): 0.01}, metric="MeanR")
    assert winners(table, "T>V", "MeanR").best == ("B",)
    assert table.paired[0].winner == "B"


def test_a_significant_difference_of_zero_has_no_winner() -> None:
    assert small_table({"A": 30, "B": 30}, {("A", "B"): 0.01}).paired[0].winner is None


def test_a_single_entry_has_no_rival() -> None:
    headline = summarise_table(small_table({"A": 40}, {})).headline
    assert headline == "By R@10, A reaches 40.0 on T>V; there is no other order to compare it with."


def test_winners_that_are_clear_are_said_to_win() -> None:
    tasks = {"T>V": (A_FIRST, CLEAR), "T>A": (B_FIRST, CLEAR), "V>T": (A_FIRST, CLEAR)}
    assert summarise_table(several_tasks(tasks)).headline == (
        "By R@10, A wins T>V and V>T; B wins T>A (each significantly ahead of every other order)."
    )
    del tasks["T>A"]
    assert summarise_table(several_tasks(tasks)).headline == (
        "By R@10, A wins T>V and V>T (significantly ahead of every other order)."
    )


def test_tasks_on_which_a_winner_is_not_clear_are_named() -> None:
    doubtful = {**CLEAR, ("A", "B"): 0.4}
    lost = dict.fromkeys(CLEAR, 0.9)
    tasks = {"T>V": (A_FIRST, doubtful), "V>T": (A_FIRST, CLEAR), "T>A": (B_FIRST, CLEAR), "A>T": (A_FIRST, lost)}
    assert summarise_table(several_tasks(tasks)).headline == (
        "By R@10, A wins V>T (significantly ahead of every other order), is best on T>V (significantly ahead of every "
        "other order but B) and is best on A>T (not significantly ahead of any other order); "
        "B wins T>A (significantly ahead of every other order)."
    )


def test_a_rival_is_named_only_for_the_tasks_on_which_it_is_level() -> None:
    tasks = {"T>V": (A_FIRST, {**CLEAR, ("A", "B"): 0.4}), "V>T": (A_FIRST, {**CLEAR, ("A", "C"): 0.4})}
    headline = summarise_table(several_tasks(tasks)).headline
    assert "T>V (significantly ahead of every other order but B)" in headline
    assert "V>T (significantly ahead of every other order but C)" in headline


def test_a_better_baseline_does_not_hide_which_order_won() -> None:
    p_values = {("A", "B"): 0.01, ("A", "linear"): 0.01, ("B", "linear"): 0.6}
    table = small_table({"A": 30, "B": 38, "linear": 40}, p_values)
    assert winners(table, "T>V", "R@10").best == ("linear",)
    outcome = winners(table, "T>V", "R@10", contenders(table, "T>V"))
    assert (outcome.best, outcome.beats, outcome.level) == (("B",), ("A",), ())
    summary = summarise_table(table)
    assert summary.headline == "By R@10, B wins T>V (significantly ahead of every other order)."
    assert summary.tasks["T>V"].startswith("T>V: B is the best order with R@10 38.0")
    assert summary.tasks["T>V"].endswith("the baseline linear has 40.0 (+2.0, p = 0.600).")
    assert summary.baselines == ("The baseline linear is not significantly different from the best order on T>V.",)


@pytest.mark.parametrize(
    ("mean", "p", "verdict"),
    [(60, 0.01, "better"), (60, 0.2, "level"), (40, 0.2, "level"), (40, 0.01, "worse"), (40, None, "untested")],
)
def test_a_baseline_is_compared_with_the_best_order(mean: float, p: float | None, verdict: str) -> None:
    means = {"A": 50, "B": 30, "linear": mean, "linear 2": 99}
    p_values = {("A", "B"): 0.01, ("B", "linear"): 0.01, ("linear", "linear 2"): 0.01}
    table = small_table(means, p_values if p is None else {**p_values, ("A", "linear"): p})
    standing = stand_against(table, "linear", "T>V", "R@10")
    assert standing is not None
    assert standing.verdict == verdict
    sign = "+" if mean > 50 else "−"
    assert standing.words == (f"{mean:.1f}" if p is None else f"{mean:.1f} ({sign}10.0, p = {p:.3f})")


def test_among_orders_of_equal_mean_a_baseline_must_stand_against_all() -> None:
    means = {"A": 50, "B": 50, "linear": 60}
    table = small_table(means, {("A", "B"): 1.0, ("A", "linear"): 0.01, ("B", "linear"): 0.2})
    standing = stand_against(table, "linear", "T>V", "R@10")
    assert standing is not None
    assert standing.verdict == "level"


def test_the_baseline_sentence_groups_tasks_by_how_they_came_out() -> None:
    columns = {}
    for task, mean, p in (("T>V", 60, 0.01), ("V>T", 60, 0.3), ("T>A", 40, 0.3), ("A>T", 40, 0.01)):
        columns[task] = ({**A_FIRST, "linear": mean}, {**CLEAR, ("A", "linear"): p})
    columns["A>V"] = (A_FIRST, CLEAR)
    columns["V>A"] = ({"linear": 10}, {})
    summary = summarise_table(several_tasks(columns))
    assert summary.baselines == (
        "The baseline linear is significantly better than the best order on T>V; it is not significantly different "
        "from it on V>T and T>A; it is significantly worse than it on A>T.",
    )
    assert "the baseline linear is best on V>A (there is no other baseline)" in summary.headline


def test_a_task_on_which_only_baselines_were_measured_says_nothing_about_orders() -> None:
    table = several_tasks({"T>V": (A_FIRST, CLEAR), "V>T": ({"linear": 10}, {})})
    assert contenders(table, "V>T") == ("linear",)
    assert summarise_table(table).baselines == ("The baseline linear was measured on no task of an order.",)


def test_baselines_alone_are_compared_with_each_other() -> None:
    table = small_table({"linear": 40, "linear 2": 30}, {("linear", "linear 2"): 0.01})
    summary = summarise_table(table)
    assert summary.headline == "By R@10, the baseline linear wins T>V (significantly ahead of every other baseline)."
    assert summary.baselines == ()


def test_a_baseline_equal_to_the_best_order_reaches_it() -> None:
    order, baseline = small_table({"A": 40, "linear": 40}, {("A", "linear"): 1.0}).rows
    assert (order.best, order.best_order, order.reaches_best, order.level_with_best) == (True, True, False, False)
    assert (baseline.best, baseline.best_order, baseline.reaches_best) == (True, False, True)
    assert baseline.level_with_best


def test_every_baseline_above_the_best_order_reaches_it() -> None:
    rows = small_table({"A": 40, "linear": 45, "linear 2": 42, "linear 3": 30}, {}).rows
    assert [row.reaches_best for row in rows] == [False, True, True, False]
    assert [row.best for row in rows] == [False, True, False, False]


def test_nobody_to_compare_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"none of \['Z'\] was measured on T>V"):
        winners(small_table({"A": 40}, {}), "T>V", "R@10", ["Z"])


def test_a_column_that_is_not_there() -> None:
    table = small_table({"A": 40}, {})
    with pytest.raises(ConfigError, match="the table has no 'R@5'"):
        winners(table, "T>V", "R@5")
    with pytest.raises(ConfigError, match="the table has no 'V>T'"):
        winners(replace(table), "V>T", "R@10")
