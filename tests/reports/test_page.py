from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from report_maker import FAST
from rich.console import Console

from trichord.errors import RunError
from trichord.reports import (
    Entry,
    Table,
    build_table,
    draw_figures,
    load_entries,
    print_table,
    render_markdown,
    render_page,
    write_page,
)
from trichord.reports.curves import StageVerdict

VOID = {"meta", "link", "br"}


class Reader(HTMLParser):
    """Collects attributes, text and the balance of tags."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def page(table: Table, entries: tuple[Entry, ...]) -> str:
    return render_page(table, entries, "A study")


def test_the_page_loads_nothing_from_elsewhere(page: str) -> None:
    reader = read(page)
    for tag, name, value in reader.attributes:
        if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            assert value.startswith("#") or value == "data:,", f"<{tag} {name}={value}>"
    assert "@import" not in page
    assert "script" not in reader.tags
    assert not re.search(r"url\((?!#)", page)
    elsewhere = set(re.findall(r"https?://[^\"'\s<]+", page))
    assert elsewhere <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}, elsewhere


def test_the_page_holds_every_order_figure_and_number(page: str, table: Table) -> None:
    reader = read(page)
    for label in table.labels:
        assert label in reader.text
    for anchor in ("summary", "forest", "tables", "paired", "curves", "ranks", "settings", "protocol", "environment"):
        assert ("section", "id", anchor) in reader.attributes
    assert reader.tags.count("svg") == 4
    for row in table.rows:
        assert (f"{row.mean:.3f}" if row.metric == "MRR" else f"{row.mean:.1f}") in reader.text
    assert "still rising" in reader.text
    assert table.protocols["T>V"].fingerprint in reader.text
    assert "2.13.0" in reader.text
    for note in table.notes:
        assert str(note) in reader.text


def rows_of(page: str, section: str) -> list[list[str]]:
    """The texts of the cells of every row of the first table of a section."""
    inside = page.split(f'id="{section}"')[1].split("<table")[1].split("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", inside, re.S)
    return [
        [re.sub(r"<[^>]+>|\s+", " ", cell).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
        for row in rows
    ]


def test_winners_are_orders_and_baselines_stand_beside_them(page: str, table: Table) -> None:
    heading, *lines = rows_of(page, "summary")
    assert heading[1] == "Best order"
    assert heading[-1] == "linear CCA"
    assert len(lines) == len(table.tasks)
    for task, line in zip(table.tasks, lines, strict=True):
        orders = [row for row in table.column(task, "R@10") if row.kind == "trained"]
        best = max(orders, key=lambda row: row.mean)
        baseline = table.row("linear CCA", task, "R@10")
        assert baseline is not None
        assert line[0].replace("&gt;", ">") == task
        assert line[1] == best.label
        assert all("linear CCA" not in cell for cell in line)
        difference = f"{abs(baseline.mean - best.mean):.1f}"
        sign = "+" if baseline.mean > best.mean else "−"
        assert line[-1].startswith(f"{baseline.mean:.1f} ({sign}{difference}, p")


def test_the_baseline_is_spoken_of_right_under_the_headline(page: str) -> None:
    lead, after = page.split('<p class="lead">')[1].split("</p>", 1)
    assert "linear CCA" not in lead
    assert after.strip().startswith("<p>The baseline linear CCA is ")


def test_a_baseline_that_reaches_the_best_order_has_a_mark_of_its_own(page: str, table: Table) -> None:
    cells = {kind: len(re.findall(rf'<td class="number {kind}[ "]', page)) for kind in ("best", "reaches")}
    summary = len(table.tasks)
    assert cells["best"] == sum(row.best_order for row in table.rows) + summary
    assert cells["reaches"] == sum(row.reaches_best for row in table.rows) > 0


def test_marks_are_about_the_best_order_and_not_about_the_best_of_all(
    page: str, table: Table, entries: tuple[Entry, ...]
) -> None:
    without = replace(table, rows=tuple(replace(row, best=False) for row in table.rows))
    assert render_page(without, entries, "A study") == page
    assert render_markdown(without) == render_markdown(table)
    written = []
    for each in (table, without):
        console = Console(width=100, file=io.StringIO(), force_terminal=True)
        print_table(each, console)
        written.append(console.file.getvalue())  # type: ignore[attr-defined]
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("verdicts", "heading"),
    [
        (("flat", "flat"), "Converged"),
        (("flat", "rising"), "Not everything had converged"),
        (("unknown", "falling"), "Not everything had converged"),
        (("flat", "unknown"), "Convergence partly unknown"),
        (("unknown", "unknown"), "Convergence unknown"),
    ],
)
def test_the_page_does_not_claim_more_about_convergence_than_is_known(
    table: Table, entries: tuple[Entry, ...], verdicts: tuple[str, ...], heading: str
) -> None:
    judged = tuple(StageVerdict(seed, "AVT", verdict, verdict, 3, 9) for seed, verdict in enumerate(verdicts))
    page = render_page(replace(table, verdicts={"AVT": judged}), entries, "A study")
    assert f"<strong>{heading}</strong>" in page


def test_ids_are_unique_and_links_lead_somewhere(page: str) -> None:
    reader = read(page)
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = [value[1:] for _, name, value in reader.attributes if name == "href" and value.startswith("#")]
    links += re.findall(r"url\(#([^)]+)\)", page)
    assert links
    assert set(links) <= set(ids)


def test_hostile_labels_titles_and_paths_are_escaped(table: Table, entries: tuple[Entry, ...]) -> None:
    hostile = "<script>alert('x')</script>\"& $\\frac{1}{$"
    renamed = [replace(entries[0], label=hostile, folders=(Path("/tmp/<img src=x>"),) * 2), *entries[1:]]
    page = render_page(build_table(renamed, effort=FAST), renamed, f"Title {hostile}")
    reader = read(page)
    assert "script" not in reader.tags
    assert "img" not in reader.tags
    assert "&lt;script&gt;" in page
    assert hostile in reader.text


def test_entries_of_another_table_are_refused(table: Table, entries: tuple[Entry, ...]) -> None:
    with pytest.raises(RunError, match="pass the entries the table was built from"):
        render_page(table, entries[:2], "A study")


def test_the_page_of_a_single_run_without_rivals(study: Sequence[Path], tmp_path: Path) -> None:
    entries = load_entries(study[:1])
    table = build_table(entries, effort=FAST)
    write_page(tmp_path / "report.html", table, entries, "One run")
    reader = read((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert ("section", "id", "paired") not in reader.attributes
    assert "; there is no other order to compare it with." in reader.text
    assert list(tmp_path.iterdir()) == [tmp_path / "report.html"]


def test_baselines_alone_have_a_page(study: Sequence[Path]) -> None:
    entries = load_entries(study[-1:])
    reader = read(render_page(build_table(entries, effort=FAST), entries, "Baseline"))
    assert ("section", "id", "curves") not in reader.attributes
    assert "nothing can be said about convergence" in reader.text
    assert "the baseline linear CCA is best on T>V, V>T and T>VA (there is no other baseline)" in reader.text
    assert "best order" not in reader.text.split("All numbers")[0], "there is none to compare with"


def test_every_figure_is_one_svg_element_the_same_every_time(
    page: str, table: Table, entries: tuple[Entry, ...]
) -> None:
    before = dict(matplotlib.rcParams)
    figures = draw_figures(table, entries)
    assert set(figures) == {"forest", "differences", "curves", "ranks"}
    for name, svg in figures.items():
        assert svg is not None
        root = ElementTree.fromstring(svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.attrib["aria-label"]
        written = "".join(root.itertext())
        for label in table.labels:
            if name != "curves" or label != "linear CCA":
                assert label in written, f"{name} does not name {label}"
        assert "var(--series-1, #0b63a8)" in svg, "colours follow the page"
        assert svg in page, "the page was drawn from the same numbers"
    assert dict(matplotlib.rcParams) == before, "drawing leaves global settings alone"
