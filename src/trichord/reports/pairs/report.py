"""The record of a report on adapters and routes. Recalls are in percent; every choice was made on validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from trichord.reports.curves import StageVerdict
from trichord.reports.modalities.report import ModalityReport
from trichord.reports.table import PairedRow, Row, plain_pair, plain_row

ROUTED = "routed"
SAME_FUSION = "base, same fusion"
OWN_FUSION = "base, own fusion"
ONE_ALONE = "routed, one modality"
METRIC = "R@10"


@dataclass(frozen=True)
class RouteLine:
    """How a task is answered.

    Args:
        task: spelled task.
        description: the route in words.
        kind: see `Candidate`.
        adapted: whether an adapter takes part.
        adapters: names of what its legs pass through, `BASE` among them where it does.
        validation_mrr: mean reciprocal rank on validation, over seeds; of the route, of the best way, and of the best
            way without an adapter.
        best_mrr, base_mrr: see `validation_mrr`.
        base_description: the best way without an adapter.
        num_tried: ways that were compared on validation; the more, the more the best of them owes to luck.
    """

    task: str
    description: str
    kind: str
    adapted: bool
    validation_mrr: float
    best_mrr: float
    base_mrr: float
    base_description: str
    num_tried: int
    adapters: tuple[str, ...]


@dataclass(frozen=True)
class AdapterLine:
    """One adapter.

    Args:
        name: its name.
        way: how it was learnt.
        sides: which sides it changes, in words.
        parameters: numbers it holds.
        share: the same as a share of the base's parameters.
        mixture: whether it was made of others.
    """

    name: str
    way: str
    sides: str
    parameters: int
    share: float
    mixture: bool = False


@dataclass(frozen=True)
class WayLine:
    """One way of learning adapters: its mean reciprocal rank on validation, over the tasks' routes."""

    name: str
    validation_mrr: float
    chosen: bool


@dataclass(frozen=True)
class PairsReport:
    """A finished report.

    Args:
        title: of the page.
        dataset, fingerprint: the data.
        split, validation: what is reported, and what everything was chosen on.
        seeds: the seeds of the models.
        tasks: spelled tasks, in reading order.
        metrics: names of the measures of `rows`.
        labels: the entries: the routed model; the base (trained by itself, sides of several modalities summed); the
            same base by the best way without adapters that validation finds for it, and with the fusion of the routes;
            for tasks of several modalities, the route of the best of them alone; and what else it is compared with.
        about: label -> what it is, in words.
        rows: label x task x metric.
        routes: the route of every task.
        comparisons: routed model less every other entry, per task and metric; p adjusted by Holm over the tasks.
        matrix: adapter (as label) x task, `METRIC` on the reported split, the base first; off the diagonal too.
        serves: adapter -> tasks whose pair it is for.
        ways: the ways of learning that were compared.
        adapters: what adapters there are.
        modalities: whether audio (or whatever is added) helps, for tasks of several modalities.
        chance: task -> what random ranking scores, by `METRIC`.
        num_queries: task -> queries.
        verdicts: label of a run -> convergence of its stages.
        answers: what was found, in sentences.
        flags: warnings in words.
        notes: what a reader must know.
        folders: what was read or written.
    """

    title: str
    dataset: str
    fingerprint: str
    split: str
    validation: str
    seeds: tuple[int, ...]
    tasks: tuple[str, ...]
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    about: Mapping[str, str]
    rows: tuple[Row, ...]
    routes: tuple[RouteLine, ...]
    comparisons: tuple[PairedRow, ...]
    matrix: tuple[Row, ...]
    serves: Mapping[str, tuple[str, ...]]
    ways: tuple[WayLine, ...]
    adapters: tuple[AdapterLine, ...]
    modalities: tuple[ModalityReport, ...]
    chance: Mapping[str, float]
    num_queries: Mapping[str, int]
    verdicts: Mapping[str, tuple[StageVerdict, ...]] = field(default_factory=dict)
    answers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def row(self, label: str, task: str, metric: str) -> Row | None:
        """Return one number, or None where the entry was not measured on the task."""
        return next((r for r in self.rows if (r.label, r.task, r.metric) == (label, task, metric)), None)

    def cell(self, adapter: str, task: str) -> Row | None:
        """Return one cell of the matrix."""
        return next((r for r in self.matrix if (r.label, r.task) == (adapter, task)), None)

    def comparison(self, rival: str, task: str, metric: str) -> PairedRow | None:
        """Return the routed model less a rival on a task."""
        return next((c for c in self.comparisons if (c.b, c.task, c.metric) == (rival, task, metric)), None)

    @property
    def rivals(self) -> tuple[str, ...]:
        """Labels the routed model was compared with."""
        return tuple(dict.fromkeys(comparison.b for comparison in self.comparisons))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "title": self.title,
            "dataset": {"name": self.dataset, "fingerprint": self.fingerprint},
            "split": self.split,
            "chosen_on": self.validation,
            "seeds": list(self.seeds),
            "tasks": list(self.tasks),
            "entries": dict(self.about),
            "rows": [plain_row(row, "entry") for row in self.rows],
            "routes": [asdict(route) for route in self.routes],
            "paired": [{**plain_pair(pair), "significant": pair.significant} for pair in self.comparisons],
            "matrix": [
                {**plain_row(row, "adapter"), "own_pair": row.task in self.serves.get(row.label, ())}
                for row in self.matrix
            ],
            "ways": [asdict(way) for way in self.ways],
            "adapters": [asdict(adapter) for adapter in self.adapters],
            "modalities": [report.to_dict() for report in self.modalities],
            "chance": dict(self.chance),
            "num_queries": dict(self.num_queries),
            "verdicts": {label: [vars(verdict) for verdict in these] for label, these in self.verdicts.items()},
            "answers": list(self.answers),
            "flags": list(self.flags),
            "notes": list(self.notes),
            "folders": list(self.folders),
        }
