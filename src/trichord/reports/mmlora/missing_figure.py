"""What a removed modality costs, method by method."""

from __future__ import annotations

from trichord.reports.mmlora.look import (
    LOOKS,
    draw_estimate,
    label_width,
    name_lines,
    pad,
    write_value,
)
from trichord.reports.mmlora.record import MethodRow, MMLoRAReport
from trichord.reports.mmlora.standing import main_controls
from trichord.reports.mmlora.words import title_of
from trichord.reports.numbers import show
from trichord.reports.plot_style import FAINT, Margins, name_panel, panels, to_svg, verbatim

LINE = 0.32
MOST_COLUMNS = 3


def removable(report: MMLoRAReport) -> list[MethodRow]:
    """Return the methods that were measured with a modality removed."""
    return [row for row in report.methods if row.without and report.metrics[0] in row.metrics]


def removed(report: MMLoRAReport) -> list[str]:
    """Return the modalities that were removed, in the order of the data set."""
    found = dict.fromkeys(modality for row in removable(report) for modality in row.without)
    return sorted(found, key=lambda name: list(report.modalities).index(name) if name in report.modalities else 0)


def plot_missing(report: MMLoRAReport) -> str | None:
    """Draw a panel per removed modality: what is left, filled, and what the whole scores, as a tick; None without."""
    rows, modalities = removable(report), removed(report)
    if not rows:
        return None
    metric = report.metrics[0]
    names = [row.name for row in rows]
    columns = min(MOST_COLUMNS, len(modalities))
    lines = -(-len(modalities) // columns)
    margins = Margins(left=label_width(names), right=0.15, bottom=0.5, columns=0.3, rows=0.9)
    figure, grid = panels(lines, columns, 0.15 + LINE * len(rows), margins, used=len(modalities))
    values = [report.chance[metric]] if metric in report.chance else []
    for row in rows:
        values += [row.metrics[metric].value]
        values += [end for found in row.without.values() for end in (found.low, found.high)]
    for number, (axes, modality) in enumerate(zip(grid, modalities, strict=True)):
        colours = [LOOKS[row.family]["color"] for row in rows]
        shown = number % columns == 0
        name_lines(axes, names, colours, shown=shown, bold=(report.best, *main_controls(report)))
        for place, row in enumerate(rows):
            whole, colour = row.metrics[metric].value, LOOKS[row.family]["color"]
            axes.plot([whole], [place], marker="|", markersize=11, color=colour, markeredgewidth=1.6)
            if modality in row.without:
                left = row.without[modality]
                axes.plot([left.value, whole], [place, place], color=colour, linewidth=0.8, linestyle=(0, (1, 2)))
                draw_estimate(axes, place, left, LOOKS[row.family])
                write_value(axes, place, show(metric, left.value), bold=row.name == report.best)
        if metric in report.chance:
            axes.axvline(report.chance[metric], color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
        pad(axes, values, right=0.2)
        name_panel(axes, f"Without {modality}", verbatim(f"{title_of(metric)}, % on {report.split}"))
    return to_svg(figure, "missing-plot", f"{metric} of every method with each modality removed")
