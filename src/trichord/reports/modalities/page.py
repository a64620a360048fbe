"""The reports as one self-contained HTML file, or each as a section for another page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from trichord.errors import RunError
from trichord.evaluation.space import SpaceReport, average_reports
from trichord.files import write_json, write_text
from trichord.modality import spell_pair
from trichord.reports.modalities.changes import DEPTH
from trichord.reports.modalities.figure import plot_modalities
from trichord.reports.modalities.report import METRIC, SHOWN, VERSION, ModalityReport
from trichord.reports.numbers import counted, listed, show_p
from trichord.reports.template import render

JSON_FILE, PAGE_FILE = "modalities.json", "modalities.html"
MOST = 20
"""Won and lost queries a page shows; the JSON file has all."""


def write_modalities(folder: str | Path, reports: Sequence[ModalityReport]) -> Path:
    """Write modalities.json and modalities.html, each atomically; return the path of the page.

    Raises:
        TrichordError: matplotlib or jinja2 is not installed.
    """
    page = render_modalities(reports)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / JSON_FILE, {"version": VERSION, "reports": [report.to_dict() for report in reports]})
    write_text(folder / PAGE_FILE, page)
    return folder / PAGE_FILE


def render_modalities(reports: Sequence[ModalityReport]) -> str:
    """Return the page of several reports."""
    if not reports:
        raise RunError("there is no report to show; ask about at least one task of one model")
    names = {f"modalities-{number}": report for number, report in enumerate(reports)}
    added = listed(list(dict.fromkeys(name for report in reports for name in report.question.added)))
    return render(
        "modalities/page.html",
        title=f"Does {added} help here?",
        figures={anchor: render_section(report, anchor) for anchor, report in names.items()},
        subtitle=_subtitle(reports),
        sections=[(anchor, heading(report)) for anchor, report in names.items()],
        answers=[(anchor, heading(report), report.answer) for anchor, report in names.items()],
    )


def heading(report: ModalityReport) -> str:
    """Name a report: "T>VA, AVT"."""
    return f"{report.question.spelling}, {report.label}"


def render_section(report: ModalityReport, anchor: str = "modalities") -> str:
    """Return one report as a `<section>` for any page that has the styles of this package.

    Hand it to `render` among the figures of that page, which are put in as they are.

    Args:
        report: the report.
        anchor: its id, unique on the page.
    """
    question = report.question
    flags = [f"{way.name}: {flag}" for way in report.ways for flag in way.flags]
    cautions = [note for note in report.notes if note.startswith("Caution")]
    return render(
        "modalities/section.html",
        title="",
        figures={"ways": plot_modalities(report, anchor)},
        report=report,
        anchor=anchor,
        heading=heading(report),
        task=question.spelling,
        first=question.letters([question.first]),
        all=question.letters(question.several),
        added=listed(question.added),
        best=report.best_alone,
        metric=METRIC,
        metrics=SHOWN,
        most=MOST,
        warnings=[*cautions, *flags],
        measured=_measured(report),
        changed=describe_changes(report),
        spaces=mean_spaces(report),
        plain_notes=[note for note in report.notes if note not in cautions],
        show_p=show_p,
        show_plain=show_plain,
    ).strip()


def mean_spaces(report: ModalityReport) -> list[tuple[str, SpaceReport]]:
    """Return every pair, spelled, with its description averaged over seeds, adapter by adapter."""
    order = {seed: number for number, seed in enumerate(report.seeds)}
    found: dict[tuple[str, str], list[SpaceReport]] = {}
    for _, space in sorted(report.space, key=lambda entry: order[entry[0]]):
        found.setdefault((space.adapter, spell_pair(space.pair, report.question.known)), []).append(space)
    return [(pair, average_reports(of)) for (_, pair), of in found.items()]


def show_plain(value: float, decimals: int = 2) -> str:
    """Write a number without a unit, with a real minus."""
    return f"{value:.{decimals}f}".replace("-", "−")


def describe_changes(report: ModalityReport) -> str:
    """Say in words how many queries are won and lost."""
    changes, question = report.changes, report.question
    if not changes.won and not changes.lost:
        return (
            f"None: the fitted weights leave {question.letters([question.first])} alone, so that every query has the "
            "rank it had."
        )
    stored = "" if report.captions_stored else " The data store no text of captions; queries are named by their item."
    return (
        f"Weighted scores against {question.letters([question.first])} alone, by mean reciprocal rank"
        f"{' over seeds' if len(report.seeds) > 1 else ''}: {len(changes.won)} won, {len(changes.lost)} lost, "
        f"{changes.unchanged} unchanged; {changes.entered} came in among the first {DEPTH}, {changes.left} fell out. "
        f"All are in {JSON_FILE}.{stored}"
    )


def _measured(report: ModalityReport) -> str:
    lacking = [f"{number} lack {name}" for name, number in report.lacking.items() if number]
    return (
        f"{report.dataset}, split {report.split}: {report.num_queries} queries, {counted(report.num_items, 'item')}"
        f"{f', of which {listed(lacking)}' if lacking else ''}; {counted(len(report.seeds), 'seed')}; protocol "
        f"{report.protocol}."
    )


def _subtitle(reports: Sequence[ModalityReport]) -> str:
    first = reports[0]
    tasks = list(dict.fromkeys(report.question.spelling for report in reports))
    models = [label for label, _ in groupby(report.label for report in reports)]
    return (
        f"data: {first.dataset}, split {first.split}; weights fitted on {first.validation} · "
        f"{counted(len(tasks), 'task')} · {counted(len(dict.fromkeys(models)), 'model')}"
    )
