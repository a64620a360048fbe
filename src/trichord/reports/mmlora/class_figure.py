"""Every class under the best MMLoRA and the controls: one line per class, its hardest ones first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trichord.evaluation.class_results import ClassLine
from trichord.reports.mmlora.look import LOOKS, label_width, name_lines, write_key
from trichord.reports.mmlora.record import MMLoRAReport
from trichord.reports.mmlora.standing import leading_rows
from trichord.reports.mmlora.words import class_measure, class_value
from trichord.reports.plot_style import INK, PAPER, RULE, Margins, name_panel, panels, to_svg

COLUMN_STARTS = (1, 13, 31)
"""From so many classes on, they stand in one, two, three columns."""
LINE = 0.25
OUTER = 1.6
"""By how much a mark is larger than the one drawn over it, so that equal values are all seen."""


def class_lines(report: MMLoRAReport) -> dict[str, Mapping[str, ClassLine]]:
    """Method -> class -> its line, of the methods that are shown class by class and have such lines."""
    return {row.name: {line.name: line for line in row.classes} for row in leading_rows(report) if row.classes}


def ordered_classes(report: MMLoRAReport) -> list[str]:
    """Return the classes, the hardest of the first method first; ties in the order of the data set."""
    first = next(iter(class_lines(report).values()), {})
    known = [name for name in report.classes if name in first]
    return sorted(known, key=lambda name: class_value(report, first[name]))


def plot_classes(report: MMLoRAReport) -> str | None:
    """Draw one dot per class and method; None where no method has classes."""
    lines = class_lines(report)
    classes = ordered_classes(report)
    if not classes:
        return None
    columns = sum(len(classes) >= start for start in COLUMN_STARTS)
    height = -(-len(classes) // columns)
    parts = [classes[start : start + height] for start in range(0, len(classes), height)]
    left = min(2.4, label_width(classes))
    margins = Margins(left=left, right=0.15, top=0.7, bottom=0.5, columns=left + 0.15)
    figure, grid = panels(1, columns, 0.15 + LINE * height, margins, used=len(parts))
    looks = {row.name: LOOKS[row.family] for row in leading_rows(report)}
    for axes, part in zip(grid, parts, strict=True):
        name_lines(axes, part, [INK] * len(part), shown=True, bold=())
        axes.set_ylim(height - 0.4, -0.6)
        axes.set_xlim(-3, 103)
        axes.set_xticks([0, 25, 50, 75, 100])
        for place, name in enumerate(part):
            _draw_class(
                axes, place, {method: class_value(report, found[name]) for method, found in lines.items()}, looks
            )
        name_panel(axes, "", f"{class_measure(report)} in %")
    write_key(figure, [(name, looks[name]) for name in lines])
    return to_svg(figure, "classes-plot", f"{class_measure(report)} of every class under {', '.join(lines)}")


def _draw_class(axes: Any, place: int, values: Mapping[str, float], looks: Mapping[str, Mapping[str, Any]]) -> None:
    axes.plot([min(values.values()), max(values.values())], [place, place], color=RULE, linewidth=2.2, zorder=1)
    for number, (method, value) in enumerate(reversed(list(values.items()))):
        axes.plot(
            [value],
            [place],
            marker=looks[method]["marker"],
            markersize=6 + OUTER * (len(values) - 1 - number),
            color=looks[method]["color"],
            markeredgecolor=PAPER,
            markeredgewidth=0.8,
            zorder=2 + number,
        )
