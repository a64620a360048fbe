"""What the rank is worth, and where validation chose an end of what was tried, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from trichord.reports.mmlora.record import MethodRow, MMLoRAReport, RankEffect
from trichord.reports.mmlora.standing import curves, reservation, standing
from trichord.reports.mmlora.words import show_paired, show_points, with_setting
from trichord.reports.numbers import listed

LEAST = "rank 1"
"""No setting lies beyond this one."""


def tell_ranks(report: MMLoRAReport) -> tuple[str, ...]:
    """Say, placement by placement, whether the rank that validation chose differs from the smallest that was tried.

    The rank is chosen on validation and held against the smallest on the reported split, on the same items and seeds:
    the best and the worst of many ranks, picked on the reported split, would differ by luck alone.
    """
    matters = [effect for effect in report.rank_effects if standing(effect.paired) != "no difference shown"]
    level = [effect for effect in report.rank_effects if effect not in matters]
    said = [
        f"The rank matters for {effect.method}: on {report.split}, rank {effect.rank}, which {report.validation} "
        f"chose, is {standing(effect.paired)} than rank {effect.smallest}, the smallest "
        f"({show_paired(report.metrics[0], effect.paired)})."
        for effect in matters
    ]
    if level:
        numbers = [f"{_effect(one)} {show_points(report.metrics[0], one.paired)}" for one in level]
        doubts = [(one.method, reservation(one.paired)) for one in level]
        said.append(
            f"On {report.split}, the rank that {report.validation} chose is not shown to differ from the smallest: "
            f"{'; '.join(numbers)}.{''.join(f' For {name}, {doubt}.' for name, doubt in doubts if doubt)}"
        )
    return (*said, *_tell_smallest(report))


def _effect(effect: RankEffect) -> str:
    return f"{effect.method}, rank {effect.rank} less rank {effect.smallest},"


def _tell_smallest(report: MMLoRAReport) -> tuple[str, ...]:
    found = {name: points for name, points in curves(report).items() if len(points) > 1 and points[0].chosen}
    if not found:
        return ()
    names = [f"{name} (rank {points[0].rank})" for name, points in found.items()]
    return (f"Validation chose the smallest rank for {listed(names)}, so that no larger one is compared.",)


def tell_edges(report: MMLoRAReport) -> str:
    """Say for which methods validation chose an end of the settings that were tried; one sentence, "" for none."""
    ends: dict[str, Sequence[MethodRow]] = {
        edge: [row for row in report.methods if row.at_edge == edge and row.setting != LEAST]
        for edge in ("largest", "smallest")
    }
    parts = [
        f"the {edge} setting that was tried for {listed([with_setting(row) for row in rows])}"
        for edge, rows in ends.items()
        if rows
    ]
    if not parts:
        return ""
    return f"Validation chose {', and '.join(parts)}: beyond, a better one might lie."
