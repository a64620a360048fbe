"""What joint learning left of each modality: the probe of its encoder beside that of the expert's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trichord.reports.mmlora.look import (
    LOOKS,
    draw_estimate,
    draw_paired,
    label_width,
    name_lines,
    pad,
    write_key,
)
from trichord.reports.mmlora.record import MMLoRAReport
from trichord.reports.mmlora.standing import find_row, left_behind
from trichord.reports.mmlora.words import title_of
from trichord.reports.plot_style import FAINT, INK, Margins, name_panel, panels, to_svg, verbatim

APART = 0.16
"""How far the two encoders of one modality stand from their line, so that their intervals do not lie on each other."""
LINE = 0.44


def plot_probes(report: MMLoRAReport) -> str | None:
    """Draw both probes of every modality and method, and their difference; None where there are none."""
    lines = report.under_training
    if not lines:
        return None
    metric = report.metrics[0]
    names = [f"{line.modality}, {line.method}" for line in lines]
    margins = Margins(left=label_width(names), right=0.15, top=0.7, bottom=0.5, columns=0.3)
    figure, [both, differences] = panels(1, 2, 0.15 + LINE * len(lines), margins)
    looks = [method_look(report, line.method) for line in lines]
    values: list[float] = []
    bounds = [0.0]
    behind = [name for name, line in zip(names, lines, strict=True) if left_behind(line)]
    for axes in (both, differences):
        name_lines(axes, names, [INK] * len(names), shown=axes is both, bold=behind)
    for place, (line, look) in enumerate(zip(lines, looks, strict=True)):
        draw_estimate(both, place - APART, line.expert, LOOKS["expert"])
        draw_estimate(both, place + APART, line.probe, look)
        draw_paired(differences, place, line.difference, look, filled=left_behind(line))
        values += [line.expert.low, line.expert.high, line.probe.low, line.probe.high]
        bounds += [line.difference.low, line.difference.high]
    differences.axvline(0.0, color=FAINT, linewidth=0.9, zorder=0)
    pad(both, values)
    pad(differences, bounds)
    name_panel(both, f"{title_of(metric)} of a linear probe", verbatim(f"% on {report.split}"))
    name_panel(differences, "Minus the expert's", "points, paired")
    methods = {line.method: look for line, look in zip(lines, looks, strict=True)}
    write_key(figure, [("expert", LOOKS["expert"]), *methods.items()])
    return to_svg(figure, "probes", f"{metric} of a linear probe on encoders learnt jointly and on those of experts")


def method_look(report: MMLoRAReport, method: str) -> Mapping[str, Any]:
    """Return the look of a method that is named in words: that of its row, or of joint learning or a teacher."""
    row = find_row(report, method)
    return LOOKS[row.family if row is not None else "joint" if method == "joint" else "teacher"]
