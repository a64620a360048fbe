"""The report as one self-contained HTML file that loads nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trichord.files import write_text
from trichord.metrics.bootstrap import Estimate
from trichord.reports.graphs.words import show_seconds
from trichord.reports.mmlora.class_figure import class_lines, plot_classes
from trichord.reports.mmlora.comparison_figure import plot_comparison
from trichord.reports.mmlora.confusion_figure import confusions, plot_confusion
from trichord.reports.mmlora.look import LOOKS
from trichord.reports.mmlora.missing_figure import plot_missing, removable, removed
from trichord.reports.mmlora.probe_figure import plot_probes
from trichord.reports.mmlora.rank_figure import level_rows, plot_ranks
from trichord.reports.mmlora.record import MethodRow, MMLoRAReport
from trichord.reports.mmlora.standing import (
    adapted_rows,
    candidates,
    curves,
    find_row,
    left_behind,
    main_controls,
    own_controls,
    reservation,
    standing,
)
from trichord.reports.mmlora.words import (
    class_measure,
    class_value,
    drawn_over,
    marked_setting,
    show_share,
    show_size,
    title_of,
)
from trichord.reports.numbers import counted, listed, show, show_p
from trichord.reports.plot_style import VARIABLES
from trichord.reports.template import render


def write_mmlora_page(path: str | Path, report: MMLoRAReport) -> None:
    """Write the page, atomically.

    Raises:
        TrichordError: matplotlib or jinja2 is not installed.
    """
    write_text(path, render_mmlora_page(report))


def render_mmlora_page(report: MMLoRAReport) -> str:
    """Return the page as HTML. Every text is escaped: names of classes, methods and folders are foreign."""
    figures = {
        "comparison": plot_comparison(report),
        "ranks": plot_ranks(report),
        "probes": plot_probes(report),
        "classes": plot_classes(report),
        "confusion": plot_confusion(report),
        "missing": plot_missing(report),
    }
    return render("mmlora/page.html", title=report.title, figures=figures, **_context(report, figures))


def _context(report: MMLoRAReport, figures: dict[str, str | None]) -> dict[str, Any]:
    return {
        "report": report,
        "subtitle": _subtitle(report),
        "sections": _sections(report, figures),
        "metric": report.metrics[0],
        "best": find_row(report, report.best),
        "adapted": adapted_rows(report),
        "candidates": candidates(report),
        "joint": next((row for row in report.methods if row.family == "joint"), None),
        "controls": main_controls(report),
        "own_controls": own_controls(report),
        "levels": [row.name for row in level_rows(report)],
        "drawn_over": drawn_over(report),
        "marked": any(row.setting and row.at_edge for row in report.methods),
        "look": {row.name: VARIABLES[LOOKS[row.family]["color"]] for row in report.methods},
        "is_best": lambda row, metric: _is_best(report, row, metric),
        "curves": curves(report),
        "class_lines": class_lines(report),
        "class_measure": class_measure(report),
        "class_value": lambda line: class_value(report, line),
        "confusions": confusions(report),
        "removable": removable(report),
        "removed": removed(report),
        "on_gpu": any(row.cost.device_bytes is not None for row in report.methods),
        "protocol": _protocol(report),
        "left_behind": left_behind,
        "reservation": reservation,
        "standing": standing,
        "ends": _ends,
        "marked_setting": marked_setting,
        "title_of": title_of,
        "listed": lambda words: listed(list(words)),
        "show_p": show_p,
        "show_seconds": show_seconds,
        "show_share": show_share,
        "show_size": show_size,
    }


def _subtitle(report: MMLoRAReport) -> str:
    return " · ".join(
        [
            f"data: {report.dataset}, {_letters(report)}",
            f"{len(report.classes)} classes of {report.label}",
            f"everything chosen on split {report.validation}, reported on split {report.split}",
            counted(len(report.seeds), "seed"),
        ]
    )


def _letters(report: MMLoRAReport) -> str:
    return listed([f"{name} ({letter})" for name, letter in report.modalities.items()])


def _sections(report: MMLoRAReport, figures: dict[str, str | None]) -> list[tuple[str, str]]:
    every: list[tuple[str, str, object]] = [
        ("methods", "Methods", True),
        ("rank", "Ranks", figures["ranks"]),
        ("under-training", "Under-training", report.under_training),
        ("classes", "Classes", figures["classes"]),
        ("confusion", "Confusions", figures["confusion"]),
        ("missing", "Missing modality", figures["missing"]),
        ("choice", "What was chosen", True),
        ("cost", "Cost", True),
        ("protocol", "Protocol", True),
    ]
    return [(anchor, words) for anchor, words, there in every if there]


def _is_best(report: MMLoRAReport, row: MethodRow, metric: str) -> bool:
    """Whether no method does better by a measure; of a single one nothing is said."""
    values = [one.metrics[metric].value for one in report.methods if metric in one.metrics]
    return len(values) > 1 and metric in row.metrics and row.metrics[metric].value == max(values)


def _ends(metric: str, found: Estimate) -> str:
    return f"{show(metric, found.low)}–{show(metric, found.high)}"


def _sources(report: MMLoRAReport) -> list[tuple[str, str]]:
    if report.sources is None:
        return []
    said = f"{report.sources:,} in split {report.split}"
    alike = report.sources < report.items.get(report.split, 0)
    return [("Sources", f"{said}; intervals hold other items of these, not other sources" if alike else said)]


def _protocol(report: MMLoRAReport) -> list[tuple[str, str]]:
    splits = listed([f"{name} {number:,}" for name, number in report.items.items()])
    labels = "any number per item" if report.several else "one per item"
    chance = listed([f"{metric} {show(metric, value)}" for metric, value in report.chance.items()])
    deciding = f"by {report.metrics[0]} on split {report.validation}, mean over seeds, for every method"
    return [
        ("Data", f"{report.dataset}, fingerprint {report.fingerprint}"),
        ("Items", splits),
        *_sources(report),
        ("Classes", f"{len(report.classes)} of {report.label}, {labels}: {', '.join(report.classes)}"),
        *[(f"Encoder of {name}", words) for name, words in report.encoders.items()],
        ("Learnt from", listed([f"split {name}" for name in report.fit_splits])),
        ("Chosen", deciding),
        (
            "Reported",
            f"split {report.split}, after everything was chosen; an item that holds none of a method's inputs counts "
            "as wrong",
        ),
        ("Seeds", listed([str(seed) for seed in report.seeds])),
        *([("Chance", f"{chance}, by always naming the most frequent class of what is learnt from")] if chance else []),
        ("Time", f"{show_seconds(report.seconds)}, {counted(report.workers, 'run')} at once"),
    ]
