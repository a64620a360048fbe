"""Which study a folder holds: written before any work, and compared before any more of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trichord.config import leaves
from trichord.errors import DataError, RunError
from trichord.files import read_json, write_json
from trichord.studies.mmlora.study import Prepared

STUDY_FILE = "study.json"
KIND, VERSION = "study of MMLoRA", 1
SHOWN = 3
OPTIONS = {
    "data": "--data",
    "label": "--label",
    "several": "--several",
    "modalities": "--modalities",
    "encoders": "--encoder",
    "targets": "--targets",
    "ranks": "--ranks",
    "seeds": "--seeds",
    "fusion": "--fusion",
    "controls": "--no-controls",
    "fit_splits": "--fit-splits",
    "selection_split": "--validation",
    "report_split": "--report",
}
"""First name of a path -> the option that sets what lies there; settings of learning are set as --set.NAME."""
GROWS = ("ranks", "seeds")
"""What may be added to: what is there already stays as it is and is used again."""


def identify_study(prepared: Prepared) -> dict[str, Any]:
    """Return as plain data everything that changes the numbers of a study; folders and workers do not."""
    study, recipe = prepared.study, prepared.recipe
    found = {
        "kind": KIND,
        "version": VERSION,
        "data": prepared.dataset.fingerprint(),
        "label": study.label,
        "several": study.several,
        "modalities": list(recipe.encoders),
        "encoders": {name: encoder.to_dict() for name, encoder in recipe.encoders.items()},
        "targets": dict(recipe.targets),
        "ranks": sorted(study.ranks),
        "seeds": list(study.seeds),
        "fusion": study.fusion,
        "controls": study.controls,
        "fit_splits": list(study.fit_splits),
        "selection_split": study.selection_split,
        "report_split": study.report_split,
        "settings": recipe.settings.to_dict(),
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def check_folder(out: Path, here: Mapping[str, Any]) -> None:
    """See to it that a folder is empty, does not exist yet, or holds this very study, or one of fewer seeds or ranks.

    Args:
        out: the folder.
        here: what `identify_study` returned.

    Raises:
        RunError: it holds another study, or something else.
    """
    file = out / STUDY_FILE
    if not file.exists():
        strange = sorted(entry.name for entry in out.iterdir() if entry.name[0] != ".") if out.is_dir() else []
        if strange:
            shown = ", ".join(strange[:SHOWN]) + (", ..." if len(strange) > SHOWN else "")
            raise RunError(f"{out} is not empty and holds no {KIND} (it has {shown}); choose another --out")
        return
    try:
        there = read_json(file)
    except DataError as error:
        raise RunError(f"{file}, which says what study lies there, cannot be read; choose another --out") from error
    if not isinstance(there, dict) or (there.get("kind"), there.get("version")) != (KIND, VERSION):
        raise RunError(f"{out} holds another kind of study (by its {STUDY_FILE}); choose another --out")
    unlike = _differences(there, here)
    if unlike:
        shown = "; ".join(f"{path}: {old!r} there, {new!r} here" for path, (old, new) in list(unlike.items())[:SHOWN])
        raise RunError(f"{out} holds another {KIND} ({shown}); choose another --out, or repeat its settings")


def claim_folder(out: Path, here: Mapping[str, Any]) -> None:
    """Write down which study a folder holds, or to what it has grown; see `check_folder` for errors."""
    check_folder(out, here)
    if not (out / STUDY_FILE).exists() or read_json(out / STUDY_FILE) != here:
        write_json(out / STUDY_FILE, dict(here))


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return path, with the option that sets it, -> (what is there, what is here); growth is no difference."""
    grown = {name: here[name] for name in GROWS if set(there.get(name, ())) < set(here[name])}
    old, new = dict(leaves({**there, **grown})), dict(leaves(here))
    paths = [*old, *(path for path in new if path not in old)]
    return {_told(path): (old.get(path), new.get(path)) for path in paths if old.get(path) != new.get(path)}


def _told(path: str) -> str:
    first, _, rest = path.partition(".")
    if first == "settings":
        return f"--set.{rest.replace('_', '-')}"
    option = OPTIONS.get(first, first)
    return f"{option} ({rest})" if rest else option
