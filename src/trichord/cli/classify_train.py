"""`trichord classify train`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from trichord.classification.directory import ClassifierDirectory
from trichord.classification.experiment import ClassifierExperimentConfig, Kind
from trichord.classification.loading import LoadedClassifier, load_classifier
from trichord.classification.model import Fusion
from trichord.classification.run import run_classifier
from trichord.cli.options import parse_with_configuration, peek
from trichord.cli.study_mmlora import read_sources
from trichord.config import difference
from trichord.data import Dataset
from trichord.dist import is_main
from trichord.errors import ConfigError
from trichord.evaluation.class_scores import class_metrics, value
from trichord.recipes.classifier import DISTILLATION, ClassifierRecipe
from trichord.recipes.classifier_encoders import read_modalities
from trichord.runs import RunOptions
from trichord.studies.mmlora.study import MMLoRAStudy, Prepared, prepare

PROGRAM = "trichord classify train"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ClassifyTrain:
    """Train one classifier, measure it with and without each modality, and leave a folder that explains itself.

    Started again with the same options it goes on where it stopped. Every field of the configuration can be set: give
    --data, --label, --kind and --out, and --help lists them (--set.learning.epochs and so on).

    Args:
        data: folder of the data set.
        label: the label column.
        out: folder of the classifier.
        kind: "expert" (one modality), "joint" (all learn together), "mmlora" (matrices over frozen experts), "head"
            (over frozen experts the classifier on top learns alone), "teacher" (joint, and held near experts: UMT).
        modalities: those that are looked at, by name or letter; empty means all.
        experts: folders of experts, one per modality, for mmlora, head and teacher.
        adapt: modalities that get matrices, by name or letter; for mmlora, where empty means all of them.
        rank: of the matrices, alpha being as large. Of an expert: it learns by matrices alone; None: as a whole.
        several: items may have several classes: the label is a list.
        encoder: MODALITY=FOLDER or MODALITY=HUB/NAME, a pretrained encoder of transformers; the others are ours.
        fusion: add a linear classifier per modality, or put one on all vectors side by side.
        seed: seed of everything random.
        fit_splits: splits that are learnt from.
        validation: split that weights and settings are chosen on.
        report: split that is reported.
        json: print the result as JSON.
        options: choices that do not change the numbers.
    """

    data: Path
    label: str
    out: Path
    kind: Kind
    modalities: tuple[str, ...] = ()
    experts: tuple[Path, ...] = ()
    adapt: tuple[str, ...] = ()
    rank: int | None = None
    several: bool = False
    encoder: tuple[str, ...] = ()
    fusion: Fusion = "sum of logits"
    seed: int = 0
    fit_splits: tuple[str, ...] = ("train",)
    validation: str = "val"
    report: str = "test"
    json: bool = False
    options: RunOptions = RunOptions()


def run(arguments: list[str]) -> None:
    """Run the command."""
    first = peek(ClassifyTrain, arguments, PROGRAM)
    dataset = Dataset.open(first.data)
    experts = load_experts(first.experts)
    prepared = _prepare(first, dataset)
    recipe = experiment(first, dataset, prepared.recipe, experts)
    command, config = parse_with_configuration(ClassifyTrain, recipe, arguments, PROGRAM)
    directory = run_classifier(
        config, prepared.dataset, command.out, recipe=recipe, options=command.options, experts=experts
    )
    if not is_main():
        return
    found = measured(directory)
    if command.json:
        said = {"version": VERSION, "classifier": str(directory.path), **directory.status(), "results": found}
        print(json.dumps({**said, "changes": difference(recipe, config)}))
        return
    for split, answers in found.items():
        print(f"on {split}")
        for name, values in answers.items():
            print(f"  {name:<20}" + "".join(f"  {metric} {number:5.1f}" for metric, number in values.items()))
    print(f"\nclassifier: {directory.path}")


def load_experts(folders: tuple[Path, ...]) -> dict[str, LoadedClassifier]:
    """Load experts; return modality name -> its expert."""
    experts: dict[str, LoadedClassifier] = {}
    for folder in folders:
        expert = load_classifier(folder)
        names = expert.model.modalities
        if len(names) > 1 or names[0] in experts:
            raise ConfigError(
                f"{folder} knows {list(names)}; name one expert per modality"
                + (f", {names[0]} has {experts[names[0]].path} already" if names[0] in experts else "")
            )
        experts[names[0]] = expert
    return experts


def _prepare(command: ClassifyTrain, dataset: Dataset) -> Prepared:
    study = MMLoRAStudy(
        label=command.label,
        several=command.several,
        modalities=read_modalities(dataset, command.modalities),
        sources=read_sources(command.encoder),
        fusion=command.fusion,
        fit_splits=command.fit_splits,
        selection_split=command.validation,
        report_split=command.report,
    )
    return prepare(study, dataset)


def experiment(
    command: ClassifyTrain, dataset: Dataset, recipe: ClassifierRecipe, experts: Mapping[str, LoadedClassifier]
) -> ClassifierExperimentConfig:
    """Return the experiment that is asked for, with the experts' own encoders where it stands on experts.

    Raises:
        ConfigError: experts, --adapt or --rank that this kind does not take, or that it lacks.
    """
    kind, names = command.kind, tuple(recipe.encoders)
    stands_on = kind in ("mmlora", "head", "teacher")
    if stands_on != bool(experts):
        raise ConfigError(
            f"--kind {kind} takes {'an expert of every modality: --experts' if stands_on else 'no experts'}"
        )
    if command.adapt and kind != "mmlora":
        raise ConfigError(f"--adapt is for --kind mmlora; --kind {kind} adapts no frozen experts")
    if command.rank is not None and kind not in ("mmlora", "expert"):
        raise ConfigError(
            f"--rank is for --kind mmlora and --kind expert; no encoder of --kind {kind} learns by matrices"
        )
    if command.rank is not None and command.rank < 1:
        raise ConfigError(
            f"--rank {command.rank}: matrices have a rank of 1 or more; leave --rank away for an expert that learns as "
            "a whole, take --kind head for a classifier over frozen experts without matrices"
        )
    if kind == "expert":
        if len(names) != 1:
            raise ConfigError(f"an expert knows one modality: give --modalities one of {list(names)}")
        return recipe.expert(names[0], command.seed, command.rank)
    if kind == "joint":
        return recipe.joint(command.seed, recipe.settings.learning_rate)
    if set(experts) != set(names):
        raise ConfigError(f"--experts are of {sorted(experts)}; this classifier looks at {list(names)}")
    recipe = replace(recipe, encoders={name: experts[name].config.model.encoders[name] for name in names})
    wanted = {name: expert.hashes[name] for name, expert in experts.items()}
    if kind == "teacher":
        return recipe.teacher(command.seed, DISTILLATION, wanted)
    if kind == "head":
        return recipe.head(command.seed, recipe.settings.second_rate, wanted)
    if command.rank is None:
        raise ConfigError("--kind mmlora needs --rank; the paper's is not known to us, 1 to 64 are worth trying")
    return recipe.mmlora(command.seed, command.rank, read_modalities(dataset, command.adapt) or names, wanted)


def measured(directory: ClassifierDirectory) -> dict[str, dict[str, dict[str, float]]]:
    """Return split -> name of the answers ("all", "without video") -> measure -> value in percent."""
    config = directory.record().config
    found: dict[str, dict[str, dict[str, float]]] = {}
    for split in (config.selection_split, config.report_split):
        found[split] = {}
        for name in directory.answers(split):
            scores = directory.scores(split, name)
            found[split][name] = {metric: value(scores, metric) for metric in class_metrics(config.several)}
    return found
