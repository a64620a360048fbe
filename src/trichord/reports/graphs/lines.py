"""The lines of a study of graphs: its trials, its ranking, its contenders, its comparisons, and what is told of them.

Validation values are means over the queries of the split that chooses, by the deciding metric; what is reported of the
other split is what the study never looked at while it chose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trichord.graphs.graph import GraphConfig
from trichord.metrics.bootstrap import Comparison, Estimate
from trichord.metrics.retrieval import HIGHER_IS_BETTER

TrialState = Literal["finished", "pruned", "failed"]
GraphVerdict = Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True)
class TrialLine:
    """One graph that the search tried.

    Args:
        number: from 0, in the order in which they began.
        graph, text: the graph, and its text form.
        state: "finished": trained to its end; "pruned": stopped early, because it was behind; "failed": broke off.
        value: validation value at its end; None where it did not get there.
        curve: (epochs done, validation value of the target), in order, up to where it stopped.
        retry_of: number of the trial whose place it took after a failure; None of a first attempt.
        seconds: how long it took.
        sampled: name of a parameter -> value that the sampler drew.
        message: what went wrong; "" where nothing did, and where its worker died.
    """

    number: int
    graph: GraphConfig
    text: str
    state: TrialState
    value: float | None
    curve: tuple[tuple[int, float], ...]
    retry_of: int | None
    seconds: float
    sampled: Mapping[str, Any]
    message: str = ""


@dataclass(frozen=True)
class RankedGraph:
    """One of the best graphs of the search, trained anew with fresh seeds.

    Args:
        place: from 1, by `mean`.
        trial: number of the trial that found it.
        text: the graph.
        found: its validation value in the search, on which it was picked.
        values: its validation values with fresh seeds.
        mean: of `values`.
        low, high: 95 % interval of `mean`.
    """

    place: int
    trial: int
    text: str
    found: float
    values: tuple[float, ...]
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Contender:
    """One entry of the final comparison.

    Args:
        name: "best graph", "independent", "mutual learning", "distillation", "ensemble".
        sentence: what it is, in words.
        text: its graph; "" where it is none.
        metrics: name of a measure -> its mean over seeds on the reported split, with its 95 % interval.
        validation: its validation value, mean over the seeds of the re-ranking.
        networks: networks that are trained for one result.
        seconds: training of one result, mean over seeds.
    """

    name: str
    sentence: str
    text: str
    metrics: Mapping[str, Estimate]
    validation: float
    networks: int
    seconds: float


@dataclass(frozen=True)
class GraphComparison:
    """The best graph less one rival, on the same queries of the reported split.

    Args:
        rival: name of the other contender.
        metric: what was measured.
        comparison: best graph - rival.
        holm: the p-value, adjusted by Holm's rule over the rivals.
        verdict: of the best graph.
    """

    rival: str
    metric: str
    comparison: Comparison
    holm: float
    verdict: GraphVerdict

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval of the difference, which holds the seeds, lies on one side of zero."""
        return self.comparison.low > 0 or self.comparison.high < 0

    @property
    def told(self) -> GraphVerdict:
        """What a reader is told: the verdict where the interval bears it out, and otherwise that nothing is shown."""
        ahead = self.comparison.difference > 0
        claimed: GraphVerdict = "better" if ahead == HIGHER_IS_BETTER[self.metric] else "worse"
        return self.verdict if self.excludes_zero and self.verdict == claimed else "no difference shown"


@dataclass(frozen=True)
class Optimism:
    """What picking the best of several costs in honesty.

    Args:
        trials: trials that reached their end, among which was picked.
        apparent: validation value of the best of them, as the search saw it.
        corrected: the same for new queries, by BBC-CV: the bootstrap picks on the queries drawn and measures on those
            left out (Tsamardinos, Greasidou, Borboudakis, Machine Learning 2018). None where it cannot be told.
        expected: by how much the best of so many graphs that are all alike would be ahead of their mean, by luck alone.
        noise: standard deviation of one validation value: how far that of the same graph strays by chance.
        sentence: the same in words.
    """

    trials: int
    apparent: float
    corrected: float | None
    expected: float
    noise: float
    sentence: str


@dataclass(frozen=True)
class Importance:
    """What the gate of one edge did among the finished trials.

    Args:
        edge: name of the edge, "va -> tv", or of the label edge, "label -> tv".
        gates: gate -> mean validation value of the finished trials that had it.
        counts: gate -> number of these trials.
        share: importance of the edge's gate by Optuna, in [0, 1]; None where it cannot be computed.
    """

    edge: str
    gates: Mapping[str, float]
    counts: Mapping[str, int]
    share: float | None
