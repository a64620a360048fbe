"""The table of the lab as one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

from trichord.files import write_text
from trichord.reports.lab.figures import CHECKS, LAB_NOTE, METRICS, PUBLISHED_NOTE, ROUNDS, show_quoted
from trichord.reports.lab.table import TASK, LabTable
from trichord.reports.template import render

TITLE = "The table of the lab, reproduced"


def write_lab_page(path: Path, table: LabTable, links: dict[str, dict[str, str]]) -> None:
    """Write the page, atomically.

    Args:
        path: where.
        table: the table.
        links: data set -> words -> address of a page with more, relative to this one.
    """
    page = render(
        "lab/page.html",
        title=TITLE,
        figures={},
        table=table,
        task=TASK,
        metrics=METRICS,
        rounds=ROUNDS,
        checks=CHECKS,
        lab_note=LAB_NOTE,
        published_note=PUBLISHED_NOTE,
        links=links,
        show_quoted=show_quoted,
    )
    write_text(path, page)
