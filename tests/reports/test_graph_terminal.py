from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from graph_cases import CLASSES, IMAGE, make_graph_report
from rich.console import Console

from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.graphs.terminal import print_graph_study

GAINS = {"independent": 2.4, "ensemble": 0.4}


def printed(report: GraphStudyReport, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_graph_study(report, console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def report() -> GraphStudyReport:
    return make_graph_report(states={3: "failed"})


def test_a_hundred_columns_hold_everything(report: GraphStudyReport) -> None:
    text = printed(report)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text, "nothing is cut"
    words = " ".join(text.split())
    assert report.conclusion in words
    assert "No gain of MRR is shown over any rival." in words
    assert re.search(r"independent +0\.218±0\.011 +\+0\.004 \[−0\.004, \+0\.011\] +0\.380 +not shown +1 +1\.1 s", text)
    assert re.search(r"best graph +0\.221±0\.011 +– +3 +3\.3 s", text)
    for one in report.ranked:
        assert re.search(rf"{one.place} +{one.trial} +{one.found:.3f} +{one.mean:.3f} +\[{one.low:.3f}, ", text)
    assert "1 failed" in words
    assert "trichord graph train --data data/invented" in words


def test_the_command_is_one_line_and_warnings_and_messages_are_said(report: GraphStudyReport) -> None:
    broken = replace(report.trials[3], message="it diverged")
    options = tuple(f"--set.learners.n{number}.seed" for number in range(9))
    made = replace(report, seeds=1, train_options=options, trials=(*report.trials[:3], broken, *report.trials[4:]))
    text = printed(made)
    (line,) = [line for line in text.splitlines() if line.startswith("trichord graph train")]
    assert line.split()[-2:] == ["--out", "runs/best-graph"]
    words = " ".join(text.split())
    assert "Trial 3 failed: it diverged" in words
    assert "Final comparison on test, 1 seed " in words
    assert "intervals do not hold the variation of seeds" in words


def test_a_gain_is_said_only_where_it_was_shown() -> None:
    made = make_graph_report(gains=GAINS, num_trials=4)
    text = printed(made)
    assert "A gain of MRR over independent; none is shown over ensemble." in text
    assert re.search(r"independent .* 0\.004 +better", text)
    assert re.search(r"ensemble .* 0\.380 +not shown", text)
    wide = tuple(replace(c, comparison=replace(c.comparison, low=-0.01)) for c in made.comparisons)
    text = printed(replace(made, comparisons=wide))
    assert "better" not in text
    assert "No gain of MRR is shown over any rival." in text


def test_a_study_of_classes_speaks_of_accuracy() -> None:
    text = printed(make_graph_report(nodes=CLASSES, known=IMAGE, metric="R@1", num_trials=4))
    assert "accuracy" in text
    assert "R@1" not in text


def test_foreign_texts_are_not_read_as_markup(report: GraphStudyReport) -> None:
    hostile = "[bold]x[/bold]"
    contender = replace(report.contenders[0], name=hostile)
    made = replace(report, title=hostile, conclusion=hostile, contenders=(contender,))
    assert printed(replace(made, optimism=replace(made.optimism, sentence=hostile))).count(hostile) == 4


def test_a_search_without_anything_prints_what_it_has() -> None:
    made = make_graph_report(num_trials=2, states={0: "failed", 1: "failed"}, contenders=(), comparisons=())
    text = printed(replace(made, conclusion=""))
    assert "The best graph was compared with nothing: no gain is claimed." in text
    assert "2 trials: 2 failed." in text
    assert "Final comparison" not in text
