from __future__ import annotations

import html
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from mmlora_report_cases import EMOTIONS, GENRES, LEVELS, WORDS, make_mmlora_report, paired
from rich.console import Console
from test_page import read

import trichord
from trichord.reports.mmlora import page as page_module
from trichord.reports.mmlora.class_figure import ordered_classes, plot_classes
from trichord.reports.mmlora.comparison_figure import plot_comparison
from trichord.reports.mmlora.confusion_figure import LEAST_LISTED, confusions, plot_confusion
from trichord.reports.mmlora.missing_figure import plot_missing
from trichord.reports.mmlora.page import render_mmlora_page, write_mmlora_page
from trichord.reports.mmlora.probe_figure import plot_probes
from trichord.reports.mmlora.rank_figure import plot_ranks
from trichord.reports.mmlora.record import MMLoRAReport
from trichord.reports.mmlora.terminal import print_mmlora

ANCHORS = ("methods", "rank", "under-training", "classes", "confusion", "missing", "choice", "cost", "protocol")
FIGURES = ("comparison", "ranks", "probes", "classes", "confusion", "missing")
GAIN = {("MMLoRA on video", "ensemble"): paired(1.6, 1.2, 0.012), ("MMLoRA on audio", "joint"): paired(-1.5, 1.2, 0.03)}


@pytest.fixture(scope="module")
def report() -> MMLoRAReport:
    return make_mmlora_report(differences=GAIN, behind={"audio": paired(-6.9, 2.2, 0.001)})


@pytest.fixture(scope="module")
def page(report: MMLoRAReport) -> str:
    return render_mmlora_page(report)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing: for tests that look at the words."""
    for name in FIGURES:
        monkeypatch.setattr(page_module, f"plot_{name}", lambda report: "<svg></svg>")


def printed(report: MMLoRAReport, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_mmlora(report, console)
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


def test_the_page_has_every_section_once_and_links_lead_somewhere(page: str) -> None:
    reader = read(page)
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = [value[1:] for _, name, value in reader.attributes if name == "href" and value.startswith("#")]
    links += re.findall(r"url\(#([^)]+)\)", page)
    assert set(links) <= set(ids)
    assert set(ANCHORS) <= set(ids) & set(links)
    assert reader.tags.count("svg") == len(FIGURES)


def test_figures_and_tables_can_be_read_without_seeing_them(page: str) -> None:
    reader = read(page)
    labels = [value for tag, name, value in reader.attributes if tag == "svg" and name == "aria-label"]
    assert len(labels) == len(set(labels)) == len(FIGURES)
    assert all(labels)
    for table in re.findall(r"<table.*?</table>", page, flags=re.S):
        assert 'scope="col"' in table or 'scope="row"' in table
    rows = re.findall(r"<tr>.*?</tr>", page.split('id="cost"')[1], flags=re.S)
    assert rows
    assert all('scope="' in row for row in rows)


def test_every_text_of_the_record_is_on_the_page(page: str, report: MMLoRAReport) -> None:
    text = read(page).text
    every = [*report.answers, *report.flags, *report.notes, *report.folders.values(), *report.classes]
    every += [row.name for row in report.methods] + [row.setting for row in report.methods]
    every += [report.title, report.fingerprint, "86,152", "1.4 MB", "perceptron of 128 and 128", "3 min 21 s", "2 runs"]
    for said in every:
        assert said in text, said


def test_every_number_of_the_main_table_is_from_the_record(page: str, report: MMLoRAReport) -> None:
    body = without_figures(page).split('<section id="methods">')[1].split("</section>")[0]
    text = html.unescape(re.sub(r"<[^>]+>", " ", body))
    known = {f"{value:.1f}" for value in report.chance.values()} | {"0.5", "0.001", "0.003", "0.3"}
    for row in report.methods:
        for found in row.metrics.values():
            known |= {f"{value:.1f}" for value in (found.value, found.low, found.high)}
            assert f"{found.value:.1f}" in text
        for pair in row.against.values():
            known |= {f"{abs(value):.1f}" for value in (pair.difference, pair.low, pair.high)} | {f"{pair.holm:.3f}"}
        known |= {f"{row.cost.seconds:.1f}"}
    shown = set(re.findall(r"\d+\.\d+", text.replace(trichord.__version__, "")))
    assert shown <= known, shown - known
    assert body.count('class="told"') == 2
    assert re.search(r"\+1\.6 <span class=\"told\">better</span>", body)
    assert re.search(r"−1\.5 <span class=\"told\">worse</span>", body)


def test_the_chosen_and_the_tried_are_on_the_page(page: str) -> None:
    body = read(without_figures(page).split('<section id="choice">')[1].split("</section>")[0]).text
    assert re.search(r"MMLoRA on video\s*video, audio\s*video\s*rank 64 \(largest tried\)\s*6\s*55\.7", body)
    assert re.search(r"expert video\s*video\s*–\s*nothing to choose\s*1\s*43\.7", body)
    assert "Which of the 3 rows of MMLoRA over ordinary experts is best" in body
    assert "picked among 18 settings" in body


def test_only_what_was_left_behind_is_called_so(page: str) -> None:
    body = without_figures(page).split('<section id="under-training">')[1].split("</section>")[0]
    assert body.count("<td>yes</td>") == 1
    assert body.count("<td>not shown</td>") == 3


@pytest.mark.usefixtures("plain")
def test_hostile_texts_are_escaped() -> None:
    hostile = "<script>alert('x')</script>\"& $\\frac{1}{$"
    made = make_mmlora_report(classes=(hostile, "b"))
    rows = tuple(replace(row, name=hostile) if row.name == "joint" else row for row in made.methods)
    made = replace(
        made, title=hostile, dataset=hostile, label=hostile, methods=rows, notes=(hostile,), flags=(hostile,)
    )
    page = render_mmlora_page(replace(made, answers=(hostile, hostile), folders={hostile: hostile}))
    assert "<script" not in page
    assert hostile in read(page).text
    assert "[bold]x[/bold]" in printed(replace(made, notes=("[bold]x[/bold]",), title="[bold]x[/bold]"))


def test_hostile_names_are_drawn() -> None:
    hostile = "$\\frac{1}{$ <b>"
    made = make_mmlora_report(classes=(hostile, "b"))
    rows = tuple(replace(row, name=hostile) if row.name == "joint" else row for row in made.methods)
    drawn = [plot(replace(made, methods=rows)) for plot in (plot_comparison, plot_classes, plot_confusion)]
    assert all(svg is not None and "&lt;b&gt;" in svg for svg in drawn)


@pytest.mark.usefixtures("plain")
def test_the_page_is_written_whole(tmp_path: Path) -> None:
    write_mmlora_page(tmp_path / "mmlora.html", make_mmlora_report())
    assert (tmp_path / "mmlora.html").read_text(encoding="utf-8").endswith("</html>\n")
    assert list(tmp_path.iterdir()) == [tmp_path / "mmlora.html"]


def test_a_report_of_one_modality_has_what_it_can_have() -> None:
    made = make_mmlora_report(("video",))
    reader = read(render_mmlora_page(made))
    there = {value for _, name, value in reader.attributes if name == "id"}
    assert {"methods", "rank", "classes", "confusion", "choice", "cost", "protocol"} <= there
    assert not {"under-training", "missing"} & there
    assert "it was compared with nothing" in reader.text
    assert "Less" not in reader.text
    text = printed(made)
    assert "Differences" not in text
    assert "expert video" in text


def test_an_empty_report_is_still_a_page() -> None:
    made = make_mmlora_report(
        methods=(),
        ranks=(),
        rank_effects=(),
        under_training=(),
        best="",
        answers=(),
        chance={},
        flags=(),
        notes=(),
        folders={},
    )
    reader = read(render_mmlora_page(made))
    assert "Nothing was concluded." in reader.text
    assert "svg" not in reader.tags
    assert "Methods on test" in printed(made)


@pytest.mark.usefixtures("plain")
def test_missing_figures_leave_dashes() -> None:
    made = make_mmlora_report()
    rows = tuple(
        replace(row, metrics={}, against={}, without={}, classes=(), confusion=()) if row.name == "joint" else row
        for row in made.methods
    )
    made = replace(made, methods=rows, chance={"accuracy": 13.3})
    text = read(render_mmlora_page(made)).text
    assert "None" not in text
    assert not re.search(r"\bnan\b", text)
    assert re.search(r"joint +[^\n]*–", printed(made, 110))


@pytest.mark.usefixtures("plain")
def test_the_memory_of_a_gpu_has_its_column_only_where_there_was_one() -> None:
    made = make_mmlora_report()
    assert "On the GPU" not in read(render_mmlora_page(made)).text
    first = made.methods[0]
    row = replace(first, cost=replace(first.cost, device_bytes=3_400_000_000))
    text = read(render_mmlora_page(replace(made, methods=(row, *made.methods[1:])))).text
    assert "On the GPU" in text
    assert "3.4 GB" in text


def test_fifty_one_classes_are_all_drawn() -> None:
    made = make_mmlora_report(classes=WORDS, levels={name: value + 38 for name, value in LEVELS.items()})
    classes = plot_classes(made)
    matrix = plot_confusion(made)
    assert classes is not None
    assert matrix is not None
    for svg, times in ((classes, 1), (matrix, 2)):
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
        assert all(texts.count(word) == times for word in WORDS)
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", matrix)]
    assert len(sizes) > 2 * len(WORDS)
    assert min(sizes) >= 5.5
    assert len(matrix) < 600_000


def test_names_that_would_touch_are_left_out() -> None:
    names = tuple(f"class {number}" for number in range(150))
    made = make_mmlora_report(classes=("a", "b"))
    table = tuple(tuple(100.0 if a == b else 0.0 for b in range(150)) for a in range(150))
    rows = tuple(replace(row, confusion=table) if row.name == made.best else row for row in made.methods)
    svg = plot_confusion(replace(made, classes=names, methods=rows))
    assert svg is not None
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert texts == ["answer → (rows and columns in the order of the classes under Protocol)"]


def test_the_hardest_class_comes_first(report: MMLoRAReport) -> None:
    lines = {line.name: line.recall for line in report.method(report.best).classes}
    found = [lines[name] for name in ordered_classes(report)]
    assert found == sorted(found)
    assert len(found) == len(EMOTIONS)
    several = make_mmlora_report(classes=GENRES, several=True)
    scores = {line.name: line.f1 for line in several.method(several.best).classes}
    ordered = [scores[name] for name in ordered_classes(several)]
    assert ordered == sorted(ordered)


@pytest.mark.usefixtures("plain")
def test_several_labels_have_no_confusion_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "plot_confusion", plot_confusion)
    made = make_mmlora_report(classes=GENRES, several=True)
    assert plot_confusion(made) is None
    assert confusions(made) == ()
    text = read(without_figures(render_mmlora_page(made))).text
    assert "Micro F1" in text
    assert "any number per item" in text
    assert "taken for what" not in text


def test_the_list_of_confusions_holds_the_largest() -> None:
    made = make_mmlora_report(classes=("a", "b", "c"))
    table = ((90.0, 4.0, 6.0), (30.0, 70.0, 0.0), (0.0, 4.9, 95.1))
    rows = tuple(replace(row, confusion=table) if row.name == made.best else row for row in made.methods)
    found = confusions(replace(made, methods=rows))
    assert [(one.true, one.answer, one.share) for one in found] == [("b", "a", 30.0), ("a", "c", 6.0)]
    assert all(one.share >= LEAST_LISTED for one in found)


def test_marks_are_filled_where_a_difference_is_claimed(report: MMLoRAReport) -> None:
    svg = plot_comparison(report)
    level = plot_comparison(make_mmlora_report())
    assert svg is not None
    assert level is not None

    def hollow(drawn: str) -> int:
        return len(re.findall(r"<use[^>]*fill: var\(--paper", drawn))

    assert hollow(level) == sum(len(set(row.against) & {"ensemble", "joint"}) for row in report.methods)
    assert hollow(level) - hollow(svg) == 2


def test_every_placement_has_a_panel_and_a_ring(report: MMLoRAReport) -> None:
    svg = plot_ranks(report)
    assert svg is not None
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    for name in (
        "MMLoRA on video",
        "MMLoRA on all over LoRA experts",
        "on test",
        "on val",
        "ensemble",
        "joint",
        "classifier alone",
    ):
        assert name in texts
    assert texts.count("64") == 4
    assert plot_ranks(replace(report, ranks=())) is None
    for made in (replace(report, under_training=()), make_mmlora_report(("video",))):
        assert plot_probes(made) is None
    assert plot_missing(make_mmlora_report(("video",))) is None


def test_three_removed_modalities_have_three_panels() -> None:
    svg = plot_missing(make_mmlora_report(("video", "audio", "text")))
    assert svg is not None
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert [text for text in texts if text.startswith("Without")] == ["Without video", "Without audio", "Without text"]


def test_what_the_matrices_add_has_its_table(page: str, report: MMLoRAReport) -> None:
    body = without_figures(page).split("<h3>What the matrices add</h3>")[1].split("</section>")[0]
    rows = re.findall(r"<tr>(?!<th scope=\"col\").*?</tr>", body, flags=re.S)
    assert len(rows) == sum(row.family == "mmlora" for row in report.methods)
    assert all(row.count("<td") == 2 and "–</td>" not in row for row in rows)
    assert "only the classifier on top learns anew" in body
    assert "What the matrices add" not in read(render_mmlora_page(make_mmlora_report(("video",)))).text


@pytest.mark.usefixtures("plain")
def test_effects_of_the_rank_have_their_table() -> None:
    made = make_mmlora_report(effects={"MMLoRA on all": paired(3.0, 1.0, 0.012)})
    body = render_mmlora_page(made).split('aria-label="Chosen rank less the smallest"')[1].split("</table>")[0]
    text = read(f"{body}</table>").text
    assert re.search(r"MMLoRA on all\s*16\s*1\s*\+3\.0 better\s*\+2\.0 to \+4\.0\s*p = 0\.012", text)
    assert body.count('class="told"') == 1
    assert "Chosen rank less" not in render_mmlora_page(replace(made, rank_effects=()))


@pytest.mark.usefixtures("plain")
def test_what_intervals_hold_is_told_with_its_sources() -> None:
    few = make_mmlora_report(sources=4)
    text = read(render_mmlora_page(few)).text
    assert "interval, over 240 items of 4 sources and 5 seeds, excludes zero" in text
    assert "4 in split test; intervals hold other items of these, not other sources" in text
    assert "95 % interval over 240 items of 4 sources and 5 seeds." in " ".join(printed(few).split())
    own = read(render_mmlora_page(replace(few, sources=240))).text
    assert "240 in split test" in own
    assert "not other sources" not in own
    none = read(render_mmlora_page(replace(few, sources=None))).text
    assert "over 240 items and 5 seeds, excludes zero" in none
    assert "Sources" not in none


@pytest.mark.usefixtures("plain")
def test_settings_at_an_end_are_marked(report: MMLoRAReport) -> None:
    text = read(render_mmlora_page(report)).text
    assert text.count("rank 64 (largest tried)") == text.count("distillation weight 0.3 (smallest tried)") == 2
    for width in (80, 120):
        words = " ".join(printed(report, width).split())
        assert "(largest tried)" in words
        assert "(smallest tried)" in words
    inside = replace(report, methods=tuple(replace(row, at_edge="") for row in report.methods))
    assert "tried)" not in read(render_mmlora_page(inside)).text
    assert "tried)" not in printed(inside)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_terminal_loses_nothing(report: MMLoRAReport, width: int) -> None:
    text = printed(report, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text, "nothing is cut"
    words = " ".join(text.split())
    for said in (*report.answers, *report.notes, *report.flags):
        assert " ".join(said.split()) in words or width < 120
    assert re.search(r"54\.4±3\.8 +52\.5±3\.8 +3,424 +2\.4 s", text)
    assert "+1.6 [+0.4, +2.8], p = 0.012 ↑" in text
    assert "−1.5 [−2.7, −0.3], p = 0.030 ↓" in text
    assert text.count("↑") == text.count("↓") == 2
    assert re.search(r"25\.1±3\.8 +32\.0±3\.8 +−6\.9 \[−9\.1, −4\.7\], p = 0\.001 +yes", text)
    assert text.count("not shown") >= 3
    assert re.search(r"53\.3 +53\.5 +53\.7 +53\.9 +54\.1 +\[54\.3\]", text)
    assert "rank 64" in text
    assert re.search(r"chance +13\.3 +2\.9", text)
