"""What the table of the lab is made of: our measured rows of one data set, and what must be known about them."""

from __future__ import annotations

from dataclasses import dataclass

from trichord.evaluation.benchmark import Regime
from trichord.metrics.bootstrap import Estimate
from trichord.reports.entries import Entry
from trichord.reports.table import Table


@dataclass(frozen=True)
class OurEntry:
    """One measured row.

    Args:
        regime: what was learnt from before.
        entry: the runs of all seeds, with their results under the section's benchmark.
        diagnosis: what the guard says about its first seed, in one sentence; "" where nothing was looked at.
    """

    regime: Regime
    entry: Entry
    diagnosis: str = ""


@dataclass(frozen=True)
class Section:
    """One data set.

    Args:
        dataset: its name.
        benchmark: name of the benchmark.
        deviations: how the data differ from the benchmark; then no number of ours may be put beside a published one.
        fingerprints: regime -> fingerprint of the benchmark in that regime, for the task of the table.
        ours: the measured rows; those that fill the reproduction row are of the regime `regime`.
        regime: regime of the reproduction row.
        tables: regime -> table of its entries, with paired tests.
        explanations: settings, missing files, leakage: what explains a difference, in sentences.
    """

    dataset: str
    benchmark: str
    deviations: tuple[str, ...]
    fingerprints: dict[str, str]
    ours: tuple[OurEntry, ...]
    regime: Regime
    tables: dict[str, Table]
    explanations: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """Ours minus a quoted figure; the interval is that of ours, a quoted figure has none.

    Args:
        order, round, metric: which figures.
        quoted: the quoted figure.
        ours: ours.
        low, high: 95 % interval of the difference.
    """

    order: str
    round: str
    metric: str
    quoted: float
    ours: Estimate
    low: float
    high: float

    @property
    def value(self) -> float:
        """The difference."""
        return self.ours.value - self.quoted
