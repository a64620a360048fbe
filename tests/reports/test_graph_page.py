from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from graph_cases import CLASSES, IMAGE, TWO, make_comparison, make_graph_report
from test_page import read

from trichord.config import from_dict
from trichord.files import read_json, write_json
from trichord.graphs.text import parse_graph
from trichord.metrics.bootstrap import Comparison
from trichord.modality import STANDARD
from trichord.reports.graphs import page as page_module
from trichord.reports.graphs.lines import GraphComparison, GraphVerdict
from trichord.reports.graphs.page import render_graph_page, write_graph_page
from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.graphs.verdict import find_answer, reservation
from trichord.reports.graphs.words import show_seconds, train_command
from trichord.reports.numbers import show, show_signed

GAINS = {"independent": 2.4, "mutual learning": 3.1, "distillation": 1.7, "ensemble": 0.4}
ANCHORS = {"answer", "graph", "contest", "luck", "history", "curves", "gates", "measured", "trials"}
CLAIMS = ("better", "worse", "A gain")


@pytest.fixture(scope="module")
def report() -> GraphStudyReport:
    return make_graph_report(gains=GAINS, states={11: "failed"}, num_trials=30)


@pytest.fixture(scope="module")
def page(report: GraphStudyReport) -> str:
    return render_graph_page(report)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures out: drawing takes longer than all the rest, and these tests are about words."""
    for name in ("graph_svg", "plot_contest", "plot_luck", "plot_history", "plot_trial_curves", "plot_gates"):
        monkeypatch.setattr(page_module, name, lambda *_: "<svg></svg>")


def section(page: str, anchor: str) -> str:
    """Return one section without its figures."""
    return re.sub(r"<svg\b.*?</svg>", "", page, flags=re.S).split(f'<section id="{anchor}">')[1].split("</section>")[0]


def compared(*found: GraphComparison, **changes: object) -> GraphStudyReport:
    return replace(make_graph_report(num_trials=2), comparisons=found, **changes)  # type: ignore[arg-type]


def test_the_page_loads_nothing_needs_no_script_and_its_links_lead_somewhere(page: str) -> None:
    reader = read(page)
    assert "script" not in reader.tags
    assert not re.search(r"url\((?!#)|@import", page)
    for _, name, value in reader.attributes:
        if name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            assert value.startswith("#") or value == "data:,"
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = {value[1:] for _, name, value in reader.attributes if name == "href" and value.startswith("#")}
    assert links | set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)
    assert set(ids) >= ANCHORS
    assert reader.tags.count("svg") == 6


def test_the_answer_stands_first(page: str, report: GraphStudyReport) -> None:
    answer = read(section(page, "answer")).text
    assert answer.strip().startswith(report.conclusion)
    assert "A gain of MRR over independent, mutual learning and distillation; none is shown over ensemble" in answer
    assert page.index('id="answer"') < page.index('id="graph"')


def test_every_text_and_number_of_the_record_is_on_the_page(page: str, report: GraphStudyReport) -> None:
    text = read(page).text
    every = [report.title, report.dataset, report.sampler, report.pruner, report.optimism.sentence, report.best_text]
    every += [contender.sentence for contender in report.contenders] + [trial.text for trial in report.trials]
    every += [ranked.text for ranked in report.ranked] + [one.name for one in report.contenders]
    for contender in report.contenders:
        for metric, found in contender.metrics.items():
            every += [show(metric, found.value) + f"{show(metric, found.low)}–{show(metric, found.high)}"]
    for one in report.comparisons:
        low, high = (show_signed(one.metric, bound) for bound in (one.comparison.low, one.comparison.high))
        every += [f"[{low}, {high}]"]
    every += [show("MRR", trial.value) for trial in report.trials if trial.value is not None]
    for said in every:
        assert said in text.replace("\n", "; ") or said in text, said


def test_every_number_on_the_page_is_in_the_record(page: str, report: GraphStudyReport) -> None:
    known = {"0.05", f"{report.settings['rate']:g}"}
    values = [report.reference, report.optimism.apparent, report.optimism.corrected or 0.0]
    values += [
        value for one in report.ranked for value in (one.found, one.mean, one.low, one.high, one.mean - one.found)
    ]
    values += [contender.validation for contender in report.contenders]
    values += [trial.curve[-1][1] for trial in report.trials]
    known |= {show("MRR", abs(value)) for value in values}
    for metric in report.metrics:
        for contender in report.contenders:
            found = contender.metrics[metric]
            known |= {show(metric, value) for value in (found.value, found.low, found.high)}
    for one in report.comparisons:
        inner = one.comparison
        known |= {show(one.metric, abs(value)) for value in (inner.difference, inner.low, inner.high)}
        known.add(f"{one.holm:.3f}")
    known |= {f"{value:.4f}" for value in (report.optimism.expected, report.optimism.noise)}
    known |= {f"{one.seconds:.1f}" for one in (*report.trials, *report.contenders)}
    known |= set(re.findall(r"\d+\.\d+", report.conclusion + report.best_text))
    body = "".join(section(page, anchor) for anchor in ANCHORS)
    shown = set(re.findall(r"\d+\.\d+", html.unescape(re.sub(r"<[^>]+>", " ", body))))
    assert shown <= known, shown - known


def test_hostile_texts_are_escaped() -> None:
    hostile = "<script>alert('x')</script>\"& $\\frac{1}{$"
    made = make_graph_report(num_trials=4)
    trial = replace(made.trials[0], text=hostile, sampled={hostile: hostile})
    best = replace(made.contenders[0], name=hostile, sentence=hostile, text=hostile)
    rival = replace(made.comparisons[0], rival=hostile)
    line = replace(made.importance[0], edge=hostile, gates={hostile: 0.2}, counts={hostile: 4})
    made = replace(
        made,
        title=hostile,
        dataset=hostile,
        conclusion=hostile,
        sampler=hostile,
        pruner=hostile,
        selection_split=hostile,
        report_split=hostile,
        trials=(trial, *made.trials[1:]),
        contenders=(best, *made.contenders[1:]),
        comparisons=(rival, *made.comparisons[1:]),
        ranked=(replace(made.ranked[0], text=hostile),),
        importance=(line,),
        optimism=replace(made.optimism, sentence=hostile),
        settings={hostile: hostile},
    )
    page = render_graph_page(made)
    reader = read(page)
    assert "script" not in reader.tags
    assert "<script" not in page
    assert reader.text.count(hostile) >= 12


@pytest.mark.parametrize(
    ("low", "high", "holm", "verdict", "told", "said"),
    [
        (0.4, 3.4, 0.01, "better", "better", ""),
        (-3.4, -0.4, 0.01, "worse", "worse", ""),
        (-0.4, 3.4, 0.3, "no difference shown", "no difference shown", ""),
        (-0.1, 3.4, 0.01, "better", "no difference shown", "these very models differ"),
        (0.4, 3.4, 0.3, "no difference shown", "no difference shown", "the adjusted test does not bear it out"),
        (-3.4, 0.1, 0.01, "worse", "no difference shown", "these very models differ"),
        (-3.4, -0.4, 0.01, "better", "no difference shown", ""),
    ],
)
def test_a_difference_is_claimed_only_where_the_interval_bears_it_out(
    low: float, high: float, holm: float, verdict: GraphVerdict, told: GraphVerdict, said: str
) -> None:
    one = GraphComparison("independent", "R@10", Comparison((low + high) / 2, low, high, holm / 4, 400), holm, verdict)
    assert one.told == told
    assert (said in reservation(one)) if said else reservation(one) == ""
    turned = Comparison(-(low + high) / 2, -high, -low, holm / 4, 400)
    assert replace(one, metric="MedR", comparison=turned).told == told, "a lower median rank is a gain"


def test_the_heading_claims_what_was_shown_and_no_more() -> None:
    def one(rival: str, difference: float, verdict: GraphVerdict) -> GraphComparison:
        return make_comparison(rival, "MRR", difference, 0.01, 0.01 if verdict in CLAIMS else 0.5, verdict)

    gain, other = one("independent", 0.02, "better"), one("ensemble", 0.03, "better")
    level, loss = one("distillation", 0.002, "no difference shown"), one("mutual learning", -0.02, "worse")
    cases: Sequence[tuple[tuple[GraphComparison, ...], str, bool]] = [
        ((), "The best graph was compared with nothing: no gain is claimed", False),
        ((gain,), "A gain of MRR over independent", True),
        ((gain, other), "A gain of MRR over both rivals", True),
        ((gain, level), "A gain of MRR over independent; none is shown over distillation", True),
        ((level,), "No gain of MRR is shown over any rival", False),
        ((level, loss), "No gain of MRR is shown: the best graph is worse than mutual learning", False),
        ((gain, loss), "A gain of MRR over independent; it is worse than mutual learning", False),
        ((other, level), "A gain of MRR over ensemble; none is shown over distillation", True),
        (
            (replace(level, rival="independent"), other),
            "No gain of MRR over the target alone is shown; better than ensemble",
            False,
        ),
        (
            (replace(loss, rival="independent"), other),
            "No gain of MRR over the target alone is shown; better than ensemble, worse than independent",
            False,
        ),
        ((replace(gain, metric="R@10"),), "The best graph was compared with nothing: no gain is claimed", False),
    ]
    for comparisons, heading, is_gain in cases:
        found = find_answer(compared(*comparisons))
        assert (found.heading, found.gain) == (heading, is_gain)
        assert [one.metric for one in found.comparisons] == ["MRR"] * len(found.comparisons)
    unsure = replace(gain, comparison=replace(gain.comparison, low=-0.001))
    assert find_answer(compared(unsure)).heading == "No gain of MRR is shown over any rival"


@pytest.mark.usefixtures("plain")
def test_a_page_without_a_gain_claims_none() -> None:
    made = make_graph_report(num_trials=6)
    page = render_graph_page(made)
    assert "No gain of MRR is shown over any rival" in page
    for anchor in ("answer", "contest"):
        cells = re.findall(r'<td class="verdict[^"]*">([^<]*)</td>', section(page, anchor))
        assert cells
        assert set(cells) == {"no difference shown"}
    assert 'class="callout quiet"' in page
    assert 'class="callout calm"' not in page
    claims = re.findall(r'<td class="[^"]*significant">', section(page, "answer") + section(page, "contest"))
    assert all("insignificant" in claim for claim in claims)


@pytest.mark.usefixtures("plain")
def test_a_study_of_classes_speaks_of_accuracy() -> None:
    made = make_graph_report(nodes=CLASSES, known=IMAGE, metric="R@1", num_trials=6)
    text = read(render_graph_page(made)).text
    assert "No gain of accuracy is shown" in text
    assert "Accuracy on split val." in text
    assert "R@1" not in text
    assert "--target 'I>digit'" in text


def test_the_text_form_and_the_command_can_be_copied(page: str, report: GraphStudyReport) -> None:
    [text, command] = [html.unescape(found) for found in re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", page, re.S)]
    assert parse_graph(text, STANDARD) == report.best
    assert ";" not in text
    assert command == "trichord graph train --data data/invented --target 'T>V' --graph graph.txt --out runs/best-graph"
    options = ("--base", "my base", "--set.learners.n1.adapters.n1.low-rank.rank", "2")
    words = shlex.split(train_command(replace(report, train_options=options), "a b/graph.txt"))
    assert words[7:] == ["--graph", "a b/graph.txt", *options, "--out", "runs/best-graph"]
    foreign = replace(report, settings={}, dataset="a b; rm -r x")
    assert "--data 'a b; rm -r x' " in train_command(foreign), "names are quoted for the shell"


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("finished", [0, 1])
def test_a_search_of_which_little_reached_its_end_says_so(finished: int) -> None:
    states = dict.fromkeys(range(6), "pruned") | ({4: "finished"} if finished else {2: "failed"})
    made = make_graph_report(num_trials=6, states=states)
    if not finished:
        made = replace(made, contenders=(), comparisons=())
    text = read(render_graph_page(made)).text
    said = {0: "No trial reached its end, so that there", 1: "Only one trial reached its end"}
    assert said[finished] in text
    assert ("so that none was chosen" in text) == (not finished)
    assert ("No graph was trained anew" in text) == (not finished)
    assert "None" not in text
    assert not re.search(r"\bnan\b", text)
    if not finished:
        assert "6 trials: 5 stopped early and 1 failed." in text
        assert "1 trial failed (number 2); none was tried again." in text


@pytest.mark.usefixtures("plain")
def test_a_retried_trial_and_a_short_search_are_told() -> None:
    made = make_graph_report(num_trials=5, states={1: "failed", 2: "failed"}, nodes=TWO)
    trials = (*made.trials[:4], replace(made.trials[4], retry_of=1))
    text = read(render_graph_page(replace(made, trials=trials, num_trials=9, seeds=1))).text
    assert "2 trials failed (number 1 and 2); 1 of them was not tried again." in text
    assert "The search stopped after 5 of 9 trials." in text
    assert "retry of 1" in text
    assert "one seed" in text


@pytest.mark.usefixtures("plain")
def test_what_broke_a_trial_and_how_often_was_reported_are_told() -> None:
    made = make_graph_report(num_trials=5, states={1: "failed"}, times_reported=3)
    broken = replace(made.trials[1], message="NaN in <epoch> 3")
    text = read(render_graph_page(replace(made, trials=(made.trials[0], broken, *made.trials[2:])))).text
    assert "Trial 1 failed: NaN in <epoch> 3" in text
    assert "failed: NaN in <epoch> 3" in text.split("Every trial")[-1], "in its line of the table too"
    assert "Split test was measured for 3 graphs" in text
    assert "was measured for" not in read(render_graph_page(replace(made, times_reported=1))).text


def test_a_gain_with_one_seed_is_claimed_with_caution() -> None:
    gain = make_comparison("independent", "MRR", 0.02, 0.01, 0.01, "better")
    level = make_comparison("independent", "MRR", 0.002, 0.01, 0.5, "no difference shown")
    one = "A gain of MRR over independent (with one seed: another may say otherwise)"
    assert find_answer(compared(gain, seeds=1)).heading == one
    assert find_answer(compared(gain, seeds=2)).heading == "A gain of MRR over independent"
    assert find_answer(compared(level, seeds=1)).heading == "No gain of MRR is shown over any rival"


def test_the_record_is_plain_data(report: GraphStudyReport, tmp_path: Path) -> None:
    write_json(tmp_path / "study.json", report.to_dict())
    found = read_json(tmp_path / "study.json")
    assert found == report.to_dict(), "tuples would come back as lists"
    assert from_dict(found["best"]["graph"]) == report.best
    assert [from_dict(trial["graph"]) for trial in found["trials"]] == [trial.graph for trial in report.trials]
    assert found["best"]["text"] == report.best_text
    assert found["contenders"][0]["metrics"]["MRR"]["low"] == report.contenders[0].metrics["MRR"].low
    assert found["comparisons"][0]["comparison"]["num_queries"] == 400
    assert found["trials"][11]["state"] == "failed"
    assert found["trials"][11]["value"] is None
    assert "NaN" not in json.dumps(found)


@pytest.mark.usefixtures("plain")
def test_the_page_is_written_whole(tmp_path: Path) -> None:
    write_graph_page(tmp_path / "report.html", make_graph_report(num_trials=3))
    assert (tmp_path / "report.html").read_text(encoding="utf-8").endswith("</html>\n")
    assert list(tmp_path.iterdir()) == [tmp_path / "report.html"]


def test_times_are_written_in_units_that_can_be_read() -> None:
    seconds = {0.04: "0.0 s", 9.94: "9.9 s", 9.96: "10 s", 59.4: "59 s", 59.6: "1 min", 200: "3 min 20 s"}
    hours = {3599: "59 min 59 s", 3600: "1 h", 7500: "2 h 5 min", 7199: "2 h"}
    assert {value: show_seconds(value) for value in (*seconds, *hours)} == seconds | hours
