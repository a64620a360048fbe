"""Whether the best graph is a gain, in words; nothing is called one that its interval does not bear out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trichord.reports.graphs.lines import GraphComparison
from trichord.reports.graphs.report import GraphStudyReport
from trichord.reports.graphs.words import deciding_metric, metric_name
from trichord.reports.numbers import listed
from trichord.reports.table import SIGNIFICANCE

ALONE = "independent"
"""The rival that a graph must beat to be worth anything: its own target, trained by itself."""


@dataclass(frozen=True)
class Answer:
    """The verdict of a study.

    Args:
        heading: in few words: "No gain is shown".
        comparisons: with every rival, by the measure that decides.
        gain: whether the best graph is better than `ALONE` (than any rival, where that is none), and worse than none.
    """

    heading: str
    comparisons: tuple[GraphComparison, ...]
    gain: bool


def find_answer(report: GraphStudyReport) -> Answer:
    """Hold the best graph against every rival by the measure that decides."""
    metric = deciding_metric(report)
    found = tuple(comparison for comparison in report.comparisons if comparison.metric == metric)
    better = [one.rival for one in found if one.told == "better"]
    worse = [one.rival for one in found if one.told == "worse"]
    beaten = ALONE in better or (bool(better) and all(one.rival != ALONE for one in found))
    heading = _heading(metric_name(report, metric), found, better, worse)
    if report.seeds == 1 and (better or worse):
        heading += " (with one seed: another may say otherwise)"
    return Answer(heading, found, beaten and not worse)


def _heading(metric: str, found: Sequence[GraphComparison], better: Sequence[str], worse: Sequence[str]) -> str:
    if not found:
        return "The best graph was compared with nothing: no gain is claimed"
    if len(better) == len(found):
        return f"A gain of {metric} over {_every(found)}"
    if better and ALONE not in better and ALONE in [one.rival for one in found]:
        lost = f", worse than {listed(list(worse))}" if worse else ""
        return f"No gain of {metric} over the target alone is shown; better than {listed(list(better))}{lost}"
    if better:
        level = [one.rival for one in found if one.told == "no difference shown"]
        rest = [f"none is shown over {listed(level)}"] if level else []
        rest += [f"it is worse than {listed(list(worse))}"] if worse else []
        return f"A gain of {metric} over {listed(list(better))}; {' and '.join(rest)}"
    if worse:
        return f"No gain of {metric} is shown: the best graph is worse than {listed(list(worse))}"
    return f"No gain of {metric} is shown over any rival"


def _every(found: Sequence[GraphComparison]) -> str:
    return found[0].rival if len(found) == 1 else "both rivals" if len(found) == 2 else f"all {len(found)} rivals"


def reservation(one: GraphComparison) -> str:
    """Say why nothing is claimed where the test or the interval, but not both, tell the two apart."""
    if one.told != "no difference shown":
        return ""
    if one.holm < SIGNIFICANCE and not one.excludes_zero:
        return "these very models differ, but the interval, which holds the seeds, includes 0"
    if one.holm >= SIGNIFICANCE and one.excludes_zero:
        return "the interval excludes 0, but the adjusted test does not bear it out"
    return ""
