"""Outcomes as text."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.outcome import Outcome

HEADINGS = ("benchmark", "baseline", "ours", "ratio", "target", "met", "setting")


def render(outcomes: Sequence[Outcome], machine: str) -> str:
    """Return the machine, one line for each outcome, and their further figures below."""
    rows = [HEADINGS, *(_cells(outcome) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    notes = [f"{outcome.name}: {outcome.extra}" for outcome in outcomes]
    return "\n".join([f"machine: {machine}", "", *lines, "", *notes])


def _cells(outcome: Outcome) -> tuple[str, ...]:
    met = (
        {True: "yes", False: "NO"}.get(outcome.met, str(outcome.met)) if isinstance(outcome.met, bool) else outcome.met
    )
    ratio = "-" if outcome.ratio is None else f"{outcome.ratio:.2f}x"
    times = (_seconds(outcome.baseline_seconds), _seconds(outcome.our_seconds))
    return (outcome.name, *times, ratio, outcome.target, met, outcome.setting)


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"
