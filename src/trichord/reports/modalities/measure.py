"""Encoding runs and building their reports: run folders in, one report per model and task out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trichord.adapters.identity import AdapterIdentity, load_identity
from trichord.data.dataset import Dataset
from trichord.errors import ConfigError, DataError, RunError
from trichord.evaluation.embed import Progress
from trichord.evaluation.settings import evaluation_set
from trichord.evaluation.views import embed_views
from trichord.modality import all_tasks, parse_task
from trichord.reports.entries import Entry, load_entries
from trichord.reports.modalities.build import SeedViews, Splits, build_modality_report
from trichord.reports.modalities.question import Question
from trichord.reports.modalities.report import ModalityReport
from trichord.reports.numbers import listed
from trichord.reports.paired import Effort
from trichord.runs.directory import RunDirectory
from trichord.runs.experiment import ExperimentConfig
from trichord.runs.model import load

MakeProgress = Callable[[str], Progress]


@dataclass(frozen=True)
class SplitNames:
    """Names of the splits that weights are fitted on and that are reported."""

    validation: str = "val"
    measured: str = "test"

    def __post_init__(self) -> None:
        if self.validation == self.measured:
            raise ConfigError(
                f"split {self.measured!r} would both choose the weights and be reported; name two different splits"
            )


def ask(dataset: Dataset, task: str | None = None) -> tuple[Question, ...]:
    """Return what is asked of a data set: the named task, or every any-to-any task with several on one side.

    Raises:
        DataError: no task was named and the data hold no two modalities that could stand on one side.
        ConfigError: the task names a modality the data lack, or has no side (or two sides) of several.
    """
    if task is not None:
        return (Question(parse_task(task, dataset.modalities), dataset.modalities),)
    wide = [found for found in all_tasks(dataset.modalities) if len(found.query) + len(found.gallery) > 2]
    if not wide:
        raise DataError(
            f"the data hold {listed([modality.name for modality in dataset.modalities])} only; whether a second "
            "modality helps needs three: one to ask with, and two to answer with",
            file=dataset.path,
            remedy="add the missing modality to the data",
        )
    return tuple(Question(found, dataset.modalities) for found in wide)


def measure_modalities(
    folders: Sequence[str | Path],
    dataset: Dataset,
    questions: Sequence[Question],
    *,
    adapters: Sequence[str | Path] = (),
    splits: SplitNames | None = None,
    effort: Effort | None = None,
    progress: MakeProgress | None = None,
) -> tuple[ModalityReport, ...]:
    """Encode runs and report on every question; runs that differ in their seed only are one model.

    With adapters, every model is reported twice: as its base, and with each leg under the adapter of its own pair.

    Args:
        folders: run folders, or folders of runs.
        dataset: the data; not necessarily those that were learnt from.
        questions: what is asked, see `ask`.
        adapters: folders of adapters; each is taken to the run whose weights it was learnt over.
        splits: names of the splits.
        effort: how much is drawn for intervals and tests.
        progress: makes a bar of the given name.

    Raises:
        RunError: a folder holds no model, a run is not finished, an adapter belongs to none of the runs, or seeds of
            one model have unlike adapters.
        DataError: a run does not suit the data.
        ConfigError: a split does not exist.
    """
    splits = splits or SplitNames()
    chosen = Splits(evaluation_set(dataset, splits.validation), evaluation_set(dataset, splits.measured))
    entries = load_entries(folders)
    trained = [entry for entry in entries if entry.kind == "trained"]
    if not trained:
        raise RunError(f"{folders[0]} holds no run, only baselines, which have no encoders; name a run folder")
    for entry in trained:
        _check_suits(entry, RunDirectory(entry.folders[0]).record().config, dataset, questions)
    banks = _Adapters.of(trained, adapters)
    left_out = [f"{e.name} is left out: a baseline has no encoders." for e in entries if e.kind == "baseline"]
    reports: list[ModalityReport] = []
    for entry in trained:
        names = banks.names(entry)
        views = [
            _encode(folder, seed, banks.of_run[folder], names, dataset, chosen, questions, progress)
            for folder, seed in zip(entry.folders, entry.seeds, strict=True)
        ]
        record = RunDirectory(entry.folders[0]).record()
        known = record.dataset.fingerprint == dataset.fingerprint()
        notes = [*left_out, *(learnt_notes(record.config, splits) if known else ())]
        for question in questions:
            for used in dict.fromkeys(((), names)):
                reports.append(
                    build_modality_report(
                        f"{entry.label} with adapters" if used else entry.label,
                        question,
                        views,
                        dataset,
                        chosen,
                        adapters=used,
                        config=record.config.evaluation.scoring,
                        effort=effort,
                        notes=notes,
                    )
                )
    return tuple(reports)


@dataclass(frozen=True)
class _Adapters:
    """Folder of a run -> folders and identities of its adapters."""

    of_run: dict[Path, list[tuple[Path, AdapterIdentity]]]

    @classmethod
    def of(cls, entries: Sequence[Entry], folders: Sequence[str | Path]) -> _Adapters:
        """Give every adapter to the run it was learnt over."""
        runs = [folder for entry in entries for folder in entry.folders]
        found: dict[Path, list[tuple[Path, AdapterIdentity]]] = {run: [] for run in runs}
        if not folders:
            return cls(found)
        run_of = {load(run, device="cpu").identity: run for run in runs}
        for folder in map(Path, folders):
            identity = load_identity(folder)
            if identity.base not in run_of:
                raise RunError(
                    f"{folder}: the adapter {identity.name} was learnt over the base {identity.base}, which is none of "
                    f"the runs ({', '.join(map(str, runs))}); name its run too, or leave the adapter out"
                )
            found[run_of[identity.base]].append((folder, identity))
        return cls(found)

    def names(self, entry: Entry) -> tuple[str, ...]:
        """Return the names of the adapters that every seed of a model has."""
        held = {folder: sorted(identity.name for _, identity in self.of_run[folder]) for folder in entry.folders}
        if len(set(map(tuple, held.values()))) > 1:
            said = "; ".join(f"{folder}: {', '.join(names) or 'none'}" for folder, names in held.items())
            raise RunError(
                f"{entry.label}: its seeds have unlike adapters ({said}), so they are not one model; name the same "
                "adapters for every seed"
            )
        return tuple(next(iter(held.values())))


def _encode(
    folder: Path,
    seed: int,
    adapters: Sequence[tuple[Path, AdapterIdentity]],
    names: tuple[str, ...],
    dataset: Dataset,
    splits: Splits,
    questions: Sequence[Question],
    progress: MakeProgress | None,
) -> SeedViews:
    model = load(folder)
    for path, _ in adapters:
        model.bank.load(path)
    wanted = {name for question in questions for name in (*question.other, *question.several)}
    found = [
        embed_views(
            model.bank,
            dataset,
            evaluated.items,
            modalities=[modality.name for modality in dataset.modalities if modality.name in wanted],
            adapters=names,
            batch_size=model.config.evaluation.batch_size,
            progress=None if progress is None else progress(f"{folder.name}, {evaluated.split}"),
        )
        for evaluated in (splits.validation, splits.measured)
    ]
    return SeedViews(seed, str(folder), *found)


def _check_suits(entry: Entry, config: ExperimentConfig, dataset: Dataset, questions: Sequence[Question]) -> None:
    """Raise `DataError` unless a run encodes what is asked, in the kinds and widths of the data."""
    held = {spec.modality.name: spec for spec in dataset.spec.modalities}
    for name in dict.fromkeys(name for question in questions for name in (*question.other, *question.several)):
        encoder = config.model.encoders.get(name)
        if encoder is None:
            raise DataError(
                f"the run has no encoder of {name}, only of {listed(list(config.model.encoders))}",
                file=entry.folders[0],
                remedy="name a task without it, or a run that learnt it",
            )
        if (encoder.kind, encoder.input_dim) != (held[name].kind, held[name].dim):
            raise DataError(
                f"the run's encoder of {name} takes {encoder.kind!r} features {encoder.input_dim} wide; those of "
                f"{dataset.path} are {held[name].kind!r}, {held[name].dim} wide",
                file=entry.folders[0],
                remedy="name the data the run was made for, or a run made for these",
            )


def learnt_notes(config: ExperimentConfig, splits: SplitNames) -> list[str]:
    """Say which of the splits a model learnt from, which makes them poor judges of it."""
    roles = {splits.validation: "weights were fitted on", splits.measured: "results were measured on"}
    return [
        f"Caution: split {split}, which {role}, was also learnt from by this model."
        for split, role in roles.items()
        if split in config.fit_splits
    ]
