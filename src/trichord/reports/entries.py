"""The rows of a table: run folders that differ in nothing but their seed form one entry, a baseline forms another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from trichord.errors import RunError
from trichord.evaluation.result import RetrievalResult, load_result
from trichord.files import hash_json, read_json, write_json
from trichord.reports.curves import StageCurve, StageVerdict, read_curves, read_verdicts
from trichord.runs.directory import RunDirectory

BASELINE_FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """One row of a table; the tuples hold one member per seed.

    Args:
        label: the order of trained runs, the name of a baseline.
        kind: which of the two it is.
        results: task -> result.
        seeds: the seeds; of a baseline, which has none, a single 0.
        folders: where it was read from.
        settings: full settings of the first seed, as plain data; those of the data set under "dataset".
        changes: dotted path -> (value of the recipe, value of the run), for fields that were overridden.
        curves: the curves of every stage.
        verdicts: the verdicts of every stage.
        environments: what the runs ran on.
    """

    label: str
    kind: Literal["trained", "baseline"]
    results: tuple[dict[str, RetrievalResult], ...]
    seeds: tuple[int, ...]
    folders: tuple[Path, ...]
    settings: dict[str, Any]
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    curves: tuple[tuple[StageCurve, ...], ...] = ()
    verdicts: tuple[tuple[StageVerdict, ...], ...] = ()
    environments: tuple[dict[str, Any], ...] = ()

    def of_task(self, task: str) -> list[RetrievalResult]:
        """Results on a task, one per seed; empty where the entry was not measured on it."""
        return [results[task] for results in self.results if task in results]

    @property
    def name(self) -> str:
        """The label with the first folder, for messages."""
        return f"{self.label} ({self.folders[0]})"


def load_entries(folders: Sequence[str | Path]) -> tuple[Entry, ...]:
    """Read run folders and baseline folders; runs that differ in nothing but their seed become one entry.

    A folder of runs, or of a study, stands for the runs and baselines in it (not for those of its selection).

    Trained entries come first, in the order in which they are named, and baselines after them. Entries of the same
    order but unlike settings are numbered: "VT_A #1", "VT_A #2".

    Raises:
        RunError: a folder is neither a run nor a baseline, a run is not finished, one holds no results, or two runs
            are the same in everything, seed included.
    """
    folders = [run for folder in folders for run in _runs_inside(Path(folder))]
    if not folders:
        raise RunError("there is nothing to compare; name at least one run folder")
    baselines = [Path(folder) for folder in folders if is_baseline(folder)]
    groups: dict[str, list[Entry]] = {}
    for folder in folders:
        if not is_baseline(folder):
            entry = _load_run(RunDirectory(folder))
            groups.setdefault(_identity(entry), []).append(entry)
    trained = [_join_seeds(group) for group in groups.values()]
    return _number_alike([*trained, *(load_baseline(folder) for folder in baselines)])


def _runs_inside(folder: Path) -> list[Path]:
    """Return the folder itself if it holds a run or a baseline, or is unknown; or else those in it, in order."""
    marks = ("config.json", "baseline.json")
    if any((folder / mark).exists() for mark in marks):
        return [folder]
    found = {path.parent for mark in marks for path in folder.glob(f"**/{mark}")}
    chosen = sorted(path for path in found if "selection" not in path.relative_to(folder).parts)
    return chosen or [folder]


def is_baseline(folder: str | Path) -> bool:
    """Whether a folder holds a baseline."""
    return (Path(folder) / "baseline.json").exists()


def save_baseline(
    folder: str | Path, name: str, settings: Mapping[str, Any], results: Mapping[str, RetrievalResult], split: str
) -> None:
    """Write a baseline: baseline.json, and its results like those of a run.

    Args:
        folder: where; made if it does not exist.
        name: label of its row.
        settings: how it was made, as plain data.
        results: task -> result.
        split: the split they were measured on.
    """
    folder = Path(folder)
    inside = folder / "results" / split
    inside.mkdir(parents=True, exist_ok=True)
    for result in results.values():
        result.save(inside)
    description = {
        "baseline_format": BASELINE_FORMAT,
        "name": name,
        "split": split,
        "tasks": list(results),
        "settings": dict(settings),
    }
    write_json(folder / "baseline.json", description)


def load_baseline(folder: str | Path) -> Entry:
    """Read a baseline. Raises `RunError` for a folder of another format or without results."""
    folder = Path(folder)
    data = read_json(folder / "baseline.json")
    if not isinstance(data, dict) or data.get("baseline_format") != BASELINE_FORMAT:
        found = data.get("baseline_format") if isinstance(data, dict) else None
        raise RunError(f"{folder} has baseline format {found!r}, not {BASELINE_FORMAT}; make the baseline again")
    results = _load_results(folder, data["split"], data["tasks"]) if data["tasks"] else {}
    return Entry(data["name"], "baseline", (results,), (0,), (folder,), data["settings"])


def _load_run(directory: RunDirectory) -> Entry:
    """Read one finished run as an entry of one seed."""
    record = directory.record()
    status = directory.status()
    if status["state"] != "finished":
        reason = f" ({status['error']})" if status.get("error") else ""
        raise RunError(
            f"{directory.path} is not finished: its state is {status['state']!r}{reason}; "
            "finish it by training with the same command again, or leave it out"
        )
    config = record.config.to_dict()
    seed = config.pop("seed")
    environment = read_json(directory.environment_file) if directory.environment_file.exists() else {}
    return Entry(
        label=record.config.order,
        kind="trained",
        results=(_load_results(directory.path, record.config.evaluation.split, record.config.tasks),),
        seeds=(seed,),
        folders=(directory.path,),
        settings={**config, "dataset": {"name": record.dataset.name, "fingerprint": record.dataset.fingerprint}},
        changes={path: change for path, change in record.changes.items() if path != "seed"},
        curves=(read_curves(status["stages"], directory.metrics()),),
        verdicts=(read_verdicts(seed, status["stages"]),),
        environments=(environment,),
    )


def _load_results(folder: Path, split: str, tasks: Sequence[str]) -> dict[str, RetrievalResult]:
    inside = folder / "results" / split
    found = {str(read_json(path)["task"]) for path in inside.glob("*.json")}
    if not found:
        raise RunError(f"{folder} holds no results on split {split!r}; evaluate it there first")
    ordered = [*(task for task in tasks if task in found), *sorted(found - set(tasks))]
    return {task: load_result(inside, task) for task in ordered}


def _identity(entry: Entry) -> str:
    return hash_json(entry.settings)


def _join_seeds(entries: Sequence[Entry]) -> Entry:
    """Make one entry of runs that differ in their seed only, by ascending seed."""
    ordered = sorted(entries, key=lambda entry: entry.seeds[0])
    for one, other in itertools.pairwise(ordered):
        if one.seeds == other.seeds:
            raise RunError(
                f"{one.folders[0]} and {other.folders[0]} are the same run (order {one.label}, seed {one.seeds[0]}); "
                "counting it twice would make it look surer than it is: name one of them"
            )
    return replace(
        ordered[0],
        results=tuple(entry.results[0] for entry in ordered),
        seeds=tuple(entry.seeds[0] for entry in ordered),
        folders=tuple(entry.folders[0] for entry in ordered),
        curves=tuple(entry.curves[0] for entry in ordered),
        verdicts=tuple(entry.verdicts[0] for entry in ordered),
        environments=tuple(entry.environments[0] for entry in ordered),
    )


def _number_alike(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Tell entries of the same label apart by a number, in the order given."""
    labels = [entry.label for entry in entries]
    seen: dict[str, int] = {}
    numbered = []
    for entry in entries:
        if labels.count(entry.label) > 1:
            seen[entry.label] = seen.get(entry.label, 0) + 1
            entry = replace(entry, label=f"{entry.label} #{seen[entry.label]}")
        numbered.append(entry)
    return tuple(numbered)
