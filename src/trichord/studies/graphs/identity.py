"""Whether a stored search is the one that is asked for: same graphs, same training, same data, same task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trichord.config import leaves
from trichord.errors import RunError
from trichord.studies.graphs.experiments import Planner

WORDS = {
    "space": "search space",
    "data": "data set",
    "task": "task",
    "search": "way of searching",
    "training": "way of training",
}
SHOWN = 4


def identify_search(planner: Planner) -> dict[str, Any]:
    """Return as plain data everything that changes the numbers of a search; folders and numbers of trials do not.

    "training" holds the experiment of every kind of node by itself, which is how it is trained in every graph.
    """
    study, dataset = planner.study, planner.dataset
    return {
        "space": study.space.to_dict(),
        "data": {"name": dataset.spec.name, "fingerprint": dataset.fingerprint()},
        "task": study.task,
        "search": {"sampler": study.sampler, "pruner": study.pruner, "seed": study.seed},
        "training": {kind: planner.alone(kind, study.seed).to_dict() for kind in study.space.trained_alone},
    }


def check_same_search(there: Mapping[str, Any], here: Mapping[str, Any], where: str) -> None:
    """Raise `RunError` that names what differs between a stored search and the one that is asked for."""
    for part, word in WORDS.items():
        old, new = dict(leaves(there.get(part), part)), dict(leaves(here[part], part))
        paths = [*old, *(path for path in new if path not in old)]
        unlike = [path for path in paths if _listed(old.get(path)) != _listed(new.get(path))]
        if unlike:
            shown = "; ".join(f"{path}: {old.get(path)!r} there, {new.get(path)!r} here" for path in unlike[:SHOWN])
            raise RunError(
                f"{where} holds a search with another {word} ({shown}); choose another --out or --name, or repeat its "
                "settings"
            )


def _listed(value: Any) -> Any:
    """Storages give tuples back as lists."""
    return [_listed(entry) for entry in value] if isinstance(value, (list, tuple)) else value
