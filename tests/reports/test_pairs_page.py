from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from pairs_maker import EIGHT, METRICS, RIVALS, make_modality, make_report, number, pair
from rich.console import Console
from test_page import read

import trichord
from trichord.adapters.settings import BASE
from trichord.reports.numbers import show, show_p, show_signed
from trichord.reports.pairs import PairsReport
from trichord.reports.pairs.answers import write_answers
from trichord.reports.pairs.convergence import convergence_brief
from trichord.reports.pairs.effects import find_comparison, find_effect, find_effects
from trichord.reports.pairs.heatmap import cell_difference, chosen_adapters, colour_scale, plot_matrix
from trichord.reports.pairs.marks import is_best, mark
from trichord.reports.pairs.page import _split, render_pairs_page, write_pairs_page
from trichord.reports.pairs.report import OWN_FUSION, ROUTED
from trichord.reports.pairs.terminal import print_pairs
from trichord.reports.table import PairedRow, Row

TWO = ("T>V", "V>T")
ANCHORS = ("answer", "routes", "entries", "effects", "differences", "matrix", "learning", "convergence", "protocol")


@pytest.fixture(scope="module")
def report() -> PairsReport:
    return make_report(modalities=(make_modality(),))


@pytest.fixture(scope="module")
def page(report: PairsReport) -> str:
    return render_pairs_page(report)


def printed(report: PairsReport, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_pairs(report, console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def without_figures(page: str) -> str:
    return re.sub(r"<(svg|style)\b.*?</\1>", "", page, flags=re.S)


def test_the_page_loads_nothing_from_elsewhere(page: str) -> None:
    reader = read(page)
    for tag, name, value in reader.attributes:
        if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            assert value.startswith("#") or value == "data:,", f"<{tag} {name}={value}>"
    assert "@import" not in page
    assert "script" not in reader.tags
    assert not re.search(r"url\((?!#)", page)
    assert set(re.findall(r"https?://[^\"'\s<]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_the_page_has_every_section_once_and_links_lead_somewhere(page: str, report: PairsReport) -> None:
    reader = read(page)
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = [value[1:] for _, name, value in reader.attributes if name == "href" and value.startswith("#")]
    links += re.findall(r"url\(#([^)]+)\)", page)
    assert set(links) <= set(ids)
    assert {*ANCHORS, "modalities-0"} <= set(ids) & set(links) | {"answer"}
    assert reader.tags.count("svg") == 3 + len(report.modalities)


def test_every_text_of_the_record_is_on_the_page(page: str, report: PairsReport) -> None:
    text = read(page).text
    every = [*report.answers, *report.flags, *report.notes, *report.folders, *report.about.values(), *report.labels]
    every += [route.description for route in report.routes] + [adapter.name for adapter in report.adapters]
    every += [way.name for way in report.ways] + [modality.answer for modality in report.modalities]
    every += [report.title, report.fingerprint, "41,216", "3.1\xa0%", "validation still rising: too few epochs"]
    for said in every:
        assert said in text, said


def test_every_number_on_the_page_is_in_the_record(page: str, report: PairsReport) -> None:
    own = re.sub(r'<section id="modalities-\d+">.*?</section>', "", without_figures(page), flags=re.S)
    text = html.unescape(re.sub(r"<[^>]+>", " ", own))
    known = set()
    for row in (*report.rows, *report.matrix):
        known |= {show(row.metric, value) for value in (row.mean, row.low, row.high, row.chance)}
    for comparison in report.comparisons:
        known |= {show(comparison.metric, abs(v)) for v in (comparison.difference, comparison.low, comparison.high)}
        known |= {f"{p:.{digits}f}" for p in (comparison.p, comparison.p_holm) for digits in (3, 4)} | {"0.001"}
    for route in report.routes:
        known |= {show("MRR", value) for value in (route.validation_mrr, route.best_mrr, route.base_mrr)}
        known |= set(re.findall(r"\d+\.\d+", route.description))
    known |= {show("MRR", way.validation_mrr) for way in report.ways}
    known |= {f"{100 * adapter.share:.1f}" for adapter in report.adapters}
    known |= {"0.05"} | set(re.findall(r"\d+\.\d+", " ".join(report.answers)))
    shown = set(re.findall(r"\d+\.\d+", text.replace(trichord.__version__, "")))
    assert shown <= known, shown - known
    for row in report.rows:
        assert show(row.metric, row.mean) in shown


def test_hostile_texts_are_escaped() -> None:
    hostile = "<script>alert('x')</script>\"& $\\frac{1}{$"
    made = make_report(TWO, (BASE, OWN_FUSION, hostile), mixtures=(hostile,))
    route = replace(made.routes[0], description=hostile, kind=hostile, base_description=hostile)
    made = replace(made, title=hostile, routes=(route,), flags=(hostile,), notes=(hostile,), folders=(hostile,))
    made = replace(made, about={BASE: hostile}, answers=(hostile, hostile), dataset=hostile)
    page = render_pairs_page(made)
    reader = read(page)
    assert "script" not in reader.tags
    assert "<script" not in page
    assert hostile in reader.text
    assert hostile in printed(make_report(TWO, (BASE, OWN_FUSION, hostile)), 300)
    assert "[bold]x[/bold]" in printed(replace(made, notes=("[bold]x[/bold]",)))


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    made = make_report(("T>V",), ())
    write_pairs_page(tmp_path / "pairs.html", made)
    assert (tmp_path / "pairs.html").read_text(encoding="utf-8").endswith("</html>\n")
    assert list(tmp_path.iterdir()) == [tmp_path / "pairs.html"]


def test_the_heat_map_has_one_cell_per_adapter_and_task(report: PairsReport) -> None:
    svg = plot_matrix(report)
    assert svg is not None
    adapters = [BASE, *(adapter.name for adapter in report.adapters)]
    cells = re.findall(r'id="matrix-map-cell-(\d+)-(\d+)"', svg)
    assert sorted((int(a), int(b)) for a, b in cells) == sorted(product(range(len(adapters)), range(len(EIGHT))))
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    for adapter, task in product(adapters, EIGHT):
        row, difference = report.cell(adapter, task), cell_difference(report, adapter, task)
        assert row is not None
        assert f"{row.mean:.1f}" in texts
        assert difference is not None
        assert adapter == BASE or show_signed("R@10", difference) in texts
    chosen = re.findall(r'id="matrix-map-chosen-(\d+)-(\d+)"', svg)
    assert {(adapters[int(a)], EIGHT[int(b)]) for a, b in chosen} == {
        (name, task) for task, names in chosen_adapters(report).items() for name in names
    }


def test_cells_are_coloured_by_their_difference_to_the_base() -> None:
    rows = [number(BASE, "T>V", "R@10", 30.0), number("VT", "T>V", "R@10", 34.0), number("VA", "T>V", "R@10", 28.0)]
    made = replace(make_report(("T>V",)), matrix=tuple(rows))
    assert colour_scale(made) == 4.0
    svg = plot_matrix(made)
    assert svg is not None
    found = {}
    for line in range(3):
        style = re.search(rf'id="matrix-map-cell-{line}-0">\s*<path[^>]*style="([^"]*)"', svg)
        assert style is not None
        found[line] = style[1]
    assert "--series-1" in found[1]
    assert "opacity: 0.5" in found[1]
    assert "--series-2" in found[2]
    assert "opacity: 0.25" in found[2]
    assert "opacity: 0;" in found[0] or "fill: none" in found[0] or found[0].endswith("opacity: 0")
    nearly = replace(made, matrix=(rows[0], replace(rows[1], mean=30.1)))
    assert colour_scale(nearly) == 1.0, "noise has no strong colour"
    assert plot_matrix(replace(made, matrix=())) is None
    hole = plot_matrix(replace(make_report(TWO), matrix=tuple(rows)))
    assert hole is not None
    assert len(re.findall(r">–</text>", hole)) == 3, "cells that were not measured are there, and empty"


def test_marks_say_who_is_best_and_who_differs_from_the_routed_model(page: str, report: PairsReport) -> None:
    body = page.split('id="entries"')[1].split("</section>")[0]
    assert body.count('class="number best') == sum(is_best(report, row) for row in report.rows)
    below = [c for c in report.comparisons if c.a == ROUTED and c.p_holm < 0.05 and c.difference > 0]
    above = [c for c in report.comparisons if c.a == ROUTED and c.p_holm < 0.05 and c.difference < 0]
    assert len(below) > 2
    assert body.count(">↓</abbr>") == len(below)
    assert body.count(">↑</abbr>") == len(above)
    for row in report.rows:
        if row.label == ROUTED or row.metric in ("R@1", "R@5"):
            assert mark(report, row) == ""
    worse = pair(-5.0, -7.0, -3.0, 0.001)
    made = replace(report, comparisons=(worse,))
    row = report.row(BASE, "T>V", "R@10")
    assert row is not None
    assert mark(made, row) == "↑"


def test_the_two_effects_are_told_apart(page: str, report: PairsReport) -> None:
    body = read(without_figures(page).split('<section id="effects">')[1].split("</section>")[0]).text
    effects = {effect.task: effect for effect in find_effects(report.tasks, report.comparisons, report.rows, "R@10")}
    fusion, adapters, both = (getattr(effects["T>VA"], name) for name in ("fusion", "adapters", "both"))
    assert fusion.difference + adapters.difference == pytest.approx(both.difference)
    for effect in (fusion, adapters, both):
        assert f"{show_signed('R@10', effect.difference)}[{show_signed('R@10', effect.pair.low)}" in body
        assert show_p(effect.pair.p_holm) in body
    alike = effects["T>V"].fusion
    assert alike is not None
    assert alike.verdict == "same"
    assert "not tested" not in body
    wide = tuple(replace(c, low=-0.9, high=0.9) if c.difference == 0 else c for c in report.comparisons)
    apart = replace(report, comparisons=wide)
    for rival in (BASE, OWN_FUSION):
        effect = find_effect(ROUTED, rival, "T>A", "R@10", wide, report.rows)
        assert effect is not None
        assert effect.verdict == "same", "seeds that are drawn apart widen an interval, and yet nothing differs"
    assert printed(apart) == printed(report)
    chance = replace(report.rows[0], per_seed={0: 30.0, 1: 40.0}), number(ROUTED, "T>V", "R@10", 35.0)
    level = find_effect(
        ROUTED, BASE, "T>V", "R@10", (pair(0.0, 0.0, 0.0, 1.0),), (replace(chance[0], metric="R@10"), chance[1])
    )
    assert level is not None
    assert level.verdict == "level", "equal means of unlike seeds are not the same"
    untested = replace(report, comparisons=tuple(c for c in report.comparisons if c.a == ROUTED))
    text = read(without_figures(render_pairs_page(untested))).text
    assert text.count("not tested") == 1 + sum(len(task) > 3 for task in EIGHT)
    assert "Cross: the difference of the means, not tested." in text
    assert find_comparison(untested.comparisons, BASE, ROUTED, "T>V", "R@10") is None, "the direction counts"


def test_a_report_of_two_modalities_without_rivals_has_what_it_can_have() -> None:
    made = make_report(("T>V",), (), mixtures=())
    made = replace(made, verdicts={}, flags=(), ways=(), folders=())
    reader = read(render_pairs_page(made))
    there = {value for _, name, value in reader.attributes if name == "id"}
    assert {"answer", "routes", "entries", "matrix"} <= there
    assert not {"differences", "modalities-0", "convergence"} & there
    assert "Neither effect can be told" in reader.text
    assert "it was compared with nothing." in reader.text
    text = printed(made)
    assert "Two effects" not in text
    assert "Convergence unknown" in text
    bare = replace(made, routes=(), rows=(), matrix=(), serves={}, adapters=(), answers=())
    assert "Nothing was concluded." in read(render_pairs_page(bare)).text
    assert "Nothing" not in printed(bare)


@pytest.mark.parametrize("width", [70, 100, 160])
def test_the_terminal_loses_nothing(report: PairsReport, width: int) -> None:
    text = printed(report, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text, "nothing is cut"
    for row in report.rows:
        if row.metric == "R@10":
            signs = f"{'*' if is_best(report, row) else ''}{mark(report, row)}"
            assert re.search(rf"{row.mean:.1f}{re.escape(signs)} *±{(row.high - row.low) / 2:.1f}", text)
    words = " ".join(text.split())
    for said in (*report.notes, *report.flags, "AV_T, AV_T: still rising (seed 0)"):
        assert said in words


def test_eight_tasks_stand_beside_each_other_in_a_hundred_columns(report: PairsReport) -> None:
    text = printed(report)
    [heading] = [line for line in text.splitlines() if all(f" {task}" in line for task in EIGHT)]
    assert len(heading.rstrip()) <= 100
    assert re.search(r"T>VA +\+5\.3 \[\+3\.6, \+7\.0\], p < 0\.001 +\+2\.7 \[", text)
    assert re.search(r"T>A +the same +the same", text)


def rows_of(values: dict[tuple[str, str], float]) -> tuple[Row, ...]:
    return tuple(number(label, task, "R@10", mean) for (label, task), mean in values.items())


def answers(tasks: Sequence[str], *comparisons: PairedRow, rows: tuple[Row, ...] = ()) -> tuple[str, ...]:
    return write_answers((BASE, OWN_FUSION, ROUTED, *RIVALS[2:]), tasks, comparisons, rows)


def test_a_null_result_is_said_as_one() -> None:
    found = answers(
        TWO,
        pair(0.9, -1.2, 3.0, 0.4, rival=OWN_FUSION),
        pair(-0.2, -1.2, 0.8, 0.9, "V>T", rival=OWN_FUSION),
    )
    assert found == (
        "No difference between adapters and the base with its own best fusion can be shown on any task (largest +0.9 "
        "points on T>V, interval [−1.2, +3.0]).",
    )
    [alone] = answers(("T>V",), pair(0.9, -1.2, 3.0, 0.4))
    assert alone == "No difference between the routed model and base can be shown on T>V (+0.9 points [−1.2, +3.0])."
    [partly] = answers(TWO, pair(0.9, -1.2, 3.0, 0.4, rival="AV_T"), pair(0, 0, 0, 1.0, "V>T", rival="AV_T"))
    assert partly.endswith("(largest +0.9 points on T>V, interval [−1.2, +3.0]; the same on V>T).")
    [fused] = answers(TWO, pair(0, 0, 0, 1.0, rival=BASE, a=OWN_FUSION), pair(0, 0, 0, 1.0, "V>T", a=OWN_FUSION))[1:]
    assert fused == (
        "Between the base with its own best fusion and the base with sides summed there is no difference at all on any "
        "task."
    )


def test_a_mixed_result_names_every_task() -> None:
    [found] = answers(
        ("T>V", "V>T", "T>A", "A>T", "V>A", "A>V", "T>VA"),
        pair(3.1, 1.0, 5.2, 0.001),
        pair(-2.0, -3.0, -1.0, 0.01, "V>T"),
        pair(0.3, -1.0, 1.6, 0.6, "T>A"),
        pair(-0.8, -2.0, 0.4, 0.2, "A>T"),
        pair(0.1, -2.0, 2.2, 0.9, "V>A"),
        pair(0.0, 0.0, 0.0, 1.0, "A>V"),
    )
    assert found == (
        "Against base, the routed model's R@10 is significantly better on 1 of 6 tasks (T>V +3.1 points [+1.0, +5.2]), "
        "significantly worse on 1 (V>T −2.0 points [−3.0, −1.0]), not significantly different on 3 (T>A, A>T and V>A; "
        "largest −0.8 points [−2.0, +0.4] on A>T) and the same on 1 (A>V). Not compared on T>VA."
    )


def test_a_win_is_said_as_one_and_limited_to_these_models_where_the_interval_says_so() -> None:
    [alone] = answers(("T>V",), pair(3.1, 1.0, 5.2, 0.001))
    assert alone == "Against base, the routed model's R@10 is significantly better on T>V (+3.1 points [+1.0, +5.2])."
    [found] = answers(TWO, pair(3.1, -0.2, 5.2, 0.001), pair(2.0, 1.0, 3.0, 0.01, "V>T"))
    assert found == (
        "Against base, the routed model's R@10 is significantly better on both tasks (T>V +3.1 points [−0.2, +5.2] and "
        "V>T +2.0 points [+1.0, +3.0]). On T>V that holds for these very models, while models of new seeds might "
        "differ: the interval includes 0."
    )


def test_the_base_comes_first_then_the_two_effects_then_the_rivals() -> None:
    rows = rows_of({(BASE, "T>V"): 30.0, (OWN_FUSION, "T>V"): 31.0, (ROUTED, "T>V"): 33.0})
    found = answers(
        ("T>V",),
        pair(1, 0.5, 1.5, 0.01, rival="VT_A"),
        pair(1, 0.5, 1.5, 0.01, rival="AV_T"),
        pair(2, 0.5, 2.5, 0.01, rival=OWN_FUSION),
        pair(3, 0.5, 3.5, 0.01),
        rows=rows,
    )
    starts = ("Against base,", "Adapters: ", "Fusion: ", "Against AV_T,", "Against VT_A,")
    assert len(found) == len(starts)
    assert all(sentence.startswith(start) for sentence, start in zip(found, starts, strict=True))
    assert found[2].endswith("the base's R@10 is not tested on T>V (+1.0 points)."), "means alone prove nothing"


def test_a_further_modality_is_held_beside_its_parts_or_told_from_its_report() -> None:
    values = {(ROUTED, "T>V"): 38.0, (ROUTED, "T>A"): 14.0, (ROUTED, "T>VA"): 40.0, (ROUTED, "VA>T"): 36.0}
    tasks = ("T>V", "T>A", "T>VA", "VA>T")
    found = answers(tasks, rows=rows_of(values))
    assert found[0].startswith("The routed model has R@10 38.0 [36.6–39.4] on T>V, 14.0")
    assert found[1:] == (
        "With a further modality, the routed model's R@10 is no lower (T>VA 40.0 [38.6–41.4] against T>V 38.0 "
        "[36.6–39.4]) than with the best single one; these are different tasks, so that nothing is tested.",
    )
    both = answers((*tasks, "V>T"), rows=rows_of({**values, (ROUTED, "V>T"): 37.0}))
    assert "is no lower (T>VA 40.0" in both[1]
    assert "and lower (VA>T 36.0 [34.6–37.4] against V>T 37.0 [35.6–38.4]) than with the best single one" in both[1]
    for gain, end in ((2.3, "nowhere (T>VA, routed)."), (-2.3, "on T>VA, routed.")):
        modality = make_modality("T>VA", gain)
        told = write_answers((ROUTED,), tasks, (), rows_of(values), (modality,))
        assert told[1] == f"Taking a further modality in, with its fitted weight, loses significantly {end}"
        assert told[2] == f"T>VA, routed: {modality.answer}"


def test_every_comparison_with_a_rival_is_in_the_table_of_differences(page: str, report: PairsReport) -> None:
    body = without_figures(page).split('<section id="differences">')[1].split("<details>")[0]
    cells = re.findall(r'<td class="number ((?:in)?significant)">([^<]*)', body)
    wanted = [c for c in report.comparisons if c.a == ROUTED and c.metric == "R@10"]
    assert len(cells) == len(wanted)
    assert sum(kind == "significant" for kind, _ in cells) == sum(c.significant for c in wanted) > 0
    alike = [c for c in wanted if c.low == c.high == 0]
    assert sum(text == "the same" for _, text in cells) == len(alike) > 0
    assert {text for _, text in cells} - {"the same"} == {
        show_signed("R@10", c.difference) for c in wanted if c not in alike
    }


def test_tasks_are_cut_into_runs_of_much_the_same_length() -> None:
    tasks = tuple("abcdefghijkl")
    for count, most in product(range(1, 13), range(0, 14)):
        runs = _split(tasks[:count], most)
        assert [task for run in runs for task in run] == list(tasks[:count])
        assert all(len(run) <= max(1, most) for run in runs)
    assert [len(run) for run in _split(tasks, 8)] == [6, 6]
    assert _split((), 8) == []


def test_convergence_claims_no_more_than_is_known(report: PairsReport) -> None:
    assert convergence_brief({})[0] == "Convergence unknown"
    assert convergence_brief({BASE: report.verdicts[BASE]})[0] == "Converged"
    heading, lines = convergence_brief(report.verdicts)
    assert (heading, lines) == ("Not everything had converged", ("AV_T, AV_T: still rising (seed 0)",))
    unknown = replace(report.verdicts[BASE][0], verdict="unknown")
    assert convergence_brief({BASE: (unknown,)})[0] == "Convergence unknown"
    assert convergence_brief({BASE: (unknown, report.verdicts[BASE][1])})[0] == "Convergence partly unknown"


def test_metrics_of_the_maker_are_those_of_the_tables(page: str) -> None:
    for metric in METRICS:
        assert f">{metric}</th>" in page
