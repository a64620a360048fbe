"""Every method by the deciding measure, and its paired differences from the controls beside it."""

from __future__ import annotations

from typing import Any

from trichord.reports.mmlora.look import (
    LOOKS,
    draw_estimate,
    draw_paired,
    label_width,
    name_lines,
    pad,
    write_value,
)
from trichord.reports.mmlora.record import MMLoRAReport
from trichord.reports.mmlora.standing import main_controls, standing
from trichord.reports.mmlora.words import title_of
from trichord.reports.numbers import show
from trichord.reports.plot_style import FAINT, Margins, name_panel, panels, to_svg, verbatim

LINE = 0.3
"""Height of one method in inches."""


def plot_comparison(report: MMLoRAReport) -> str | None:
    """Draw a dot with its interval per method, and a panel of differences per main control; None without a measure.

    Differences are filled where a difference is claimed.
    """
    metric = report.metrics[0]
    rows = [row for row in report.methods if metric in row.metrics]
    if not rows:
        return None
    against = main_controls(report)
    names = [row.name for row in rows]
    margins = Margins(left=label_width(names), right=0.15, bottom=0.5, columns=0.3)
    figure, grid = panels(1, 1 + len(against), 0.15 + LINE * len(rows), margins)
    colours = [LOOKS[row.family]["color"] for row in rows]
    bold = (report.best, *against)
    for axes in grid:
        name_lines(axes, names, colours, shown=axes is grid[0], bold=bold)
    values = [report.chance[metric]] if metric in report.chance else []
    for place, row in enumerate(rows):
        found = row.metrics[metric]
        draw_estimate(grid[0], place, found, LOOKS[row.family])
        write_value(grid[0], place, show(metric, found.value), bold=row.name in bold)
        values += [found.low, found.high]
    if metric in report.chance:
        grid[0].axvline(report.chance[metric], color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
    pad(grid[0], values, right=0.2)
    name_panel(grid[0], title_of(metric), verbatim(f"% on {report.split}; dashed: chance"))
    for axes, control in zip(grid[1:], against, strict=True):
        _draw_differences(axes, report, control)
    return to_svg(figure, "comparison", f"{metric} of every method, and its difference from {' and '.join(against)}")


def _draw_differences(axes: Any, report: MMLoRAReport, control: str) -> None:
    bounds = [0.0]
    rows = [row for row in report.methods if report.metrics[0] in row.metrics]
    for place, row in enumerate(rows):
        if control in row.against:
            found = row.against[control]
            draw_paired(axes, place, found, LOOKS[row.family], filled=standing(found) != "no difference shown")
            bounds += [found.low, found.high]
    axes.axvline(0.0, color=FAINT, linewidth=0.9, zorder=0)
    pad(axes, bounds)
    name_panel(axes, f"Minus {control}", "points, paired")
