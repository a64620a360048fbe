"""`trichord classify predict`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from trichord.classification.loading import LoadedClassifier, load_classifier
from trichord.classification.measure import class_scores
from trichord.classification.predictions import check_predictions_file, list_predictions, write_predictions
from trichord.classification.vectors import ItemLogits
from trichord.cli.options import Positional, parse_command
from trichord.data import Dataset
from trichord.errors import ConfigError, DataError
from trichord.evaluation.class_scores import class_metrics, value
from trichord.recipes.classifier_encoders import read_modalities

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ClassifyPredict:
    """Classify the items of a split, and say how many were right where their classes are known.

    An item that holds none of the modalities gets no class, and counts as wrong.

    Args:
        run: folder of a trained classifier.
        data: folder of the data set.
        out: file to write, FILE.csv or FILE.jsonl: id, class, and the probability of every class.
        split: split whose items are classified.
        only: take these modalities alone, by name or letter, as if the others were missing; empty takes all.
        experts: MODALITY=FOLDER, where experts lie that are not where they were.
        json: print JSON.
    """

    run: Positional[Path]
    data: Path
    out: Path
    split: str = "test"
    only: tuple[str, ...] = ()
    experts: tuple[str, ...] = ()
    json: bool = False


def run(arguments: list[str]) -> None:
    """Run the command."""
    command = parse_command(ClassifyPredict, arguments, "trichord classify predict")
    check_predictions_file(command.out)
    loaded, dataset = load_classifier(command.run, _read_places(command.experts)), Dataset.open(command.data)
    items = dataset.split(command.split)
    found = loaded.classify(dataset, items, read_modalities(dataset, command.only) or None)
    names, several = loaded.config.model.classes, loaded.config.several
    predictions = list(list_predictions([dataset.ids[item] for item in items], names, found, several))
    write_predictions(command.out, names, predictions)
    metrics = _measure(loaded, dataset, command.split, found)
    lacking = int((~found.held).sum())
    if command.json:
        said = {"version": VERSION, "out": str(command.out), "items": len(items), "without_modality": lacking}
        print(json.dumps({**said, "metrics": metrics}))
        return
    print(f"{len(items):,} items of {command.split}: {command.out}")
    if lacking:
        print(f"{lacking:,} of them hold nothing that the classifier looks at, and got no class.")
    if metrics is not None:
        print(", ".join(f"{metric} {number:.1f}" for metric, number in metrics.items()))


def _read_places(texts: tuple[str, ...]) -> dict[str, Path]:
    places: dict[str, Path] = {}
    for text in texts:
        name, equals, place = text.partition("=")
        if not (name and equals and place):
            raise ConfigError(f"--experts {text}: write MODALITY=FOLDER")
        if name in places:
            raise ConfigError(f"--experts {text}: {name} has {places[name]} already; name one folder per modality")
        places[name] = Path(place)
    return places


def _measure(loaded: LoadedClassifier, dataset: Dataset, split: str, found: ItemLogits) -> dict[str, float] | None:
    """Return measures in percent; None, and a note, where the classes of the items are not known."""
    if loaded.config.label not in dataset.labels:
        print(f"note: not measured: the data have no label {loaded.config.label!r}", file=sys.stderr)
        return None
    try:
        truth = loaded.truth(dataset, split)
    except DataError as error:
        print(f"note: not measured: {error}", file=sys.stderr)
        return None
    scores = class_scores(loaded.config, truth, split, dataset.split(split), found)
    return {metric: value(scores, metric) for metric in class_metrics(loaded.config.several)}
