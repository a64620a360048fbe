"""What a classifier says of items, as a file for people and other programs: csv or jsonl, by the ending of its name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from trichord.classification.vectors import ItemLogits
from trichord.errors import ConfigError
from trichord.files import write_text
from trichord.shapes import Float

BETWEEN = ";"
"""Separates the classes of an item in a csv file."""
ENDINGS = (".csv", ".jsonl")


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one item.

    Args:
        id: of the item.
        classes: its class; with several per item, all that are more likely than not; none where the item holds nothing
            that the classifier knows.
        probabilities: of every class; None where the item holds nothing.
    """

    id: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...] | None


def probabilities_of(logits: Float[np.ndarray, "items classes"], several: bool) -> Float[np.ndarray, "items classes"]:
    """Return probabilities: of one class per item they add up to 1 (softmax), of several each is its own (sigmoid)."""
    wide = torch.from_numpy(logits).double()
    found: np.ndarray = (torch.sigmoid(wide) if several else torch.softmax(wide, dim=1)).numpy()
    return found


def list_predictions(
    ids: Sequence[str], names: Sequence[str], found: ItemLogits, several: bool
) -> Iterator[Prediction]:
    """Yield what is said of every item.

    Args:
        ids: of the items.
        names: of the classes.
        found: the answers.
        several: whether an item may have several classes.
    """
    for name, held, logits, chances in zip(
        ids, found.held, found.logits, probabilities_of(found.logits, several), strict=True
    ):
        if not held:
            yield Prediction(name, (), None)
            continue
        numbers = np.flatnonzero(logits > 0).tolist() if several else [int(logits.argmax())]
        yield Prediction(name, tuple(names[number] for number in numbers), tuple(chances.tolist()))


def check_predictions_file(path: Path) -> None:
    """Raise `ConfigError` for a file that could not be written, before any work is done."""
    if path.suffix not in ENDINGS or not path.parent.is_dir() or path.is_dir():
        raise ConfigError(f"{path} cannot be written: name a file that ends in {' or '.join(ENDINGS)}, in a folder")


def write_predictions(path: Path, names: Sequence[str], predictions: Sequence[Prediction]) -> None:
    """Write predictions atomically; see `check_predictions_file`.

    csv: the columns id, class and one per class; fields are empty where an item holds nothing. jsonl: an object per
    item, with "classes" as a list.
    """
    check_predictions_file(path)
    if path.suffix == ".jsonl":
        lines = [
            {
                "id": one.id,
                "classes": list(one.classes),
                "probabilities": None
                if one.probabilities is None
                else dict(zip(names, one.probabilities, strict=True)),
            }
            for one in predictions
        ]
        write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "class", *names])
    for one in predictions:
        shares = [""] * len(names) if one.probabilities is None else [f"{share:.6g}" for share in one.probabilities]
        writer.writerow([one.id, BETWEEN.join(one.classes), *shares])
    write_text(path, text.getvalue())
