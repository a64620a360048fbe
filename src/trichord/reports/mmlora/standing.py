"""How a method stands to a control; nothing is called better that its test and its interval do not both bear out."""

from __future__ import annotations

from typing import Literal

from trichord.metrics.bootstrap import Estimate
from trichord.reports.mmlora.record import MethodRow, MMLoRAReport, Paired, RankPoint, UnderTraining
from trichord.reports.table import SIGNIFICANCE

Standing = Literal["better", "worse", "no difference shown"]
ALONE, PROBE = "classifier alone", "linear probe on all"
"""Controls that MMLoRA alone is held against: what its matrices add, and what it takes no learnt features to reach."""
OVER_LORA = "over LoRA experts"
"""How the name of a row of MMLoRA ends whose experts learnt with matrices themselves: a control, never the best."""


def standing(found: Paired) -> Standing:
    """Return what may be said of a: the adjusted test decides, and the interval, which holds the seeds, must agree."""
    if found.holm >= SIGNIFICANCE or found.low <= 0.0 <= found.high:
        return "no difference shown"
    return "better" if found.difference > 0 else "worse"


def reservation(found: Paired) -> str:
    """Say why nothing is claimed where the test or the interval, but not both, tell the two apart; else ""."""
    excludes = found.low > 0 or found.high < 0
    if found.holm < SIGNIFICANCE and not excludes:
        return "these very models differ, but the interval, which holds the seeds, includes 0"
    if found.holm >= SIGNIFICANCE and excludes:
        return "the interval excludes 0, but the adjusted test does not bear it out"
    return ""


def left_behind(line: UnderTraining) -> bool:
    """Whether joint learning is said to have left an encoder under-trained: the record and the interval agree."""
    return line.under_trained and line.difference.high < 0


def controls(report: MMLoRAReport) -> tuple[str, ...]:
    """Return the names of what the methods were held against, in the order in which the best MMLoRA names them."""
    first = sorted(report.methods, key=lambda row: row.name != report.best)
    return tuple(dict.fromkeys(name for row in first for name in row.against))


def main_controls(report: MMLoRAReport) -> tuple[str, ...]:
    """Return the controls that every method of several modalities is held against: the ensemble and joint learning."""
    return tuple(name for name in controls(report) if name not in (ALONE, PROBE))


def own_controls(report: MMLoRAReport) -> tuple[str, ...]:
    """Return the controls that only MMLoRA is held against."""
    return tuple(name for name in controls(report) if name in (ALONE, PROBE))


def find_row(report: MMLoRAReport, name: str) -> MethodRow | None:
    """Return a row by its name; None where there is none."""
    return next((row for row in report.methods if row.name == name), None)


def adapted_rows(report: MMLoRAReport) -> tuple[MethodRow, ...]:
    """Return the rows of MMLoRA."""
    return tuple(row for row in report.methods if row.family == "mmlora")


def candidates(report: MMLoRAReport) -> tuple[MethodRow, ...]:
    """Return the rows of MMLoRA that the best one was chosen from."""
    return tuple(row for row in adapted_rows(report) if not row.name.endswith(OVER_LORA))


def leading_rows(report: MMLoRAReport) -> tuple[MethodRow, ...]:
    """Return the rows that are shown class by class: the best of MMLoRA, and the main controls or else the experts."""
    experts = tuple(row.name for row in report.methods if row.family == "expert")
    found = (find_row(report, name) for name in dict.fromkeys((report.best, *(main_controls(report) or experts))))
    return tuple(row for row in found if row is not None)


def curves(report: MMLoRAReport) -> dict[str, tuple[RankPoint, ...]]:
    """Method -> its ranks, ascending, in the order of the record."""
    names = dict.fromkeys(point.method for point in report.ranks)
    return {
        name: tuple(sorted((point for point in report.ranks if point.method == name), key=lambda point: point.rank))
        for name in names
    }


def apart(a: Estimate, b: Estimate) -> bool:
    """Whether two intervals do not touch."""
    return a.low > b.high or b.low > a.high
