"""In which settings do the entries of a table differ, beyond what makes them what they are?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trichord.config import leaves

ABSENT = "(absent)"
"""Value shown for an entry that does not have the setting."""

NATURE = frozenset({"order", "modalities", "train", "pairs", "stages"})
"""Parts of a path that make an order the order it is: they differ in every comparison of orders."""


@dataclass(frozen=True)
class SettingDifference:
    """A setting that is not the same in all entries.

    Args:
        path: dotted path of the setting.
        values: label of an entry -> its value.
        by_nature: whether entries of unlike orders cannot but differ in it.
    """

    path: str
    values: dict[str, Any]
    by_nature: bool


def setting_differences(settings: Mapping[str, Mapping[str, Any]]) -> tuple[SettingDifference, ...]:
    """Compare the settings (label -> plain data) leaf by leaf; those that differ by nature come last.

    An order of fewer stages has no settings of the later ones, and a stage none of a modality it does not encode: such
    an order takes no part in their comparison. The number of stages is reported as a setting of its own.
    """
    flat = {label: _flatten(data) for label, data in settings.items()}
    paths = dict.fromkeys(path for leaf in flat.values() for path in leaf)
    found = []
    for path in paths:
        concerned = {label: leaf for label, leaf in flat.items() if path in leaf or _ought_to_have(leaf, path)}
        values = {label: leaf.get(path, ABSENT) for label, leaf in concerned.items()}
        if any(value != next(iter(values.values())) for value in values.values()):
            found.append(SettingDifference(path, values, _is_nature(path)))
    return tuple(sorted(found, key=lambda difference: difference.by_nature))


def _flatten(data: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves by dotted path; a tuple of plain values is one leaf, and lists of records are counted."""
    flat: dict[str, Any] = {}
    for path, value in leaves(_join(data)):
        flat[path] = value
    stages = data.get("stages")
    if isinstance(stages, (list, tuple)):
        flat["stages"] = len(stages)
    return flat


def _join(data: Any) -> Any:
    """Spell lists of plain values as one value, so that ("video", "text") is compared as a whole."""
    if isinstance(data, Mapping):
        return {key: _join(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        if all(not isinstance(value, (Mapping, list, tuple)) for value in data):
            return ", ".join(map(str, data))
        if all(isinstance(value, Mapping) and "left" in value for value in data):
            return ", ".join(_spell_pair(value) for value in data)
        return [_join(value) for value in data]
    return data


def _spell_pair(pair: Mapping[str, Any]) -> str:
    sides = f"{'+'.join(pair['left'])}-{'+'.join(pair['right'])}"
    return sides if pair.get("weight", 1.0) == 1.0 else f"{pair['weight']} {sides}"


def _ought_to_have(leaf: Mapping[str, Any], path: str) -> bool:
    """Whether settings could have a path: it lies in a stage they have, and is no setting of a single modality."""
    match = re.match(r"stages\.(\d+)\.", path)
    has_stage = match is None or int(match[1]) < int(leaf.get("stages", 0))
    modalities = {key.partition(".")[2] for key in leaf if key.startswith("letters.")}
    return has_stage and not modalities & set(path.split("."))


def _is_nature(path: str) -> bool:
    return path.rpartition(".")[2] in NATURE
