"""How measures, differences, sizes and methods of this report are written."""

from __future__ import annotations

from collections.abc import Mapping

from trichord.evaluation.class_results import ClassLine
from trichord.metrics.bootstrap import Estimate
from trichord.reports.mmlora.record import MethodRow, MMLoRAReport, Paired
from trichord.reports.numbers import counted, show, show_p, show_signed

SPOKEN: Mapping[str, str] = {
    "ensemble": "the ensemble",
    "joint": "joint learning",
    "classifier alone": "the classifier alone",
    "linear probe on all": "the linear probe on all",
    "joint with teachers (UMT)": "joint learning with teachers (UMT)",
}
UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def title_of(metric: str) -> str:
    """Name a measure where a sentence or a column begins: "Accuracy"."""
    return metric[:1].upper() + metric[1:]


def spoken(name: str) -> str:
    """Name a control or a way of joint learning within a sentence: "the ensemble"."""
    return SPOKEN.get(name, name)


def with_setting(row: MethodRow) -> str:
    """Name a method with what was chosen for it: "MMLoRA on video (rank 16)"."""
    return f"{row.name} ({row.setting})" if row.setting else row.name


def marked_setting(row: MethodRow) -> str:
    """Write what was chosen for a method, and whether it lies at an end of what was tried; "" where nothing was."""
    return f"{row.setting} ({row.at_edge} tried)" if row.setting and row.at_edge else row.setting


def drawn_over(report: MMLoRAReport) -> str:
    """Say what an interval holds: "240 items of 4 sources and 5 seeds"."""
    items = counted(report.items[report.split], "item") if report.split in report.items else "items"
    sources = "" if report.sources is None else f" of {counted(report.sources, 'source')}"
    return f"{items}{sources} and {counted(len(report.seeds), 'seed')}"


def show_estimate(metric: str, found: Estimate) -> str:
    """Write a value with its interval: 53.5 [49.9, 57.2]."""
    return f"{show(metric, found.value)} [{show(metric, found.low)}, {show(metric, found.high)}]"


def show_points(metric: str, found: Paired) -> str:
    """Write a difference with its interval: +0.7 points [−1.2, +2.6]."""
    low, high = (show_signed(metric, value) for value in (found.low, found.high))
    return f"{show_signed(metric, found.difference)} points [{low}, {high}]"


def show_paired(metric: str, found: Paired) -> str:
    """Write a difference with its interval and its adjusted p-value."""
    return f"{show_points(metric, found)}, {show_p(found.holm)}"


def show_size(number: int) -> str:
    """Write a number of bytes: 812 B, 1.4 MB."""
    unit, size = next(((unit, size) for unit, size in UNITS if number >= size), ("B", 1))
    return f"{number} B" if size == 1 else f"{number / size:.1f} {unit}"


def show_share(part: float, whole: float) -> str:
    """Write one number as a share of another: 14 %, 0.3 %."""
    share = 100.0 * part / whole
    return f"{share:.0f} %" if share >= 9.95 else f"{share:.1f} %"


def class_measure(report: MMLoRAReport) -> str:
    """Return the measure that classes are looked at by: recall, or F1 where items have several labels."""
    return "F1" if report.several else "recall"


def class_value(report: MMLoRAReport, line: ClassLine) -> float:
    """Return that measure of one class, in percent."""
    return line.f1 if report.several else line.recall
