"""What is taken for what: the confusion matrix of the best MMLoRA, and its most frequent confusions in a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trichord.optional import require
from trichord.reports.mmlora.look import label_width
from trichord.reports.mmlora.record import MMLoRAReport
from trichord.reports.mmlora.standing import find_row
from trichord.reports.plot_style import FAINT, INK, RULE, SERIES, SIZE, SMALL, WIDTH, Margins, panels, to_svg, verbatim

RIGHT, WRONG = SERIES[0], SERIES[1]
STRONGEST = 0.55
"""Opacity of 100 %; text on it keeps its contrast. It goes with the root of the share, so that small ones are seen."""
NUMBERED = 16
"""Up to so many classes, the share stands in its cell."""
NAMED = 110
"""Up to so many classes, their names stand beside the cells without touching each other."""
LEAST_DRAWN = 0.5
"""Shares in percent below this are left empty: their number would be 0."""
MOST_LISTED, LEAST_LISTED = 12, 5.0
"""The list of confusions: how many at most, and the least share in percent."""
HIGHEST_CELL, SIDE = 0.42, 9.0
"""Height of a cell in inches, and of all cells together, at most."""


@dataclass(frozen=True)
class Confusion:
    """A class that is taken for another: `share` percent of its items, over seeds."""

    true: str
    answer: str
    share: float


def confusions(report: MMLoRAReport) -> tuple[Confusion, ...]:
    """Return the most frequent confusions of the best MMLoRA, the largest share first."""
    row = find_row(report, report.best)
    found = [
        Confusion(report.classes[true], report.classes[answer], share)
        for true, shares in enumerate(row.confusion if row is not None else ())
        for answer, share in enumerate(shares)
        if true != answer and share >= LEAST_LISTED
    ]
    return tuple(sorted(found, key=lambda one: -one.share)[:MOST_LISTED])


def plot_confusion(report: MMLoRAReport) -> str | None:
    """Draw one cell per true class and answer, blue on the diagonal, orange off it; None where there is no matrix."""
    row = find_row(report, report.best)
    if row is None or not row.confusion:
        return None
    count = len(row.confusion)
    named = report.classes if count <= NAMED else ()
    left = label_width(named)
    width = min(WIDTH - left - 0.1, max(2.0, HIGHEST_CELL * 1.9 * count))
    height = min(HIGHEST_CELL, SIDE / count, width / count) * count
    above = 0.4 + (min(1.6, left) if count > NUMBERED else 0.25)
    figure, [axes] = panels(1, 1, height, Margins(left=left, right=WIDTH - left - width, top=above, bottom=0.1))
    for true, shares in enumerate(row.confusion):
        for answer, share in enumerate(shares):
            _draw_cell(axes, (answer, true), share, numbered=count <= NUMBERED)
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(count - 0.5, -0.5)
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    names = [verbatim(name) for name in named]
    size = SIZE if count <= NUMBERED else max(5.5, min(SMALL, 72 * height / count * 0.8))
    axes.set_xticks(range(len(named)), names, rotation=90 if count > NUMBERED else 0)
    axes.set_yticks(range(len(named)), names)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set(color=INK, fontsize=size)
    words = "answer →" if named else "answer → (rows and columns in the order of the classes under Protocol)"
    axes.set_xlabel(words, fontsize=SMALL, color=FAINT, loc="left", labelpad=8)
    return to_svg(figure, "confusion-map", f"share of each true class that {row.name} takes for each class")


def _draw_cell(axes: Any, place: tuple[int, int], share: float, *, numbered: bool) -> None:
    if share < LEAST_DRAWN and not numbered:
        return
    patches = require("matplotlib.patches", "report", "drawing a report")
    (answer, true), right = place, place[0] == place[1]
    box = {"xy": (answer - 0.48, true - 0.47), "width": 0.96, "height": 0.94}
    colour = RIGHT if right else WRONG
    axes.add_patch(patches.Rectangle(**box, facecolor=colour, alpha=STRONGEST * (share / 100.0) ** 0.5, linewidth=0))
    if numbered:
        axes.add_patch(patches.Rectangle(**box, fill=False, edgecolor=RULE, linewidth=0.5))
        if share >= LEAST_DRAWN:
            style = {"ha": "center", "va": "center", "color": INK, "fontsize": SIZE}
            axes.text(answer, true, f"{share:.0f}", fontweight="bold" if right else "normal", **style)
