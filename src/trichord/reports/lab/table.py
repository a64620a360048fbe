"""Builds the table of the lab from measured sections and quoted figures, and writes it as JSON and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trichord
from trichord.evaluation.compare import average_seeds
from trichord.files import write_json, write_text
from trichord.metrics.bootstrap import Estimate
from trichord.reports.lab.figures import (
    CHECKS,
    LAB,
    LAB_NOTE,
    METRICS,
    PUBLISHED,
    PUBLISHED_NOTE,
    ROUNDS,
    LabFigure,
    PublishedFigure,
    show_quoted,
)
from trichord.reports.lab.rows import Difference, OurEntry, Section
from trichord.reports.numbers import counted, show_p, show_signed
from trichord.reports.table import Table

TASK = "T>VA"


@dataclass(frozen=True)
class OurRow:
    """One measured row of the lab's table.

    Args:
        label: the order.
        regime: what was learnt from before.
        estimates: metric -> value with its interval, over seeds and queries.
        per_seed: metric -> values of single seeds.
        num_seeds: number of seeds.
        diagnosis: what the guard says.
    """

    label: str
    regime: str
    estimates: dict[str, Estimate]
    per_seed: dict[str, list[float]]
    num_seeds: int
    diagnosis: str


@dataclass(frozen=True)
class LabSection:
    """One data set of the finished table; see `Section`."""

    section: Section
    lab: tuple[LabFigure, ...]
    ours: tuple[OurRow, ...]
    others: tuple[OurRow, ...]
    differences: tuple[Difference, ...]
    winner: str
    published: tuple[PublishedFigure, ...]
    chance: dict[str, float]

    @property
    def orders(self) -> tuple[str, ...]:
        """The lab's orders, and those of ours that it has not."""
        named = [figure.order for figure in self.lab] + [row.label for row in self.ours]
        return tuple(dict.fromkeys(named))

    def lab_row(self, round: str, order: str) -> LabFigure | None:
        """The lab's figure of a round and order."""
        return next((figure for figure in self.lab if (figure.round, figure.order) == (round, order)), None)

    def our_row(self, order: str) -> OurRow | None:
        """The reproduction of an order; None where there is none."""
        return next((row for row in self.ours if row.label == order), None)


@dataclass(frozen=True)
class LabTable:
    """The finished table: one section per data set."""

    sections: tuple[LabSection, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: what is measured and what is quoted are never under one key."""
        return {
            "trichord": trichord.__version__,
            "task": TASK,
            "metrics": list(METRICS),
            "lab_note": LAB_NOTE,
            "published_note": PUBLISHED_NOTE,
            "sections": [_section_to_dict(section) for section in self.sections],
        }


def build_lab_table(sections: Sequence[Section]) -> LabTable:
    """Put measured rows beside quoted ones."""
    return LabTable(tuple(_build(section) for section in sections))


def write_lab_table(folder: Path, table: LabTable) -> None:
    """Write table.json and table.md."""
    write_json(folder / "table.json", table.to_dict())
    write_text(folder / "table.md", to_markdown(table))


def _build(section: Section) -> LabSection:
    rows = [(ours.regime, _our_row(ours)) for ours in section.ours if ours.entry.of_task(TASK)]
    reproduction = tuple(row for regime, row in rows if regime == section.regime)
    lab = LAB.get(section.dataset, ())
    differences = tuple(
        Difference(
            figure.order,
            figure.round,
            metric,
            quoted,
            row.estimates[metric],
            row.estimates[metric].low - quoted,
            row.estimates[metric].high - quoted,
        )
        for figure in lab
        for row in reproduction
        if row.label == figure.order
        for metric, quoted in zip(METRICS, figure.recalls, strict=True)
    )
    return LabSection(
        section=section,
        lab=lab,
        ours=reproduction,
        others=tuple(row for regime, row in rows if regime != section.regime),
        differences=differences,
        winner=_winner(section.tables.get(section.regime), section.regime),
        published=PUBLISHED.get(section.dataset, ()),
        chance=_chance(section),
    )


def _our_row(ours: OurEntry) -> OurRow:
    results = ours.entry.of_task(TASK)
    estimates = average_seeds(results)
    return OurRow(
        label=ours.entry.label,
        regime=ours.regime,
        estimates={metric: estimates[metric] for metric in METRICS},
        per_seed={metric: [result.metrics[metric].value for result in results] for metric in METRICS},
        num_seeds=len(results),
        diagnosis=ours.diagnosis,
    )


def _chance(section: Section) -> dict[str, float]:
    """Return what random ranking scores on the section's gallery; empty where nothing was measured."""
    for ours in section.ours:
        for result in ours.entry.of_task(TASK):
            return {metric: result.chance[metric] for metric in METRICS}
    return {}


def _winner(table: Table | None, regime: str) -> str:
    """Say which order wins by R@10 among the rows of a regime, and over which others significantly."""
    if table is None or TASK not in table.tasks:
        return ""
    column = [row for row in table.column(TASK, "R@10") if row.kind == "trained"]
    if len(column) < 2:
        return ""
    best = max(column, key=lambda row: row.mean)
    if best.low <= best.chance:
        return f"No order is above chance ({best.chance:.1f}) by R@10, {regime}; the highest is {best.mean:.1f}."
    tied = [row.label for row in column if row.mean == best.mean]
    if len(tied) > 1:
        return f"{' and '.join(tied)} share the highest R@10, {best.mean:.1f}, {regime}."
    beaten: list[str] = []
    level: list[str] = []
    for pair in table.paired:
        if pair.task != TASK or pair.metric != "R@10" or best.label not in (pair.a, pair.b):
            continue
        other = pair.b if pair.a == best.label else pair.a
        ahead = pair.difference if pair.a == best.label else -pair.difference
        words = f"{other} ({show_signed('R@10', ahead)}, {show_p(pair.p_holm)})"
        (beaten if pair.winner == best.label else level).append(words)
    parts = [f"significantly better than {', '.join(beaten)}"] if beaten else []
    parts += [f"not significantly different from {', '.join(level)}"] if level else []
    found = f"{best.label} has the highest R@10, {best.mean:.1f}, {regime}"
    return f"{found}: {'; '.join(parts)} (paired tests, Holm)."


def _section_to_dict(found: LabSection) -> dict[str, Any]:
    section = found.section
    return {
        "dataset": section.dataset,
        "protocol": {
            "benchmark": section.benchmark,
            "deviations": list(section.deviations),
            "regime": section.regime,
            "fingerprints": section.fingerprints,
        },
        "lab": [asdict(figure) | {"recalls": list(figure.recalls)} for figure in found.lab],
        "reproduction": [asdict(row) for row in found.ours],
        "others": [asdict(row) for row in found.others],
        "differences": [asdict(difference) | {"value": difference.value} for difference in found.differences],
        "winner": found.winner,
        "chance": found.chance,
        "explanations": list(section.explanations),
        "published": [asdict(figure) for figure in found.published],
        "paired": {regime: [asdict(pair) for pair in table.paired] for regime, table in section.tables.items()},
    }


def to_markdown(table: LabTable) -> str:
    """Write the table as Markdown."""
    return "\n".join(line for section in table.sections for line in _markdown(section)) + "\n"


def _markdown(found: LabSection) -> list[str]:
    section = found.section
    lines = [f"## {section.dataset}", "", f"Protocol {section.benchmark}, {section.regime}, {TASK}.", ""]
    lines += [f"| order | {' | '.join([*ROUNDS.values(), 'reproduction'])} |", "|---|---|---|---|"]
    for order in found.orders:
        cells = [_quoted(found.lab_row(round, order)) for round in ROUNDS]
        lines.append(f"| {order} | {' | '.join(cells)} | {_measured(found.our_row(order))} |")
    for row in found.others:
        lines.append(f"| {row.label}, {row.regime} | | | {_measured(row)} |")
    if found.chance:
        lines.append(f"| chance | | | {'/'.join(f'{found.chance[metric]:.1f}' for metric in METRICS)} |")
    lines += ["", f"R@1/R@5/R@10 in percent; quoted figures in italics. {LAB_NOTE}", ""]
    caution = [f"Not the published protocol: {'; '.join(section.deviations)}."] if section.deviations else []
    lines += [f"- {sentence}" for sentence in (*caution, found.winner, *section.explanations) if sentence]
    said = [f"- {row.label}, {row.regime}: {row.diagnosis}" for row in (*found.ours, *found.others) if row.diagnosis]
    lines += ["", "Is something set wrong?", "", *said] if said else []
    lines += ["", "| published, zero-shot | R@1 | R@5 | R@10 | |", "|---|---|---|---|---|"]
    for figure in found.published:
        cells = [f"*{show_quoted(value)}*" for value in figure.recalls]
        lines.append(f"| {figure.method} | {' | '.join(cells)} | {figure.check}: {figure.source} |")
    marks = "; ".join(f"{check}: {meaning}" for check, meaning in CHECKS.items())
    return [*lines, "", f"{PUBLISHED_NOTE} {marks}.", ""]


def _quoted(figure: LabFigure | None) -> str:
    return "–" if figure is None else f"*{'/'.join(figure.written)}*"


def _measured(row: OurRow | None) -> str:
    if row is None:
        return "–"
    values = "/".join(f"{row.estimates[metric].value:.1f}" for metric in METRICS)
    top = row.estimates["R@10"]
    return f"**{values}** (R@10 {top.low:.1f}–{top.high:.1f}, {counted(row.num_seeds, 'seed')})"
