"""The linear baseline of a study: a canonical correlation analysis of its own for every pair of a task's sides."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from trichord.data import Dataset
from trichord.errors import DataError, ProtocolError, RunError
from trichord.evaluation import EvaluationConfig, RetrievalResult, evaluate_tasks, evaluation_set
from trichord.evaluation.cca_baseline import CcaGrid, CcaSplits, tuned_cca
from trichord.modality import Pair, Task, spell_pair, spell_task
from trichord.reports import is_baseline, load_baseline, save_baseline

NAME = "linear CCA"


def linear_baseline(
    dataset: Dataset,
    folder: Path,
    tasks: Sequence[Task],
    grid: CcaGrid,
    *,
    fit: Sequence[str],
    select: str,
    test: str,
    scoring: EvaluationConfig,
    progress: bool = True,
) -> Path:
    """Fit, choose on `select`, fit again on both, measure on `test`, and save; a baseline that is there is kept.

    A pair that has no such analysis, for instance because one of its sides does not vary, is left out; the reason is
    kept in the settings and stands in the notes of every table.

    Args:
        dataset: the data.
        folder: where the baseline is saved.
        tasks: tasks to measure; the two directions of a pair share one fit.
        grid: what is tried on `select`.
        fit, select, test: splits.
        scoring: captions, similarity and fusion, the same as for trained models.
        progress: show a progress bar on a terminal.

    Returns:
        The folder.

    Raises:
        RunError: the folder holds a baseline that was fitted or chosen otherwise.
    """
    settings: dict[str, object] = {
        "fit": list(fit),
        "select": select,
        "test": test,
        "grid": grid.to_dict(),
        "scoring": scoring.to_dict(),
        "tasks": [spell_task(task, dataset.modalities) for task in tasks],
        "dataset": {"name": dataset.spec.name, "fingerprint": dataset.fingerprint()},
    }
    if is_baseline(folder):
        _refuse_another(folder, settings)
        return folder
    splits = CcaSplits(dataset.split(*fit), dataset.split(select), dataset.split(test))
    evaluated = evaluation_set(dataset, test)
    results: dict[str, RetrievalResult] = {}
    for pair, members in tqdm(_by_pair(tasks), desc=NAME, disable=None if progress else True):
        spelled = spell_pair(pair, dataset.modalities)
        try:
            tuned = tuned_cca(dataset, pair, splits, grid, scoring)
        except (DataError, ProtocolError) as error:
            settings[spelled] = {"left_out": f"{spelled}: {error}"}
            continue
        results |= evaluate_tasks(tuned.tables, members, evaluated, scoring)
        settings[spelled] = {
            **tuned.setting.to_dict(),
            "mrr_on_selection": round(tuned.selection_mrr, 5),
            "points": tuned.num_tried,
        }
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    save_baseline(unfinished, NAME, settings, results, test)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)
    return folder


def _refuse_another(folder: Path, settings: Mapping[str, object]) -> None:
    """Raise `RunError` unless the baseline in the folder was made with these settings."""
    there = load_baseline(folder).settings
    unlike = [name for name, value in settings.items() if json.loads(json.dumps(value)) != there.get(name)]
    if unlike:
        raise RunError(
            f"{folder} holds a baseline made with another {' and '.join(unlike)}; choose another folder, or delete "
            "this one to make the baseline anew"
        )


def _by_pair(tasks: Sequence[Task]) -> list[tuple[Pair, list[Task]]]:
    """Return every pair of sides with its tasks: both directions share one fit."""
    pairs: dict[frozenset[tuple[str, ...]], list[Task]] = {}
    for task in tasks:
        pairs.setdefault(frozenset((task.query, task.gallery)), []).append(task)
    return [(Pair(members[0].query, members[0].gallery), members) for members in pairs.values()]
