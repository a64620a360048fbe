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
OPTIONS = {
    "space.own": "--target",
    "space.num_nodes": "--nodes",
    "space.kinds": "--kinds",
    "space.gates": "--gates",
    "space.label_gates": "--label-gates",
    "space.payloads": "--payloads",
    "space.temperatures": "--temperatures",
    "space.effects": "--push",
    "space.ensemble": "--ensemble",
    "data": "--data",
    "task": "--target",
    "search.sampler": "--sampler",
    "search.pruner": "--pruner",
    "search.seed": "--seed",
    "training.recipe": "--recipe",
    "training.base": "--base",
    "training.epochs": "--epochs",
    "training.evaluate_every": "--evaluate-every",
    "training.fit_splits": "--fit-split",
    "training.selection.split": "--selection-split",
    "training.selection.metric": "--metric",
}
"""Part of what identifies a search -> the option that sets it; other parts are named by their path."""
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
        unlike = _differences(part, there.get(part), here[part])
        if unlike:
            by_option = {name: values for name, values in unlike.items() if name.startswith("--")}
            told = list((by_option or unlike).items())
            shown = "; ".join(f"{name}: {old} there, {new} here" for name, (old, new) in told[:SHOWN])
            raise RunError(
                f"{where} holds a search with another {word} ({shown}); choose another --out or --name, or repeat its "
                "settings"
            )


def _differences(part: str, there: Any, here: Any) -> dict[str, tuple[str, str]]:
    """Return option, or dotted path where no option sets it, -> (what is there, what is here)."""
    old, new = dict(leaves(there, part)), dict(leaves(here, part))
    found: dict[str, tuple[str, str]] = {}
    for path in [*old, *(path for path in new if path not in old)]:
        if _listed(old.get(path)) == _listed(new.get(path)):
            continue
        setting = _setting(path)
        if setting is None:
            found[path] = (repr(old.get(path)), repr(new.get(path)))
        else:
            told = (_told(_at(there, part, path, setting)), _told(_at(here, part, path, setting)))
            name = OPTIONS[setting]
            # Told in the words of the option; where those are the same, by the detail that is not.
            found.setdefault(name, told if told[0] != told[1] else (repr(old.get(path)), repr(new.get(path))))
    return found


def _setting(path: str) -> str | None:
    """Return which entry of `OPTIONS` a leaf belongs to; the kind of node is left out of the path of its training."""
    names = path.split(".")
    names = [names[0], *names[2:]] if names[0] == "training" else names
    return next((start for length in range(len(names), 0, -1) if (start := ".".join(names[:length])) in OPTIONS), None)


def _at(data: Any, part: str, path: str, setting: str) -> Any:
    """Return what a setting holds, in the data of a part; None where it is not there."""
    inner = setting.split(".")[1:]
    names = [path.split(".")[1], *inner] if part == "training" else inner
    for name in names:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def _told(value: Any) -> str:
    """Say in a few words what a setting holds."""
    if isinstance(value, Mapping):
        if "left" in value:
            return "-".join("+".join(value[side]) or str(value.get("label")) for side in ("left", "right"))
        if "kind" in value:
            top = value.get("top", 1)
            return str(value["kind"]) if top == 1 else f"{value['kind']}@{top}"
        if set(value) == {"name", "fingerprint"}:
            return f"{value['name']} with fingerprint {value['fingerprint']}"
        return " ".join(name for name in value if name != "config")
    if isinstance(value, (list, tuple)):
        return " ".join(_told(entry) for entry in value) or "none"
    return str(value)


def _listed(value: Any) -> Any:
    """Storages give tuples back as lists."""
    return [_listed(entry) for entry in value] if isinstance(value, (list, tuple)) else value
