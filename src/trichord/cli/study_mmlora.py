"""`trichord study mmlora`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trichord.classification.model import Fusion
from trichord.cli.options import parse_with_configuration, peek
from trichord.data import Dataset
from trichord.errors import ConfigError
from trichord.recipes.classifier import RANKS
from trichord.reports.mmlora.plain import to_dict
from trichord.reports.mmlora.terminal import print_mmlora
from trichord.runs import RunOptions
from trichord.studies.mmlora import MMLoRAStudy, run_mmlora_study

PROGRAM = "trichord study mmlora"


@dataclass(frozen=True, kw_only=True)
class StudyMMLoRA:
    """Train an expert per modality, then MMLoRA over them in each modality and in all; compare with joint learning.

    Writes table.json and report.html. Started again it skips finished trainings and goes on with the others; a folder
    that holds another study, or anything else, is refused. Every setting is chosen on validation; the settings of
    learning can be set as --set.PATH.

    Args:
        data: folder of the data set.
        label: the label column.
        out: folder of the study.
        several: items may have several classes: the label is a list.
        modalities: those that are looked at, by name or letter; empty means all.
        encoder: MODALITY=FOLDER or MODALITY=HUB/NAME, a pretrained encoder of transformers, as often as wanted; the
            other modalities get encoders of ours.
        ranks: ranks of the matrices; every other method that learns in several modalities chooses among as many
            settings.
        targets: layers that get matrices, "linear", "linear and convolution" or a regular expression; None: attention
            query and value of a pretrained encoder, all layers of one of ours.
        fusion: add a linear classifier per modality, or put one on all vectors side by side.
        seeds: number of seeds.
        epochs: of each of the two stages, joint learning gets twice as many; None: by the data.
        no_controls: leave out learning with teachers (UMT), and experts that learn by matrices alone.
        fit_splits: splits that are learnt from.
        validation: split that every setting is chosen on.
        report: split that is reported.
        workers: trainings at once; None decides by encoders and machine.
        json: print the report as JSON.
        options: choices that do not change the numbers.
    """

    data: Path
    label: str
    out: Path
    several: bool = False
    modalities: tuple[str, ...] = ()
    encoder: tuple[str, ...] = ()
    ranks: tuple[int, ...] = RANKS
    targets: str | None = None
    fusion: Fusion = "sum of logits"
    seeds: int = 5
    epochs: int | None = None
    no_controls: bool = False
    fit_splits: tuple[str, ...] = ("train",)
    validation: str = "val"
    report: str = "test"
    workers: int | None = None
    json: bool = False
    options: RunOptions = RunOptions()


def run(arguments: list[str]) -> None:
    """Run the command."""
    arguments = gathered(arguments, "--encoder")
    first = peek(StudyMMLoRA, arguments, PROGRAM)
    dataset = Dataset.open(first.data)
    original = _study(first).settings_for(dataset)
    if first.epochs is not None:
        original = replace(original, epochs=first.epochs)
    command, settings = parse_with_configuration(StudyMMLoRA, original, arguments, PROGRAM)
    study = replace(_study(command), settings=settings)
    outcome = run_mmlora_study(study, dataset, command.out, workers=command.workers, options=command.options)
    if command.json:
        print(json.dumps(to_dict(outcome.report)))
    else:
        print_mmlora(outcome.report)
        print(f"\npage: {outcome.page}\ntable: {outcome.table}")


def gathered(arguments: Sequence[str], option: str) -> list[str]:
    """Return arguments with all values of an option in one place: said again, it adds to what was said before."""
    values: list[str] = []
    others: list[str] = []
    said = taking = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if argument.startswith("--"):
            taking = name == option
            said = said or taking
            if not taking:
                others.append(argument)
            elif equals:
                values.append(value)
        else:
            (values if taking else others).append(argument)
    return [*others, option, *values] if said else others


def _study(command: StudyMMLoRA) -> MMLoRAStudy:
    return MMLoRAStudy(
        label=command.label,
        several=command.several,
        modalities=command.modalities,
        sources=read_sources(command.encoder),
        targets=command.targets,
        ranks=command.ranks,
        num_seeds=command.seeds,
        fusion=command.fusion,
        controls=not command.no_controls,
        fit_splits=command.fit_splits,
        selection_split=command.validation,
        report_split=command.report,
    )


def read_sources(given: Sequence[str]) -> dict[str, str]:
    """Read MODALITY=SOURCE."""
    sources: dict[str, str] = {}
    for text in given:
        name, equals, source = text.partition("=")
        if not (name and equals and source):
            raise ConfigError(f"--encoder {text}: write MODALITY=FOLDER, or MODALITY=HUB/NAME")
        if name in sources:
            raise ConfigError(f"--encoder: {name} is given two encoders, {sources[name]!r} and {source!r}; name one")
        sources[name] = source
    return sources
