"""What a study of graphs is: the graphs that may be tried, how they are trained and measured, and how many of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trichord.errors import ConfigError
from trichord.randomness import derive_seed
from trichord.recipes.adapt import Adaptation
from trichord.runs import SelectionConfig
from trichord.studies.graphs.space import SearchSpace

Sampler = Literal["random", "tpe"]
Pruner = Literal["halving", "none"]


@dataclass(frozen=True, kw_only=True)
class GraphStudy:
    """What is studied.

    Args:
        task: what the target is scored by: "T>V", or "I>digit" for a label.
        space: the graphs that may be tried.
        num_trials: graphs that shall be trained to their end or be stopped because they were behind.
        sampler: "random": uniformly, as published; "tpe": multivariate TPE after ten random graphs.
        pruner: "halving": asynchronous successive halving as published: of the graphs that got as far as 1, 2, 4, ...
            validations, the better half goes on. "none": every graph is trained to its end.
        storage: URL of the database that the trials are kept in; None: a journal file in the folder of the study.
        name: of the study in the storage; None: "graphs" in a journal file of its own, else "DATASET TASK".
        seed: of the search: of all draws, and of the training of every trial.
        recipe: recipe of nodes that compare two sides.
        epochs: passes over the fitting splits; None: as many as the recipe's.
        evaluate_every: epochs between two validations.
        base: run folder of the base of adapters; None where there are none.
        adaptation: how adapters learn.
        fit_splits: splits learnt from during selection.
        selection: the split that everything is chosen by, and the metric.
        report_split: split that is measured once, at the end.
        num_best: distinct graphs that are trained again with fresh seeds.
        ranking_seeds: fresh seeds that these are ranked by.
        num_seeds: fresh seeds of the final comparison, others again.
        refit: train for the final comparison on the fitting and the selection splits together.
    """

    task: str
    space: SearchSpace
    num_trials: int = 30
    sampler: Sampler = "random"
    pruner: Pruner = "none"
    storage: str | None = None
    name: str | None = None
    seed: int = 0
    recipe: str = "heads"
    epochs: int | None = None
    evaluate_every: int = 1
    base: Path | None = None
    adaptation: Adaptation = Adaptation()
    fit_splits: tuple[str, ...] = ("train",)
    selection: SelectionConfig = SelectionConfig()
    report_split: str = "test"
    num_best: int = 5
    ranking_seeds: int = 3
    num_seeds: int = 5
    refit: bool = True

    def __post_init__(self) -> None:
        for name in ("num_trials", "num_best", "ranking_seeds", "num_seeds", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"a study of graphs needs {name} of at least 1, got {getattr(self, name)}")
        for name, known in (("sampler", ("random", "tpe")), ("pruner", ("halving", "none"))):
            if getattr(self, name) not in known:
                raise ConfigError(f"the {name} is one of {', '.join(known)}; got {getattr(self, name)!r}")
        if self.selection.split is None:
            raise ConfigError("graphs are chosen on validation: name the split in selection.split")
        if self.report_split in (*self.fit_splits, self.selection.split):
            raise ConfigError(
                f"split {self.report_split!r} would be learnt from or chosen by and be reported; report another one"
            )

    @property
    def selection_split(self) -> str:
        """The split that everything is chosen by."""
        assert self.selection.split is not None, "checked when made"
        return self.selection.split

    @property
    def seeds_of_ranking(self) -> tuple[int, ...]:
        """Seeds that the best graphs are ranked by; the search has not used them."""
        return tuple(range(self.seed + 1, self.seed + 1 + self.ranking_seeds))

    @property
    def seeds_of_report(self) -> tuple[int, ...]:
        """Seeds of the final comparison; neither the search nor the ranking has used them."""
        first = self.seed + 1 + self.ranking_seeds
        return tuple(range(first, first + self.num_seeds))

    def seed_of_frozen(self, seed: int) -> int:
        """Return the seed of the networks that are trained alone to be frozen in graphs of a seed.

        It is none of the others: with the seed of the graph a frozen network of the target's kind would begin with the
        target's own weights and see the same batches, and would have nothing to tell it.
        """
        return derive_seed(seed, "frozen nodes")
