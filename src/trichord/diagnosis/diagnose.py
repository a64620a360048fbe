"""Is something set wrong? All checks on one run, and one sentence that says what to look at first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trichord.data import Dataset
from trichord.diagnosis.check_epochs import check_epochs, check_lost, check_warm_up
from trichord.diagnosis.check_features import (
    check_decibels,
    check_plain_scale,
    check_recorded_lengths,
    check_scale,
    check_shift,
    check_zeros,
)
from trichord.diagnosis.check_rate import check_too_high, check_too_low
from trichord.diagnosis.check_scores import check_against, check_chance, check_data, check_failed, check_measuring
from trichord.diagnosis.check_weights import check_file, check_trained
from trichord.diagnosis.check_words import check_coverage, check_coverage_drop
from trichord.diagnosis.facts import Facts
from trichord.diagnosis.finding import SEVERITIES, Evidence, Finding
from trichord.diagnosis.looked_at import list_looked_at
from trichord.diagnosis.reading import read_facts
from trichord.diagnosis.scores import Results
from trichord.runs.directory import RunDirectory

Check = Callable[[Facts], Finding | None]

# In the order in which a person would look: nothing about training can be said of weights that are not the trained
# ones, nothing about the weights on other features, and nothing about epochs where the learning rate is wrong. Among
# findings of one severity the first of this order is named.
CHECKS: tuple[Check, ...] = (
    check_file,
    check_trained,
    check_decibels,
    check_scale,
    check_recorded_lengths,
    check_shift,
    check_plain_scale,
    check_zeros,
    check_coverage,
    check_coverage_drop,
    check_too_high,
    check_too_low,
    check_warm_up,
    check_epochs,
    check_lost,
    check_failed,
    check_data,
    check_measuring,
    check_against,
    check_chance,
)


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Args:
        run: run folder.
        sentence: what to check first; or that nothing was found, with what was looked at.
        findings: causes first, then warnings, symptoms and notes.
        looked_at: the main numbers, whether they are suspicious or not.
    """

    run: str
    sentence: str
    findings: tuple[Finding, ...]
    looked_at: tuple[Evidence, ...]

    @property
    def suspicious(self) -> tuple[Finding, ...]:
        """Causes and warnings."""
        return tuple(finding for finding in self.findings if finding.severity in ("cause", "warning"))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "run": self.run,
            "sentence": self.sentence,
            "findings": [finding.to_dict() for finding in self.findings],
            "looked_at": [vars(evidence) for evidence in self.looked_at],
        }

    def to_text(self) -> str:
        """Return the sentence, and below it the findings with their evidence."""
        lines = [self.sentence]
        for finding in self.findings:
            repeated = finding.sentence == self.sentence
            lines += [
                "",
                f"{finding.severity}: {finding.check}" if repeated else f"{finding.severity}: {finding.sentence}",
            ]
            lines += [f"  {evidence}" for evidence in finding.evidence]
        return "\n".join([*lines, "", "looked at", *(f"  {evidence}" for evidence in self.looked_at)])


def diagnose(
    run: RunDirectory | str | Path,
    dataset: Dataset,
    *,
    results: Results | None = None,
    evaluated_on: Dataset | None = None,
    split: str | None = None,
    against: str | Path | None = None,
) -> Diagnosis:
    """Compare a run with chance, with its own earlier epochs, with its data, and with another run.

    Args:
        run: run folder; it may be unfinished or failed.
        dataset: the data the run learnt from.
        results: what was measured, task -> result; None measures the model where `evaluated_on` or `split` is named,
            and reads the results of the run otherwise.
        evaluated_on: data that are, or were, measured; None: `dataset`.
        split: split to measure; None: the one that the run reports. Results that are given name their own items.
        against: folder of a run of the same recipe.

    Raises:
        RunError: a folder is no run, its model is damaged, or something is to be measured and there is no model.
        ConfigError: there is no such split or modality.
        DataError: a data set is damaged.
    """
    facts = read_facts(run, dataset, results=results, evaluated_on=evaluated_on, split=split, against=against)
    return conclude(facts)


def conclude(facts: Facts) -> Diagnosis:
    """Ask every check, and put what they find in order."""
    found = [finding for finding in (check(facts) for check in CHECKS) if finding is not None]
    ordered = tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))
    return Diagnosis(facts.run, _sentence(facts, ordered), ordered, list_looked_at(facts))


def _sentence(facts: Facts, findings: tuple[Finding, ...]) -> str:
    first = findings[0] if findings else None
    if first is not None and first.severity in ("cause", "warning"):
        return first.sentence
    if first is not None and first.severity == "symptom":
        return f"{first.sentence[:-1]}, and none of the usual causes shows; look at whether captions and clips match."
    best = max(facts.scores, key=lambda score: score.value - score.chance, default=None)
    score = (
        "there are no scores"
        if best is None
        else f"{best.metric} of {best.task} is {best.value:.3g} against {best.chance:.3g} by chance"
    )
    verdicts = "; ".join(f"stage {stage.name}: {stage.convergence.sentence}" for stage in facts.stages)
    return f"Nothing is found wrong: {score}, {verdicts or 'no stage has begun'}."
