"""The key of a heat map whose colours are differences: swatches from the strongest loss to the strongest gain.

The two hues are those of the page's first two series, which readers who confuse red and green tell apart. They are laid
over the page with an opacity that grows with the difference, so that a map is as legible in the dark as in the light.
"""

from __future__ import annotations

from typing import Any

from trichord.reports.numbers import show_signed
from trichord.reports.plot_style import FAINT, SERIES, SMALL, Margins

GAIN, LOSS = SERIES[0], SERIES[1]
STRONGEST = 0.5
"""Opacity of the largest difference; text on it keeps its contrast, in the light and in the dark."""
SHARES = (-1.0, -2 / 3, -1 / 3, 0.0, 1 / 3, 2 / 3, 1.0)
SWATCH = 0.34


def cell_look(difference: float, scale: float) -> dict[str, Any]:
    """Return colour and opacity of a cell.

    Args:
        difference: what it shows.
        scale: the difference that has the strongest colour.
    """
    strength = STRONGEST * min(1.0, abs(difference) / scale)
    return {"facecolor": GAIN if difference >= 0 else LOSS, "alpha": strength, "linewidth": 0}


def draw_scale(figure: Any, margins: Margins, metric: str, scale: float, words: str) -> None:
    """Draw what the colours mean, in the margin below the cells.

    Args:
        figure: where.
        margins: of the figure; the bottom must hold half an inch.
        metric: what the differences are of.
        scale: the difference that has the strongest colour.
        words: what is written beside the swatches.
    """
    width, height = figure.get_size_inches()
    place = (margins.left / width, 0.08 / height, SWATCH * len(SHARES) / width, 0.13 / height)
    axes = figure.add_axes(place)
    axes.set_xlim(-0.5, len(SHARES) - 0.5)
    axes.set_ylim(0, 1)
    axes.patch.set_alpha(0.0)
    for side in axes.spines.values():
        side.set_visible(False)
    for number, share in enumerate(SHARES):
        look = cell_look(share, 1.0)
        axes.bar([number], [1], width=1, color=look["facecolor"], alpha=look["alpha"], linewidth=0)
    ends = (0, len(SHARES) // 2, len(SHARES) - 1)
    axes.set_xticks(ends, [show_signed(metric, SHARES[end] * scale) for end in ends])
    axes.xaxis.tick_top()
    axes.set_yticks([])
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=FAINT, pad=1)
    axes.annotate(words, (1.04, 0.5), xycoords="axes fraction", va="center", fontsize=SMALL, color=FAINT)
