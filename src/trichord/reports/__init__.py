"""Comparing runs and baselines: one table, its statistics, and its forms on the terminal, as files and as a page."""

from trichord.reports.build import build_table
from trichord.reports.entries import Entry, is_baseline, load_baseline, load_entries, save_baseline
from trichord.reports.export import render_csv, render_json, render_markdown, write_table
from trichord.reports.outcomes import Winners, contenders, winners
from trichord.reports.page import draw_figures, render_page, write_page
from trichord.reports.paired import Effort
from trichord.reports.results import print_results
from trichord.reports.summary import Summary, summarise_table
from trichord.reports.table import Note, PairedRow, Row, Table
from trichord.reports.terminal import print_table, render_terminal

__all__ = [
    "Effort",
    "Entry",
    "Note",
    "PairedRow",
    "Row",
    "Summary",
    "Table",
    "Winners",
    "build_table",
    "contenders",
    "draw_figures",
    "is_baseline",
    "load_baseline",
    "load_entries",
    "print_results",
    "print_table",
    "render_csv",
    "render_json",
    "render_markdown",
    "render_page",
    "render_terminal",
    "save_baseline",
    "summarise_table",
    "winners",
    "write_page",
    "write_table",
]
