"""The look of every figure: palette, axes without clutter, and SVG that follows the page into the dark.

Colours are drawn as fixed hexadecimal values and leave as CSS variables with those values as fallback, so that a figure
inside a page takes the page's light or dark palette, and a figure on its own still has colours.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trichord.optional import require

INK, FAINT, RULE, PAPER = "#1d2430", "#5c6675", "#d5dae2", "#fefefe"
SERIES = ("#0b63a8", "#b84c00", "#00785a", "#a03c80", "#7a5c00", "#4b4fb8")
BASELINE = "#6b6f78"
MARKERS = ("o", "s", "D", "^", "v", "P")
BASELINE_MARKER = "X"
VARIABLES: Mapping[str, str] = {
    INK: "--ink",
    FAINT: "--faint",
    RULE: "--rule",
    PAPER: "--paper",
    BASELINE: "--baseline",
    **{colour: f"--series-{number}" for number, colour in enumerate(SERIES, 1)},
}
FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif"
SIZE, SMALL = 9.0, 8.0
WIDTH = 11.0
"""Width of a figure in inches; it fills the page."""


def series_style(position: int, kind: str) -> dict[str, Any]:
    """Colour, marker and dashes of one entry: by its position among those of its kind, the same in every figure."""
    if kind == "baseline":
        return {"color": BASELINE, "marker": BASELINE_MARKER, "linestyle": ((0, (4, 2)), (0, (1, 1.5)))[position % 2]}
    dashes = ("-", (0, (5, 2)), (0, (2, 1)))[position // len(SERIES) % 3]
    number = position % len(SERIES)
    return {"color": SERIES[number], "marker": MARKERS[number], "linestyle": dashes}


def styles(labels_and_kinds: Sequence[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """Label -> style, for all entries of a report."""
    counts: dict[str, int] = {}
    found = {}
    for label, kind in labels_and_kinds:
        found[label] = series_style(counts.get(kind, 0), kind)
        counts[kind] = counts.get(kind, 0) + 1
    return found


@dataclass(frozen=True, kw_only=True)
class Margins:
    """Room around and between the panels of a figure, in inches.

    It is given rather than measured: measuring every text, which matplotlib can do, takes longer than all the drawing,
    and the page shows the texts in a font of its own anyway.

    Args:
        left, right, top, bottom: around all panels; `top` holds the titles of the first row.
        columns, rows: between neighbours; `rows` holds tick labels and the titles of the next row.
    """

    left: float = 0.45
    right: float = 0.1
    top: float = 0.36
    bottom: float = 0.3
    columns: float = 0.25
    rows: float = 0.66


def text_width(texts: Iterable[str]) -> float:
    """Estimate the width in inches of the longest of some bold texts; at most a third of the figure."""
    longest = max(map(len, texts), default=0)
    return min(0.68 * SIZE / 72 * longest, WIDTH / 3)


def panels(
    rows: int, columns: int, row_height: float, margins: Margins, *, used: int | None = None, **sharing: Any
) -> tuple[Any, list[Any]]:
    """Make a figure of page width with a grid of bare axes; `used` of them are returned, the rest are taken away.

    Args:
        rows, columns: of the grid.
        row_height: height of one panel in inches, without its margins.
        margins: room for what stands around the panels.
        used: number of panels; None fills the grid.
        sharing: the `sharex` and `sharey` of matplotlib's `subplots`.
    """
    figure_module = require("matplotlib.figure", "report", "drawing a report")
    height = margins.top + rows * row_height + (rows - 1) * margins.rows + margins.bottom
    column_width = (WIDTH - margins.left - margins.right - (columns - 1) * margins.columns) / columns
    figure = figure_module.Figure(figsize=(WIDTH, height))
    figure.patch.set_alpha(0.0)
    room = {
        "left": margins.left / WIDTH,
        "right": 1 - margins.right / WIDTH,
        "top": 1 - margins.top / height,
        "bottom": margins.bottom / height,
        "wspace": margins.columns / column_width,
        "hspace": margins.rows / row_height,
    }
    grid = list(figure.subplots(rows, columns, squeeze=False, gridspec_kw=room, **sharing).flat)
    count = len(grid) if used is None else used
    for axes in grid[count:]:
        figure.delaxes(axes)
    for axes in grid[:count]:
        tidy(axes)
    return figure, grid[:count]


def tidy(axes: Any) -> None:
    """Take away everything that is not data: box, ticks, heavy grid."""
    axes.patch.set_alpha(0.0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=FAINT, pad=4)
    axes.grid(True, axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)


def verbatim(text: str) -> str:
    """Keep matplotlib from reading what stands between dollar signs as a formula."""
    return text.replace("$", r"\$")


def name_panel(axes: Any, title: str, below: str = "") -> None:
    """Write a panel's title, flush left, and the name of its horizontal axis."""
    axes.set_title(verbatim(title), loc="left", fontsize=SIZE + 1, fontweight="bold", color=INK, pad=8)
    if below:
        axes.set_xlabel(below, fontsize=SMALL, color=FAINT)


def spread_labels(positions: Sequence[float], gap: float, bottom: float) -> list[float]:
    """Move positions apart until neighbours are at least `gap` away, each as little as need be; keeps their order.

    Blocks of labels that would overlap are merged and centred on the mean of where they want to be; no block reaches
    below `bottom`.
    """
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    blocks: list[list[int]] = []
    for index in order:
        blocks.append([index])
        while len(blocks) > 1 and _top(blocks[-2], positions, gap, bottom) + gap > _start(
            blocks[-1], positions, gap, bottom
        ):
            last = blocks.pop()
            blocks[-1] += last
    moved = [0.0] * len(positions)
    for block in blocks:
        start = _start(block, positions, gap, bottom)
        for place, index in enumerate(block):
            moved[index] = start + place * gap
    return moved


def _start(block: Sequence[int], positions: Sequence[float], gap: float, bottom: float) -> float:
    centred = sum(positions[i] for i in block) / len(block) - gap * (len(block) - 1) / 2
    return max(bottom, centred)


def _top(block: Sequence[int], positions: Sequence[float], gap: float, bottom: float) -> float:
    return _start(block, positions, gap, bottom) + gap * (len(block) - 1)


def to_svg(figure: Any, name: str, description: str) -> str:
    """Return the figure as one `<svg>` element: real text, colours as CSS variables, ids made unique by `name`.

    Args:
        figure: a matplotlib figure.
        name: identifier, unique on its page.
        description: what it shows, for readers who cannot see it.
    """
    matplotlib = require("matplotlib", "report", "drawing a report")
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "trichord", "svg.id": None}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.S)
    svg = re.sub(r"\bid=\"([^\"]+)\"", rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    svg = re.sub(r"(?:xlink:)?href=\"#([^\"]+)\"", rf'href="#{name}-\1"', svg)
    svg = re.sub(r"font-family: [^;\"]+", f"font-family: {FONT}", svg)
    svg = re.sub(r"(font: [^;\"]*?px) [^;\"]+", rf"\1 {FONT}", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable}, {colour})")
    head = f'<svg role="img" aria-label="{html.escape(description)}" class="figure" '
    size = re.search(r'viewBox="[^"]+"', svg)
    assert size is not None
    return head + f'{size[0]} xmlns="http://www.w3.org/2000/svg">' + svg[svg.index(">") + 1 :].strip()
