from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest
from graph_cases import CLASSES, IMAGE, TWO, make_graph_report

from trichord.reports.graphs.contest import compared_metrics, plot_contest
from trichord.reports.graphs.gate_map import colour_scale, gates_of, mean_value, plot_gates
from trichord.reports.graphs.history import plot_history, running_best, value_range, write_history
from trichord.reports.graphs.lines import Importance
from trichord.reports.graphs.luck import levels, plot_luck
from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.graphs.trial_curves import plot_trial_curves, rungs
from trichord.reports.plot_scale import LOSS, STRONGEST, cell_look


@pytest.fixture(scope="module")
def report() -> GraphStudyReport:
    return make_graph_report(states={11: "failed"})


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def with_values(values: Sequence[float | None]) -> GraphStudyReport:
    """Make a report whose trials have these values; None failed before it was validated."""
    made = make_graph_report(num_trials=len(values))
    trials = tuple(
        replace(trial, value=None, state="failed", curve=())
        if value is None
        else replace(trial, value=value, state="finished", curve=((1, 0.01), (40, value)))
        for trial, value in zip(made.trials, values, strict=True)
    )
    return replace(made, trials=trials)


def test_the_history_marks_every_trial_by_its_end(report: GraphStudyReport) -> None:
    svg = plot_history(report)
    marks = dict(re.findall(r'id="history-plot-trial-(\d+)-(\w+)"', svg))
    assert marks == {str(trial.number): trial.state for trial in report.trials}
    words = texts(svg)
    assert {"finished", "failed", "stopped early, at its last value", "best so far"} <= set(words)
    assert f"target alone {report.reference:.3f}" in words
    best = max((trial for trial in report.trials if trial.value is not None), key=lambda trial: trial.value or 0)
    assert f"best: trial {best.number}, {best.value:.3f}" in words
    without = plot_history(make_graph_report(states=dict.fromkeys(range(30), "finished")))
    assert not {"failed", "stopped early, at its last value"} & set(texts(without)), "the key names what occurs"


def test_the_best_so_far_never_falls_and_counts_finished_trials_only() -> None:
    made = with_values([0.2, None, 0.1, 0.3, 0.3, 0.25])
    assert running_best(made.trials) == [(0, 0.2), (2, 0.2), (3, 0.3), (4, 0.3), (5, 0.3)]
    assert running_best(made.trials[::-1]) == running_best(made.trials), "by number, not by place"
    assert running_best(()) == []
    words = texts(plot_history(made))
    assert "best: trial 3, 0.300" in words, "of equals the first"


def test_the_scale_holds_what_finished_and_the_reference_and_cuts_early_stops() -> None:
    made = with_values([0.20, 0.22])
    low, high = value_range(replace(made, reference=0.21))
    assert (low, high) == (pytest.approx(0.20), pytest.approx(0.22))
    stopped = replace(made.trials[0], state="pruned", value=None, curve=((1, 0.001),))
    low, _ = value_range(replace(made, reference=0.21, trials=(*made.trials, replace(stopped, number=2))))
    assert low == pytest.approx(0.20 - 0.6 * 0.02)
    low, high = value_range(replace(made, trials=(), reference=0.3))
    assert low < 0.3 < high
    assert value_range(replace(made, trials=(), reference=0.0))[0] < 0


def test_a_history_file_stands_alone(report: GraphStudyReport, tmp_path: Path) -> None:
    write_history(tmp_path / "history.svg", report)
    text = (tmp_path / "history.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root[0].get("fill") == "#fefefe"
    assert "var(" not in text
    assert "#0b63a8" in text


def test_curves_are_named_and_rungs_are_counted(report: GraphStudyReport) -> None:
    svg = plot_trial_curves(report)
    assert svg is not None
    pruned = [trial for trial in report.trials if trial.state == "pruned"]
    assert sum(rungs(report).values()) == len(pruned)
    assert set(rungs(report)) == {5, 15}
    assert {f"{count} stopped" for count in rungs(report).values()} <= set(texts(svg))
    stops = set(re.findall(r'id="trial-curves-stop-(\d+)"', svg))
    assert stops == {str(trial.number) for trial in report.trials if trial.state != "finished"}
    assert plot_trial_curves(with_values([None, None])) is None


def test_the_contest_fills_what_is_claimed_only() -> None:
    for gain, filled in ((2.4, 3), (0.4, 2)):
        made = make_graph_report(gains={"independent": gain}, num_trials=2)
        made = replace(made, comparisons=tuple(c for c in made.comparisons if c.metric == "MRR"))
        svg = plot_contest(made)
        assert svg is not None
        marks = re.findall(r'<use [^>]*style="fill: var\(--(\S+), [^"]*stroke: var\(--series-\d', svg)
        assert len(marks) == 3, "two contenders and one difference"
        assert sum(mark.startswith("series") for mark in marks) == filled
    made = make_graph_report(num_trials=2)
    assert compared_metrics(made) == ("MRR", "R@1", "R@10"), "the one that decides comes first"
    assert plot_contest(replace(made, comparisons=())) is not None
    assert plot_contest(replace(made, contenders=(), comparisons=())) is None
    svg = plot_contest(make_graph_report(nodes=CLASSES, known=IMAGE, metric="R@1", num_trials=2))
    assert svg is not None
    assert "Accuracy" in texts(svg)


def test_levels_tell_what_was_promised_and_what_was_left(report: GraphStudyReport) -> None:
    found = levels(report)
    assert [level.value for level in found] == [
        report.optimism.apparent,
        report.optimism.corrected,
        report.ranked[0].mean,
        report.reference,
    ]
    assert (found[0].low, found[0].high) == (report.optimism.apparent - report.optimism.expected, found[0].value)
    one = replace(report, optimism=replace(report.optimism, trials=1, corrected=None))
    assert levels(one)[0].low is None, "of one there is no luck of picking"
    assert len(levels(one)) == 3
    none = replace(report, optimism=replace(report.optimism, trials=0, corrected=None), ranked=())
    assert [level.value for level in levels(none)] == [report.reference]
    assert plot_luck(none) is None


def test_every_graph_that_was_trained_anew_has_both_ends_of_its_slope(report: GraphStudyReport) -> None:
    svg = plot_luck(report)
    assert svg is not None
    words = [" ".join(text.split()) for text in texts(svg)]
    for one in report.ranked:
        assert f"trial {one.trial} {one.found:.3f}" in words
        assert f"{one.mean:.3f} trial {one.trial}" in words
    alone = replace(report, ranked=report.ranked[:1])
    assert plot_luck(alone) is not None
    flat = replace(report.ranked[0], found=0.2, values=(0.2,), mean=0.2, low=0.2, high=0.2)
    assert plot_luck(replace(report, ranked=(flat,), reference=0.2)) is not None


def test_the_gate_map_has_one_cell_per_edge_and_gate() -> None:
    made = with_values([0.20, 0.22, 0.24])
    lines = (
        Importance(
            "va -> tv",
            {"through": 0.24, "correct@5": 0.20, "cutoff": 0.22},
            {"through": 3, "correct@5": 4, "cutoff": 2},
            0.7,
        ),
        Importance("label -> tv", {"linear": 0.22}, {"linear": 9}, None),
    )
    made = replace(made, importance=lines, optimism=replace(made.optimism, noise=0.001))
    assert gates_of(lines) == ("cutoff", "through", "linear", "correct@5")
    assert mean_value(made) == pytest.approx(0.22)
    assert colour_scale(made, 0.22) == pytest.approx(0.02), "cells of few trials do not set the scale"
    assert colour_scale(replace(made, optimism=replace(made.optimism, noise=0.5)), 0.22) == 1.0, "noise stays pale"
    svg = plot_gates(made)
    assert svg is not None
    cells = {(int(line), int(column)) for line, column in re.findall(r'id="gate-map-gate-(\d+)-(\d+)"', svg)}
    assert cells == {(0, 1), (0, 3), (1, 2)}, "colour needs three trials"
    styles = {
        place: re.search(rf'id="gate-map-gate-{place}">\s*<path[^>]*style="([^"]*)"', svg) for place in ("0-1", "0-3")
    }
    assert all(styles.values())
    for place, hue in (("0-1", "--series-1"), ("0-3", "--series-2")):
        style = styles[place]
        assert style is not None
        assert hue in style[1]
        assert "opacity: 0.5" in style[1]
    words = texts(svg)
    assert words.count("–") == 4 + 1, "what never occurred is empty, and so is a share that is not known"
    assert {"0.240", "0.200", "0.220", "3×", "4×", "2×", "9×", "70 %"} <= set(words)


def test_the_gate_map_of_nothing_is_none_and_shares_may_be_unknown(report: GraphStudyReport) -> None:
    assert plot_gates(replace(report, importance=())) is None
    assert plot_gates(with_values([None])) is None
    unknown = tuple(replace(one, share=None) for one in report.importance)
    svg = plot_gates(replace(report, importance=unknown))
    assert svg is not None
    assert "importance" not in texts(svg)


def test_a_cell_is_as_strong_as_its_difference_and_never_stronger() -> None:
    for difference, scale in product((-3.0, -0.5, 0.5, 3.0), (1.0, 2.0)):
        look = cell_look(difference, scale)
        assert look["alpha"] == STRONGEST * min(1.0, abs(difference) / scale)
        assert (look["facecolor"] == LOSS) == (difference < 0)


def test_two_nodes_and_few_trials_can_be_drawn() -> None:
    made = make_graph_report(nodes=TWO, num_trials=1)
    for draw in (plot_history, plot_trial_curves, plot_contest):
        assert draw(made) is not None
    assert plot_history(replace(made, trials=()))


def with_rungs(*epochs: int) -> GraphStudyReport:
    """Make a report with one finished trial of 40 epochs and one that was stopped after each of some epochs."""
    made = make_graph_report(num_trials=1 + len(epochs))
    first = replace(made.trials[0], state="finished", value=0.2, curve=tuple((e, 0.2 * e / 40) for e in range(1, 41)))
    stopped = [
        replace(trial, state="pruned", value=None, curve=first.curve[:epoch])
        for trial, epoch in zip(made.trials[1:], epochs, strict=True)
    ]
    return replace(made, trials=(first, *stopped))


def test_early_rungs_are_set_apart_and_named_where_there_is_room() -> None:
    halving = plot_trial_curves(with_rungs(1, 2, 4, 8, 16, 16))
    assert halving is not None
    words = texts(halving)
    assert [word for word in words if word.endswith("stopped")] == ["1 stopped"] * 4 + ["2 stopped"]
    assert "epoch, doubling at every step" in words
    assert {"1", "2", "4", "8", "16", "40"} <= set(words), "the epochs are those of the rungs"
    late = plot_trial_curves(with_rungs(20))
    assert late is not None
    assert "1 stopped" in texts(late)
    assert "16" not in texts(late), "plain epochs"
    crowded = plot_trial_curves(with_rungs(*range(10, 34)))
    assert crowded is not None
    assert not any(word.endswith("stopped") for word in texts(crowded))
