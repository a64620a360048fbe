"""The record: does adding a modality help, on one task, one data set and one model of several seeds?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from trichord.evaluation.space import SpaceReport
from trichord.metrics.bootstrap import Estimate
from trichord.reports.modalities.changes import Changes
from trichord.reports.modalities.question import Question
from trichord.reports.modalities.ways import Fusion, Kind
from trichord.reports.modalities.weights import FittedWeights
from trichord.reports.table import SIGNIFICANCE

VERSION = 1
METRIC = "R@10"
"""What the answer is given in."""
SHOWN = ("R@1", "R@5", "R@10", "MedR", "MRR")


@dataclass(frozen=True)
class WayRow:
    """What one way of answering scores.

    Args:
        name, kind, legs: see `Way`.
        estimates: metric -> mean over seeds and queries with its 95 % interval.
        per_seed: seed -> `METRIC` of that seed alone.
        flags: warnings of the measurements, each once.
    """

    name: str
    kind: Kind
    legs: str
    estimates: Mapping[str, Estimate]
    per_seed: Mapping[int, float]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """One way against another on the same queries.

    Args:
        a, b: names of the ways.
        metric: what is compared.
        difference, low, high: a - b with its 95 % interval; recalls in percentage points.
        p, p_holm: of the paired randomisation test; adjusted for all comparisons of this metric in the report.
    """

    a: str
    b: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float

    @property
    def significant(self) -> bool:
        """Whether the adjusted p-value is below `SIGNIFICANCE`."""
        return self.p_holm < SIGNIFICANCE


@dataclass(frozen=True, kw_only=True)
class ModalityReport:
    """Everything about one task, data set and model.

    Args:
        label: the model.
        question: the task, and what is added to what.
        dataset, fingerprint: name and hash of the data.
        split: name of the split measured.
        validation: what was fitted on, in short: "val".
        protocol: hash of how everything was measured; only reports of one protocol may be compared.
        seeds, folders: of the runs.
        adapters: names of those that legs may take; empty for the base.
        num_items, num_queries: of the measured split.
        lacking: modality -> items of the measured split without it.
        ways: all of them, single modalities first.
        chance: metric -> what random ranking scores.
        best_alone: the single modality that scores highest on the validation split, spelled.
        weights: "scores" and "ranks" -> the weights fitted for each.
        differences: of `METRIC` and MRR.
        changes: of the queries between the first modality alone and weighted scores.
        captions_stored: whether the data hold the text of captions.
        space: one per pair, adapter and seed, with the seed.
        answer: one sentence.
        notes: what must be known to read it.
    """

    label: str
    question: Question
    dataset: str
    fingerprint: str
    split: str
    validation: str
    protocol: str
    seeds: tuple[int, ...]
    folders: tuple[str, ...]
    adapters: tuple[str, ...]
    num_items: int
    num_queries: int
    lacking: Mapping[str, int]
    ways: tuple[WayRow, ...]
    chance: Mapping[str, float]
    best_alone: str
    weights: Mapping[Fusion, FittedWeights]
    differences: tuple[Difference, ...]
    changes: Changes
    captions_stored: bool
    space: tuple[tuple[int, SpaceReport], ...]
    answer: str
    notes: tuple[str, ...]

    def way(self, kind: Kind) -> WayRow:
        """Return the first way of a kind; the ones of kind "alone" begin with the modality that is added to."""
        return next(way for way in self.ways if way.kind == kind)

    def difference(self, a: str, b: str, metric: str = METRIC) -> Difference | None:
        """Return the comparison of two ways in this direction; None where they are the same way."""
        found = (d for d in self.differences if (d.a, d.b, d.metric) == (a, b, metric))
        return next(found, None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, complete: all queries that change are in it."""
        named = ("label", "dataset", "fingerprint", "split", "validation", "protocol", "num_items", "num_queries")
        plain = ("lacking", "chance", "best_alone", "captions_stored", "answer")
        return {
            "task": self.question.spelling,
            "added": list(self.question.added),
            "to": self.question.first,
            **{name: getattr(self, name) for name in named},
            **{name: list(getattr(self, name)) for name in ("seeds", "folders", "adapters", "notes")},
            **{name: getattr(self, name) for name in plain},
            "ways": [asdict(way) for way in self.ways],
            "weights": {fusion: asdict(fitted) for fusion, fitted in self.weights.items()},
            "differences": [
                asdict(difference) | {"significant": difference.significant} for difference in self.differences
            ],
            "changes": asdict(self.changes),
            "space": [{"seed": seed, **report.to_dict()} for seed, report in self.space],
        }
