"""What a graph starts from must not have seen what the graph is chosen by or reported on."""

from __future__ import annotations

from pathlib import Path

from trichord.cotraining.experiment import GraphExperimentConfig
from trichord.cotraining.networks import seen_by_start
from trichord.data import Dataset
from trichord.runs.unseen import Use, check_unseen, seen_by_run


def check_starts_unseen(config: GraphExperimentConfig, dataset: Dataset, base: Path | None) -> tuple[str, ...]:
    """Refuse a frozen node, a start or a base that learnt from a split that decides or is reported.

    Args:
        config: the graph.
        dataset: the data.
        base: run folder of the base of adapters; None where there is none, or it is no run.

    Returns:
        Sentences about what was compared by ids, and, beginning with "Caution", what could not be checked.

    Raises:
        ConfigError: it did.
    """
    uses = []
    if config.selection.split is not None:
        uses.append(Use(config.selection.split, "choose between graphs"))
    if config.report_split is not None:
        uses.append(Use(config.report_split, "be reported", reported=True))
    of_base = None if base is None else seen_by_run(base)
    starts = dict.fromkeys(node.start for node in config.graph.nodes.values() if node.start)
    seen = [*([] if of_base is None else [of_base]), *(seen_by_start(start, of_base) for start in starts)]
    return check_unseen(seen, dataset, uses)
