"""The report on adapters and routes: which route answers which task, and what it gains, fusion and adapters apart."""

from trichord.reports.pairs.report import AdapterLine, PairsReport, RouteLine, WayLine

__all__ = ["AdapterLine", "PairsReport", "RouteLine", "WayLine"]
