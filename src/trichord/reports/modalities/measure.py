"""Encoding runs and building their reports: run folders in, one report per model and task out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trichord.adapters.identity import AdapterIdentity, load_identity
from trichord.data.dataset import Dataset
from trichord.errors import ConfigError, DataError, RunError
from trichord.evaluation.embed import Progress
from trichord.evaluation.routes import RouteScorer
from trichord.evaluation.settings import EvaluationSet, evaluation_set
from trichord.evaluation.views import Views, embed_views
from trichord.modality import Task, all_tasks, parse_task
from trichord.reports.entries import Entry, load_entries
from trichord.reports.modalities.build import Choosing, SeedViews, build_modality_report
from trichord.reports.modalities.question import Question
from trichord.reports.modalities.report import ModalityReport
from trichord.reports.modalities.ways import adapters_of, serving
from trichord.reports.numbers import listed
from trichord.reports.paired import Effort
from trichord.runs.directory import RunDirectory
from trichord.runs.experiment import ExperimentConfig
from trichord.runs.model import Model, load
from trichord.runs.unseen import Use, check_unseen, seen_by_adapter, seen_by_run

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

    @property
    def uses(self) -> tuple[Use, Use]:
        """What they are for."""
        return Use(self.validation, "fit the weights"), Use(self.measured, "be reported", reported=True)


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

    With adapters, every model is reported twice: as its base, and, where a leg has one, with each leg under the adapter
    of its own pair.

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
        ConfigError: a split does not exist, a run or an adapter saw it (see `check_unseen`), an adapter serves no leg
            of any question, or two are of one pair.
    """
    splits = splits or SplitNames()
    fitted, measured = (evaluation_set(dataset, name) for name in (splits.validation, splits.measured))
    entries = load_entries(folders)
    trained = [entry for entry in entries if entry.kind == "trained"]
    if not trained:
        raise RunError(f"{folders[0]} holds no run, only baselines, which have no encoders; name a run folder")
    for entry in trained:
        _check_suits(entry, RunDirectory(entry.folders[0]).record().config, dataset, questions)
    banks = _Adapters.of(trained, adapters)
    held = {entry.label: banks.identities(entry, questions) for entry in trained}
    checked = {entry.label: _check_unseen(entry, banks, dataset, splits) for entry in trained}
    left_out = [f"{e.name} is left out: a baseline has no encoders." for e in entries if e.kind == "baseline"]
    reports: list[ModalityReport] = []
    for entry in trained:
        config, identities = RunDirectory(entry.folders[0]).record().config, held[entry.label]
        scorers, views = [], []
        for folder, seed in zip(entry.folders, entry.seeds, strict=True):
            model = _load(folder, banks.of_run[folder])
            made = [
                _encode(model, folder, tuple(identities), dataset, p, questions, progress) for p in (fitted, measured)
            ]
            scorers.append(RouteScorer(made[0], fitted.items, config.evaluation.scoring))
            views.append(SeedViews(seed, made[1], str(folder)))
        for question in questions:
            served = serving(question, identities)
            for used in ({}, served) if served else ({},):
                reports.append(
                    build_modality_report(
                        f"{entry.label} with adapters" if used else entry.label,
                        question,
                        views,
                        dataset,
                        Choosing.over_seeds(scorers, fitted),
                        measured,
                        adapters=used,
                        config=config.evaluation.scoring,
                        effort=effort,
                        notes=(*left_out, *checked[entry.label]),
                    )
                )
    return tuple(reports)


def _check_unseen(entry: Entry, banks: _Adapters, dataset: Dataset, splits: SplitNames) -> tuple[str, ...]:
    """Return what a report says about items that were seen; raise `ConfigError` where they were."""
    seen = []
    for folder in entry.folders:
        base = seen_by_run(folder)
        seen += [base, *(seen_by_adapter(identity, path, base) for path, identity in banks.of_run[folder])]
    return check_unseen(seen, dataset, splits.uses)


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

    def identities(self, entry: Entry, questions: Sequence[Question]) -> dict[str, AdapterIdentity]:
        """Return name -> identity of the adapters that every seed of a model has, those of the first seed.

        Raises:
            RunError: seeds have unlike adapters.
            ConfigError: an adapter serves no leg of any question, or two are of one pair.
        """
        of_seed = [{identity.name: identity for _, identity in self.of_run[folder]} for folder in entry.folders]
        held = [{name: (i.left, i.right, i.sides) for name, i in sorted(found.items())} for found in of_seed]
        if any(found != held[0] for found in held):
            said = "; ".join(
                f"{folder}: {', '.join(_describe(identity) for identity in found.values()) or 'none'}"
                for folder, found in zip(entry.folders, of_seed, strict=True)
            )
            raise RunError(
                f"{entry.label}: its seeds have unlike adapters ({said}), so they are not one model; name the same "
                "adapters for every seed"
            )
        for name, identity in of_seed[0].items():
            if not any(serving(question, {name: identity}) for question in questions):
                raise ConfigError(
                    f"no leg of {listed([question.spelling for question in questions])} is of the pair of the adapter "
                    f"{_describe(identity)}, so a report would be that of the base; leave it out, or name a task of "
                    "its pair"
                )
            twins = () if identity.pair is None else adapters_of(Task(identity.left, identity.right), of_seed[0])
            if len(twins) > 1:
                raise ConfigError(f"the adapters {listed(list(twins))} are of one pair; name one of them at a time")
        return of_seed[0]


def _describe(identity: AdapterIdentity) -> str:
    pair = (
        "a mixture" if identity.pair is None else f"{listed(list(identity.left))} with {listed(list(identity.right))}"
    )
    return f"{identity.name} ({pair})"


def _load(folder: Path, adapters: Sequence[tuple[Path, AdapterIdentity]]) -> Model:
    model = load(folder)
    for path, identity in adapters:
        there = identity.name in model.adapters and model.bank.identity(identity.name).hash == identity.hash
        if not there:  # what was learnt together with the run is
            model.bank.load(path)
    return model


def _encode(
    model: Model,
    folder: Path,
    names: tuple[str, ...],
    dataset: Dataset,
    evaluated: EvaluationSet,
    questions: Sequence[Question],
    progress: MakeProgress | None,
) -> Views:
    wanted = {name for question in questions for name in (*question.other, *question.several)}
    return embed_views(
        model.bank,
        dataset,
        evaluated.items,
        modalities=[modality.name for modality in dataset.modalities if modality.name in wanted],
        adapters=names,
        batch_size=model.config.evaluation.batch_size,
        progress=None if progress is None else progress(f"{folder.name}, {evaluated.split}"),
    )


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
