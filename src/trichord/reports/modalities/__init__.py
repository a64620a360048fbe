"""Does a further modality help? One task, one data set, one model: every way of answering, tested, with its queries."""

from trichord.reports.modalities.build import Choosing, SeedViews, build_modality_report
from trichord.reports.modalities.measure import SplitNames, ask, measure_modalities
from trichord.reports.modalities.page import render_modalities, render_section, write_modalities
from trichord.reports.modalities.question import Question
from trichord.reports.modalities.report import ModalityReport
from trichord.reports.modalities.terminal import print_modalities

__all__ = [
    "Choosing",
    "ModalityReport",
    "Question",
    "SeedViews",
    "SplitNames",
    "ask",
    "build_modality_report",
    "measure_modalities",
    "print_modalities",
    "render_modalities",
    "render_section",
    "write_modalities",
]
