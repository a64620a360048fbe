"""What the matrices add, and which methods without them do as well, in sentences."""

from __future__ import annotations

from trichord.reports.mmlora.record import MethodRow, MMLoRAReport
from trichord.reports.mmlora.standing import ALONE, PROBE, Standing, candidates, find_row, reservation, standing
from trichord.reports.mmlora.words import show_paired, spoken
from trichord.reports.numbers import listed, show

ADDED: dict[Standing, str] = {
    "better": "The matrices add to what {control} reaches over the same frozen experts: {name} is better than it "
    "({numbers}).",
    "worse": "The matrices take away from what {control} reaches over the same frozen experts: {name} is worse than it "
    "({numbers}).",
    "no difference shown": "That the matrices add anything is not shown: {name} is not distinguishable from {control} "
    "over the same frozen experts ({numbers}).",
}
PROBED: dict[Standing, str] = {
    "better": "{name} is better than {control} ({numbers}).",
    "worse": "{name} is worse than {control}, for which no expert is learnt ({numbers}).",
    "no difference shown": "{name} is not distinguishable from {control}, for which no expert is learnt ({numbers}).",
}


def tell_matrices(report: MMLoRAReport) -> tuple[str, ...]:
    """Say how the best MMLoRA stands to the classifier alone, which says what the matrices add, and to the probe."""
    row = find_row(report, report.best)
    if row is None:
        return ()
    said = []
    for control, words in ((ALONE, ADDED), (PROBE, PROBED)):
        if control in row.against:
            found = row.against[control]
            numbers = show_paired(report.metrics[0], found)
            told = words[standing(found)].format(name=row.name, control=spoken(control), numbers=numbers)
            doubt = reservation(found)
            said.append(f"{told} Against {spoken(control)}, {doubt}." if doubt else told)
    return tuple(said)


def tell_rivals(report: MMLoRAReport) -> tuple[str, ...]:
    """Say which methods beside MMLoRA validation prefers to the best of it, and which of them beat a main control.

    Without this a reader would take MMLoRA for the best of the table wherever it is not worse than its controls.
    """
    best = find_row(report, report.best)
    if best is None:
        return ()
    own = [row.name for row in candidates(report)]
    others = [row for row in report.methods if row.name not in own]
    return (*_tell_preferred(report, best, others), *_tell_better(report, others))


def _tell_preferred(report: MMLoRAReport, best: MethodRow, others: list[MethodRow]) -> tuple[str, ...]:
    metric = report.metrics[0]
    ahead = [row for row in others if round(row.validation, 9) > round(best.validation, 9)]
    if not ahead:
        return ()
    names = [f"{row.name} ({show(metric, row.validation)})" for row in ahead]
    first = max(ahead, key=lambda row: row.validation)
    return (
        f"On {report.validation}, {listed(names)} {'is' if len(names) == 1 else 'are'} above {best.name} "
        f"({show(metric, best.validation)}): asked among all rows, it would choose {first.name}.",
    )


def _tell_better(report: MMLoRAReport, others: list[MethodRow]) -> tuple[str, ...]:
    parts = []
    for row in others:
        names = [name for name, found in row.against.items() if standing(found) == "better"]
        numbers = [f"{spoken(name)} ({show_paired(report.metrics[0], row.against[name])})" for name in names]
        if names and row.family != "mmlora":
            parts.append(f"{row.name} is better than {listed(numbers)}")
    return (f"Beside MMLoRA, on {report.split}, {'; '.join(parts)}.",) if parts else ()
