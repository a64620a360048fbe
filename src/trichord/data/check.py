"""`trichord data check`: a full scan of a data set, what is in it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trichord.data.dataset import Dataset
from trichord.data.inspection import CaptionCount, ModalityCount, count_captions, count_modality, shared_sources
from trichord.data.specification import RAW_WIDTHS
from trichord.errors import DataError

_LISTED = 5
# Kinds of raw inputs: what an instance is called, and what an empty one is.
_SPOKEN = {
    "image": ("images", "black"),
    "frames": ("frames", "black"),
    "waveform": ("recordings", "silent"),
    "text": ("captions", "blank"),
}
_STEPS = {"pooled": "", "image": "", "text": "", "words": "words", "frames": "frames", "waveform": "samples"}


@dataclass(frozen=True)
class Problem:
    """Something found: an error makes training or its numbers wrong, a warning is to be thought about."""

    severity: Literal["error", "warning"]
    message: str


@dataclass(frozen=True)
class CheckReport:
    """What a data set holds.

    Args:
        path: its folder.
        name: its name; empty when it could not be opened.
        items: number of items.
        splits: split -> number of items.
        modalities: one count per modality.
        captions: counts of captions, None without captions.
        labels: names of the label columns.
        shared_sources: source video -> the splits that share it.
        problems: errors first, then warnings.
    """

    path: str
    name: str = ""
    items: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    modalities: tuple[ModalityCount, ...] = ()
    captions: CaptionCount | None = None
    labels: tuple[str, ...] = ()
    shared_sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings are allowed."""
        return all(problem.severity != "error" for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {**asdict(self), "ok": self.ok}

    def to_text(self) -> str:
        """Return the report as lines for a terminal."""
        return "\n".join(_lines(self))


def check_dataset(path: str | Path) -> CheckReport:
    """Scan a data set. A set that cannot be opened gives a report with that one error."""
    try:
        dataset = Dataset.open(path)
    except DataError as error:
        return CheckReport(str(path), problems=(Problem("error", str(error)),))
    counts = tuple(count_modality(dataset, modality.name) for modality in dataset.modalities)
    captions, sources = count_captions(dataset), shared_sources(dataset)
    problems = [*_modality_problems(dataset, counts), *_table_problems(dataset, captions, sources)]
    return CheckReport(
        path=str(path),
        name=dataset.spec.name,
        items=len(dataset),
        splits=dict(dataset.spec.splits),
        modalities=counts,
        captions=captions,
        labels=tuple(dataset.labels),
        shared_sources=sources,
        problems=tuple(sorted(problems, key=lambda problem: problem.severity)),
    )


def _modality_problems(dataset: Dataset, counts: tuple[ModalityCount, ...]) -> Iterator[Problem]:
    for count in counts:
        if count.first_non_finite is not None:
            bad = count.first_non_finite
            yield Problem(
                "error",
                f"{dataset.path / bad.file}, row {bad.row}: NaN or infinity ({bad.owner}); {count.non_finite_rows} "
                "rows are so. Repair them, or leave the instances out",
            )
        noun, empty = _SPOKEN.get(count.kind, ("vectors", "all zero"))
        if count.zero_rows:
            yield Problem("warning", f"{count.name}: {count.zero_rows} {noun} are {empty}; is that a missing value?")
        if count.constant:
            yield Problem("error", f"{count.name}: all {noun} are equal, so nothing can be told apart by them")
        if count.shared and count.kind != "text":  # captions are told of below
            listed = ", ".join(f"{a} and {b}" for a, b in count.shared[:_LISTED])
            yield Problem(
                "warning",
                f"{count.name}: {len(count.shared)} {noun} occur in more than one split, as in the items {listed}"
                + _more(len(count.shared)),
            )
        absent = [split for split, number in count.missing.items() if number == dataset.spec.splits[split]]
        if absent:
            yield Problem("warning", f"{count.name}: no item of the split(s) {', '.join(absent)} has it")
    num_held = np.sum([dataset.has(count.name) for count in counts], axis=0)
    num_empty, num_single = int((num_held == 0).sum()), int((num_held == 1).sum())
    if num_empty:
        yield Problem("warning", f"{num_empty} items have no modality at all")
    if num_single and len(counts) > 1:  # one modality alone is for classes, which need no pair
        yield Problem("warning", f"{num_single} items have one modality only, so they form no pair")


def _table_problems(
    dataset: Dataset, captions: CaptionCount | None, sources: dict[str, tuple[str, ...]]
) -> Iterator[Problem]:
    if sources:
        listed = ", ".join(f"{source} ({', '.join(splits)})" for source, splits in list(sources.items())[:_LISTED])
        yield Problem(
            "warning",
            f"{len(sources)} source videos are in more than one split (leakage): {listed}{_more(len(sources))}",
        )
    if captions is not None and captions.shared:
        yield Problem("warning", f"{captions.shared} captions occur word for word in more than one split")


def _more(number: int) -> str:
    return f", and {number - _LISTED} more" if number > _LISTED else ""


def _lines(report: CheckReport) -> Iterator[str]:
    yield f"{report.name or 'not readable'}  ({report.path})"
    if report.items:
        splits = ", ".join(f"{name} {number}" for name, number in report.splits.items())
        yield f"items     {report.items} ({splits})"
    for count in report.modalities:
        missing = ", ".join(f"{split} {number}" for split, number in count.missing.items() if number) or "none"
        unit = _STEPS.get(count.kind, "steps")
        steps = f", {count.steps} {unit}" if unit else ""
        width = "" if count.kind in RAW_WIDTHS else f" {count.dim}"
        several = f", up to {count.most_per_item} per item" if count.most_per_item > 1 else ""
        yield (
            f"{count.letter} {count.name:<8}{count.kind}{width} {count.dtype}, {count.instances} instances{steps}"
            f"{several}; missing: {missing}; repeated: {count.duplicate_instances}; zero: {count.zero_rows}; "
            f"not finite: {count.non_finite_rows}"
        )
    if report.captions is not None:
        spread = ", ".join(f"{items} items with {number}" for number, items in report.captions.per_item.items())
        yield f"captions  {report.captions.total} ({spread}); repeated: {report.captions.duplicated}"
    if report.labels:
        yield f"labels    {', '.join(report.labels)}"
    for problem in report.problems:
        yield f"{problem.severity.upper():<9} {problem.message}"
    if not report.problems:
        yield "no problems found"
