"""Marks of the main table, the same on the page and on the terminal: who is best, who differs from the routed model."""

from __future__ import annotations

from trichord.metrics.retrieval import HIGHER_IS_BETTER
from trichord.reports.pairs.effects import find_effect
from trichord.reports.pairs.report import ROUTED, PairsReport
from trichord.reports.table import Row

BELOW, ABOVE = "↓", "↑"
MEANINGS = {BELOW: "significantly worse than the routed model", ABOVE: "significantly better than the routed model"}


def is_best(report: PairsReport, row: Row) -> bool:
    """Whether no entry does better in the row's column; of a single entry nothing is said."""
    column = [other.mean for other in report.rows if (other.task, other.metric) == (row.task, row.metric)]
    better = max if HIGHER_IS_BETTER[row.metric] else min
    return len(column) > 1 and row.mean == better(column)


def mark(report: PairsReport, row: Row) -> str:
    """Return `BELOW` or `ABOVE` where the entry differs significantly from the routed model, and nothing elsewhere."""
    effect = find_effect(ROUTED, row.label, row.task, row.metric, report.comparisons, ())
    if effect is None:
        return ""
    return {"better": BELOW, "worse": ABOVE}.get(effect.verdict, "")


def explain_marks(report: PairsReport, best: str) -> str:
    """Say what the marks mean, and which measures were compared at all.

    Args:
        report: the report.
        best: how the best of a column is marked: "Bold:".
    """
    compared = list(dict.fromkeys(c.metric for c in report.comparisons if c.a == ROUTED))
    if not compared:
        return f"{best} best of the column."
    tested = f"tested for {' and '.join(compared)} only" if set(compared) < set(report.metrics) else "all tested"
    marks = "; ".join(f"{sign} {meaning}" for sign, meaning in MEANINGS.items())
    return f"{best} best of the column. {marks} (paired tests, p adjusted by Holm's rule; {tested})."
