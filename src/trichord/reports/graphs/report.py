"""The record of a study of graphs. Recalls are in percent; every choice was made on validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from trichord.config import Config
from trichord.graphs.graph import GraphConfig
from trichord.reports.graphs.lines import (
    Contender,
    GraphComparison,
    Importance,
    Optimism,
    RankedGraph,
    TrialLine,
    TrialState,
)


@dataclass(frozen=True)
class GraphStudyReport:
    """A finished study.

    Args:
        title: of the page.
        dataset: its name.
        task: spelled: "T>V", or "I>digit" of a classifier.
        metric: name of the measure that decided, on validation.
        selection_split, report_split: where everything was chosen, and where the final comparison was measured.
        num_trials: trials that were asked for.
        sampler, pruner: in words.
        seeds: number of seeds of the final comparison.
        trials: every trial, failed ones among them, by number.
        reference: validation value of the target alone, with the seed of the search.
        ranked: the best graphs with fresh seeds, by place.
        contenders: the entries of the final comparison, the best graph first.
        comparisons: best graph less every rival, by measure.
        optimism: what picking the best of several costs.
        importance: per edge.
        best: the graph that was chosen.
        settings: everything else that was set; plain data.
        letters: modality name -> its letter, in the order of the data set.
        conclusion: what was found, in sentences.
        times_reported: for how many graphs of the search the reported split was measured in this folder; more than one
            where a study was made longer after it had been reported.
        train_options: options of `trichord graph train` that train the best graph as it was trained here, besides data,
            task, graph and folder.
    """

    title: str
    dataset: str
    task: str
    metric: str
    selection_split: str
    report_split: str
    num_trials: int
    sampler: str
    pruner: str
    seeds: int
    trials: tuple[TrialLine, ...]
    reference: float
    ranked: tuple[RankedGraph, ...]
    contenders: tuple[Contender, ...]
    comparisons: tuple[GraphComparison, ...]
    optimism: Optimism
    importance: tuple[Importance, ...]
    best: GraphConfig
    settings: Mapping[str, Any]
    letters: Mapping[str, str]
    conclusion: str
    times_reported: int = 1
    train_options: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the measures of the final comparison, in the order of the first contender."""
        return tuple(dict.fromkeys(name for contender in self.contenders for name in contender.metrics))

    @property
    def best_text(self) -> str:
        """Text form of the graph that was chosen; "" where nothing was ranked."""
        texts = [ranked.text for ranked in self.ranked if ranked.place == 1]
        return (texts or [trial.text for trial in self.trials if trial.graph == self.best] or [""])[0]

    def in_state(self, state: TrialState) -> tuple[TrialLine, ...]:
        """Return the trials that came to one end."""
        return tuple(trial for trial in self.trials if trial.state == state)

    def comparison(self, rival: str, metric: str) -> GraphComparison | None:
        """Return the best graph less one rival by one measure; None where they were not compared."""
        return next((c for c in self.comparisons if (c.rival, c.metric) == (rival, metric)), None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "title": self.title,
            "dataset": self.dataset,
            "task": self.task,
            "metric": self.metric,
            "selection_split": self.selection_split,
            "report_split": self.report_split,
            "num_trials": self.num_trials,
            "sampler": self.sampler,
            "pruner": self.pruner,
            "seeds": self.seeds,
            "conclusion": self.conclusion,
            "times_reported": self.times_reported,
            "train_options": list(self.train_options),
            "best": {"text": self.best_text, "graph": self.best.to_dict()},
            "reference": self.reference,
            "contenders": [asdict(contender) for contender in self.contenders],
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "optimism": asdict(self.optimism),
            "ranked": [_plain(asdict(ranked)) for ranked in self.ranked],
            "importance": [asdict(importance) for importance in self.importance],
            "trials": [_plain(_trial(trial)) for trial in self.trials],
            "settings": _plain(self.settings),
            "letters": dict(self.letters),
        }


def _trial(trial: TrialLine) -> dict[str, Any]:
    return {**vars(trial), "graph": trial.graph.to_dict(), "sampled": dict(trial.sampled)}


def _plain(value: Any) -> Any:
    """Turn tuples into lists and configurations into dictionaries, all the way down."""
    if isinstance(value, Config):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, (list, tuple)) else value
