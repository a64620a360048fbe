"""What a check finds: one sentence that says what to look at, and the numbers it rests on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["cause", "warning", "symptom", "note"]
SEVERITIES: tuple[Severity, ...] = ("cause", "warning", "symptom", "note")


@dataclass(frozen=True)
class Evidence:
    """One number that was looked at.

    Args:
        what: what it is, with its unit.
        found: its value.
        expected: what it would be where nothing is wrong, in words; empty where there is no such value.
    """

    what: str
    found: float | int | str
    expected: str = ""

    def __str__(self) -> str:
        shown = f"{self.found:.4g}" if isinstance(self.found, float) else str(self.found)
        return f"{self.what}: {shown}{f' ({self.expected})' if self.expected else ''}"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Args:
        check: name of the check, for programs.
        severity: "cause": this alone explains a bad score; "warning": to be thought about; "symptom": what is bad, not
            why; "note": for the record.
        sentence: what to check, and why.
        evidence: the numbers.
    """

    check: str
    severity: Severity
    sentence: str
    evidence: tuple[Evidence, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)
