"""What a folder holds where another kind was expected, and what it is for.

Graphs and classifiers stand on runs, so this package knows the classes of their experiments by name only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trichord.errors import DataError
from trichord.files import read_json

TABLES = ("table.json", "study.json")
"""Files by which the folder of a study is known."""
DEEPEST = 4
"""Folders between that of a study and what it trained, at most."""


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder of something trained.

    Args:
        experiment: full name of the class of its experiment, as config.json has it.
        called: what it is called.
        advice: what to do with it.
    """

    experiment: str
    called: str
    advice: str


KINDS = (
    FolderKind("trichord.runs.experiment.ExperimentConfig", "run", "use `trichord evaluate`"),
    FolderKind(
        "trichord.classification.experiment.ClassifierExperimentConfig", "classifier", "use `trichord classify predict`"
    ),
    FolderKind("trichord.cotraining.experiment.GraphExperimentConfig", "graph", "name one of its nodes, nodes/NAME"),
)


def kind_of(record: Any) -> FolderKind | None:
    """Return what a folder is whose config.json holds `record`; None where it is none of ours."""
    config = record.get("config") if isinstance(record, dict) else None
    named = config.get("config") if isinstance(config, dict) else None
    return next((kind for kind in KINDS if kind.experiment == named), None)


def describe_study(folder: Path, called: str) -> str | None:
    """Say in which folder of a study something of the kind lies that was expected in place of the study itself.

    Args:
        folder: any folder.
        called: what was expected, "run".

    Returns:
        The sentence; None where the folder is no study, or holds nothing that was trained.
    """
    if not any((folder / table).is_file() for table in TABLES):
        return None
    other: tuple[Path, FolderKind] | None = None
    for place, kind in _trained_inside(folder):
        if kind.called == called:
            return f"{folder} is a study: name a {called} in it, such as {place}"
        other = other or (place, kind)
    if other is None:
        return None
    place, kind = other
    return f"{folder} is a study that holds no {called}: {place} is a {kind.called}, for which {kind.advice}"


def _trained_inside(folder: Path) -> Iterator[tuple[Path, FolderKind]]:
    for depth in range(1, DEEPEST + 1):
        for file in sorted(folder.glob("*/" * depth + "config.json")):
            try:
                kind = kind_of(read_json(file))
            except DataError:
                continue
            if kind is not None:
                yield file.parent, kind
