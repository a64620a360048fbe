"""What explains the numbers of a reproduction, in sentences: data, leakage, settings, epochs, convergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trichord.config import difference
from trichord.data import Dataset
from trichord.data.leakage import find_leak, split_videos
from trichord.data.packing import read_quarantine
from trichord.recipes import mcn
from trichord.recipes.fine_tune import MSRVTT, YOUCOOK2
from trichord.reports import Entry
from trichord.runs import ExperimentConfig, RunDirectory

NARRATED = "howto100m"


def about_data(dataset: Dataset, narrated: Dataset | None) -> list[str]:
    """Return sentences on leakage, on what was left out, and on the words of captions."""
    test = split_videos(dataset, "test")
    said = []
    if narrated is not None:
        learnt = split_videos(narrated, "train")
        said.append(find_leak(learnt, test, (f"{NARRATED} training", f"{dataset.spec.name} test")).sentence + ".")
    if "train" in dataset.spec.splits:
        names = (f"{dataset.spec.name} training", f"{dataset.spec.name} test")
        said.append(find_leak(split_videos(dataset, "train"), test, names).sentence + ".")
    quarantined = read_quarantine(dataset.path)
    if quarantined:
        said.append(
            f"{len(quarantined)} things were left out on import, for instance {quarantined[0].id}: "
            f"{quarantined[0].reason} (all: {dataset.path / 'quarantine.json'})."
        )
    for entry in dataset.spec.modalities:
        if entry.words is not None and entry.words.tokens:
            share = entry.words.known / entry.words.tokens
            said.append(f"{share:.1%} of the words of the captions have a vector ({entry.words.source}).")
    return said


def about_runs(regime: str, entries: Sequence[Entry], learnt: Dataset) -> list[str]:
    """Return sentences on recipe, epochs and convergence of measured rows; what several share is said once."""
    settings: dict[str, list[str]] = {}
    for entry in entries:
        config = RunDirectory(entry.folders[0]).record().config
        parts = [f"recipe {config.recipe}", *_grouped_changes(entry.changes)]
        settings.setdefault("; ".join(parts), []).append(entry.label)
    said = [f"{', '.join(labels)}, {regime}: {words}." for words, labels in settings.items()]
    for entry in entries:
        stages = dict.fromkeys(f"{v.stage} ran {v.epochs} epochs, {v.sentence}" for v in entry.verdicts[0])
        said.append(f"{entry.label}, {regime}: {'; '.join(stages)}.")
    if entries:
        said.append(against_published(RunDirectory(entries[0].folders[0]).record().config, learnt))
    return said


def _grouped_changes(changes: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """Return "epochs 30 in the recipe, 2 here" once for all stages it is true of."""
    grouped: dict[str, list[str]] = {}
    for path, (before, after) in changes.items():
        words = f"{path.rpartition('.')[2]} {before!r} in the recipe, {after!r} here"
        grouped.setdefault(words, []).append(path)
    return [f"{words} ({', '.join(paths)})" for words, paths in grouped.items()]


def against_published(config: ExperimentConfig, dataset: Dataset) -> str:
    """Say in which settings an experiment differs from what was published."""
    held_out = "; clips held out for validation are not learnt from" if "val" in dataset.spec.splits else ""
    if config.recipe == "fine_tune":
        stage = config.stages[0]
        settings = YOUCOOK2 if dataset.spec.name == "youcook2" else MSRVTT
        ours = (stage.epochs, stage.batch_size, stage.optimizer.learning_rate, stage.optimizer.decay)
        theirs = (settings.epochs, settings.batch_size, settings.learning_rate, settings.decay)
        same = "as published for AVLnet" if ours == theirs else f"{ours}, published for AVLnet {theirs}"
        contrast = "masked margin softmax on raw vectors" if not config.model.normalize else "InfoNCE on unit vectors"
        return (
            f"Fine-tuning: epochs, batch, learning rate and decay {same}; {contrast} (published: masked margin softmax "
            f"on raw vectors); the {stage.keep} epoch is kept (published: the last){held_out}."
        )
    published = mcn(dataset.spec, config.order, config.seed)
    ignored = ("recipe", "precision", "selection", "evaluation")
    unlike = {k: v for k, v in difference(published, config).items() if k.split(".")[0] not in ignored}
    stages = "" if len(config.stages) == 1 else f" {len(config.stages)} stages where one was published;"
    if not unlike:
        return f"Against the published recipe (mcn):{stages} all settings are those published{held_out}."
    widths = {encoder.output_dim for encoder in config.model.encoders.values()}
    stage = config.stages[0]
    return (
        f"Against the published recipe (mcn):{stages} width {', '.join(map(str, sorted(widths)))} (published 6144), "
        f"batches of {stage.batch_size} clips (4096), learning rate {stage.optimizer.learning_rate:g} (0.0001), "
        f"{'unit vectors' if config.model.normalize else 'raw vectors'} (raw vectors), "
        f"{', '.join(str(s.epochs) for s in config.stages)} epochs (30); {len(unlike)} settings differ in all, see "
        f"config.json of the run{held_out}."
    )
