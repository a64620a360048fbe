"""How numbers are written in every form of a report."""

from __future__ import annotations

from trichord.reports.table import PairedRow, Row


def show(metric: str, value: float) -> str:
    """Write a value: recalls and ranks with one decimal, MRR with three."""
    return f"{value:.3f}" if metric == "MRR" else f"{value:.1f}"


def show_signed(metric: str, value: float) -> str:
    """Write a difference with its sign; a real minus, so that columns line up."""
    text = show(metric, abs(value))
    return f"+{text}" if value > 0 else f"−{text}" if value < 0 else text


def show_interval(row: Row) -> str:
    """Write an interval: [34.9, 40.2]."""
    return f"[{show(row.metric, row.low)}, {show(row.metric, row.high)}]"


def show_range(row: Row) -> str:
    """Write an interval in little room: 34.9–40.2."""
    return f"{show(row.metric, row.low)}–{show(row.metric, row.high)}"


def show_half_width(row: Row) -> str:
    """Write half the width of an interval, for where there is no room for its ends: ±2.7."""
    return f"±{show(row.metric, (row.high - row.low) / 2)}"


def show_p(p: float) -> str:
    """Write a p-value: p < 0.001, p = 0.013."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def show_difference(pair: PairedRow, of: str) -> str:
    """Write how far one side of a comparison is ahead, with its adjusted p-value: +5.2, p < 0.001."""
    value = pair.difference if pair.a == of else -pair.difference
    return f"{show_signed(pair.metric, value)}, {show_p(pair.p_holm)}"


def listed(words: list[str] | tuple[str, ...]) -> str:
    """Join words into a phrase: A, B and C."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def counted(number: int, noun: str) -> str:
    """Write a number of things: 1 order, 2 orders."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
