"""The rank curve: validation and test at every rank of every placement, with the controls as level lines."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from trichord.reports.mmlora.look import LOOKS, write_key
from trichord.reports.mmlora.record import Family, MethodRow, MMLoRAReport, RankPoint
from trichord.reports.mmlora.standing import ALONE, controls, curves, find_row, main_controls
from trichord.reports.mmlora.words import title_of
from trichord.reports.plot_style import (
    FAINT,
    INK,
    PAPER,
    RULE,
    SMALL,
    WIDTH,
    Margins,
    name_panel,
    panels,
    to_svg,
    verbatim,
)

MOST_COLUMNS = 3
LETTER = 0.088
"""Width in inches that a letter of a panel's title takes."""
SHIFT = 0.1
"""How far validation and test stand apart sideways, so that their intervals do not lie on each other."""
DASHES: Mapping[Family, Any] = {"joint": (0, (6, 2)), "head": (0, (6, 2, 1.5, 2))}
DOTS = (0, (1.5, 1.5))
"""Lines of the controls by family; dots for all others."""
VALIDATION = {"color": FAINT, "marker": "o", "markersize": 4, "linestyle": (0, (3, 2))}


def plot_ranks(report: MMLoRAReport) -> str | None:
    """Draw one panel per placement; None where there is no curve. The chosen rank has a ring."""
    lines = curves(report)
    if not lines:
        return None
    columns = 2 if len(lines) == 4 else min(MOST_COLUMNS, len(lines))
    rows = -(-len(lines) // columns)
    letters = int((WIDTH - 0.7) / columns / LETTER) - 3
    titles = {name: textwrap.wrap(name, letters) or [name] for name in lines}
    extra = 0.17 * (max(map(len, titles.values())) - 1)
    margins = Margins(left=0.5, right=0.2, top=0.75 + extra, bottom=0.5, columns=0.4, rows=0.85 + extra)
    figure, grid = panels(rows, columns, 1.9, margins, used=len(lines), sharey=True)
    for number, (axes, (name, points)) in enumerate(zip(grid, lines.items(), strict=True)):
        _draw_controls(axes, report)
        _draw_points(axes, points)
        name_panel(axes, "\n".join(titles[name]), "rank" if number >= len(lines) - columns else "")
    for axes in grid[::columns]:
        axes.set_ylabel(title_of(report.metrics[0]), fontsize=SMALL, color=FAINT)
    test = {**LOOKS["mmlora"], "linestyle": "-"}
    ring = {"color": INK, "marker": "o", "markersize": 11, "markerfacecolor": "none", "markeredgewidth": 1.0}
    key = [(f"on {report.split}", test), (f"on {report.validation}", VALIDATION), ("chosen", ring)]
    write_key(figure, [*key, *_control_key(report)], length=2.6)
    return to_svg(figure, "ranks", f"{report.metrics[0]} at every rank of every placement of MMLoRA")


def _draw_points(axes: Any, points: Sequence[RankPoint]) -> None:
    places = list(range(len(points)))
    test = LOOKS["mmlora"]["color"]
    for look, shift, found in (
        (VALIDATION, -SHIFT, [point.validation for point in points]),
        ({**LOOKS["mmlora"], "linestyle": "-"}, SHIFT, [point.test for point in points]),
    ):
        at = [place + shift for place in places]
        own = look["color"] == test
        for place, one in zip(at, found, strict=True):
            axes.plot([place, place], [one.low, one.high], color=look["color"], linewidth=1.2 if own else 0.8)
        axes.plot(
            at,
            [one.value for one in found],
            color=look["color"],
            linestyle=look["linestyle"],
            linewidth=1.6 if own else 1.1,
            marker="o",
            markersize=5 if own else 4,
            markeredgecolor=PAPER,
            markeredgewidth=0.7,
            zorder=3,
        )
    for place, point in zip(places, points, strict=True):
        if point.chosen:
            axes.plot(
                [place + SHIFT],
                [point.test.value],
                marker="o",
                markersize=11,
                markerfacecolor="none",
                markeredgecolor=INK,
                markeredgewidth=1.0,
                zorder=4,
            )
    axes.set_xlim(-0.4, len(points) - 0.6)
    axes.set_xticks(places, [str(point.rank) for point in points])


def level_rows(report: MMLoRAReport) -> list[MethodRow]:
    """Return what the curves are seen against: the main controls, and the classifier alone, which has no rank."""
    names = (*main_controls(report), *(name for name in controls(report) if name == ALONE))
    found = (find_row(report, name) for name in names)
    return [row for row in found if row is not None and report.metrics[0] in row.metrics]


def _draw_controls(axes: Any, report: MMLoRAReport) -> None:
    for row in level_rows(report):
        found, colour = row.metrics[report.metrics[0]], LOOKS[row.family]["color"]
        axes.axhspan(found.low, found.high, color=colour, alpha=0.06, linewidth=0, zorder=0)
        axes.axhline(found.value, color=colour, linewidth=1.3, linestyle=DASHES.get(row.family, DOTS), zorder=1)
    axes.grid(True, axis="y", color=RULE, linewidth=0.4)


def _control_key(report: MMLoRAReport) -> list[tuple[str, dict[str, Any]]]:
    return [
        (verbatim(row.name), {"color": LOOKS[row.family]["color"], "linestyle": DASHES.get(row.family, DOTS)})
        for row in level_rows(report)
    ]
