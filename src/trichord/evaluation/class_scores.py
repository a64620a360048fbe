"""What a classifier said of the items of one split, kept so that everything else can be computed from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trichord.errors import DataError, ProtocolError, nearest
from trichord.evaluation.stored_arrays import load_arrays, save_arrays
from trichord.files import hash_array, read_json, write_json
from trichord.metrics.f_scores import as_sets, count_answers
from trichord.shapes import Bool, Float, Int

VERSION = 1
_ARRAYS = ("items", "truth", "logits", "held")
# Axes with an underline are not bound: two truths in one call may be of different items.
Truth = Int[np.ndarray, " _items"] | Bool[np.ndarray, "_items _classes"]


@dataclass(frozen=True)
class ClassScores:
    """The logits of every item of a split. Items stay in every denominator, whatever they lack.

    Args:
        label: the label column.
        names: the classes, in the order of the logits.
        several: whether an item may have several classes.
        split: the split.
        items: (items,) row of each in the data set.
        truth: (items,) number of its class; with several, (items, classes) which it has.
        logits: (items, classes) float32; of rows that are not held, zeros.
        held: (items,) which items hold a modality that was asked; the others were given no class at all.
    """

    label: str
    names: tuple[str, ...]
    several: bool
    split: str
    items: Int[np.ndarray, " items"]
    truth: Truth
    logits: Float[np.ndarray, "items classes"]
    held: Bool[np.ndarray, " items"]

    def __post_init__(self) -> None:
        rows, classes = len(self.items), len(self.names)
        shapes = {"truth": (rows, classes) if self.several else (rows,), "logits": (rows, classes), "held": (rows,)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ProtocolError(
                    f"{self._said}: {name} has the shape {shape} for {rows} items and {classes} classes, got "
                    f"{getattr(self, name).shape}"
                )
        if not rows:
            raise ProtocolError(f"{self._said}: there is no item to classify")
        wrong = np.flatnonzero(~np.isfinite(self.logits).all(axis=1))
        if len(wrong):
            raise ProtocolError(
                f"{self._said}: the logits of the item in row {int(self.items[wrong[0]])} are not finite (so it is "
                f"with {len(wrong)} of {rows} items); look for the fault in the training of the classifier"
            )
        if not self.several and not ((self.truth >= 0) & (self.truth < classes)).all():
            raise ProtocolError(f"{self._said}: classes are numbered 0 to {classes - 1}, the truth holds others")

    @property
    def _said(self) -> str:
        return f"scores of {self.label!r} on {self.split!r}"

    def __len__(self) -> int:
        return len(self.items)

    def predictions(self) -> Int[np.ndarray, " items"] | Bool[np.ndarray, "items classes"]:
        """Return (items,) the class with the highest logit, the first of equals; with several, those above 0.

        An item that is not held has -1, or no class.
        """
        if self.several:
            above: np.ndarray = (self.logits > 0) & self.held[:, None]
            return above
        best: np.ndarray = np.where(self.held, self.logits.argmax(axis=1), -1).astype(np.int64)
        return best

    def answer_sets(self) -> Bool[np.ndarray, "items classes"]:
        """Return which classes each item was given, also where it is given one at most."""
        predictions = self.predictions()
        return predictions if self.several else as_sets(predictions, len(self.names))

    def truth_sets(self) -> Bool[np.ndarray, "items classes"]:
        """Return which classes each item has, also where it has exactly one."""
        return self.truth if self.several else as_sets(self.truth, len(self.names))

    def save(self, folder: str | Path, name: str) -> Path:
        """Write NAME.json and NAME.npz (spaces become underlines) into a folder; return the path of the JSON file."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{_stem(name)}.json"
        arrays = {field: getattr(self, field) for field in _ARRAYS}
        save_arrays(path.with_suffix(".npz"), arrays)
        described = {"label": self.label, "names": list(self.names), "several": self.several, "split": self.split}
        hashes = {field: hash_array(values) for field, values in arrays.items()}
        write_json(path, {"version": VERSION, **described, "num_items": len(self), "arrays": hashes})
        return path


def check_alike(scores: Sequence[ClassScores]) -> ClassScores:
    """Return the first of scores of the same items and classes; raise `ProtocolError` that names what differs."""
    if not scores:
        raise ProtocolError("there are no scores to look at; give one per seed")
    first = scores[0]
    for other in scores[1:]:
        for field in ("label", "names", "several", "split"):
            if getattr(other, field) != getattr(first, field):
                raise ProtocolError(
                    f"scores that are held together agree on {field}, got {getattr(first, field)!r} and "
                    f"{getattr(other, field)!r}"
                )
        if not np.array_equal(first.items, other.items) or not np.array_equal(first.truth, other.truth):
            raise ProtocolError(
                f"scores of {first.label!r} on {first.split!r} are of different items, or in another order "
                f"({len(first)} and {len(other)}), or the truth changed; evaluate all on the same data"
            )
    return first


def class_metrics(several: bool) -> tuple[str, str]:
    """Return the names of the measures, all in percent; the first decides what is chosen."""
    return ("micro F1", "macro F1") if several else ("accuracy", "macro F1")


def check_metric(metric: str, several: bool) -> None:
    """Raise `ProtocolError` with the nearest name where a measure is none of `class_metrics`."""
    if metric not in class_metrics(several):
        kind = "several classes per item" if several else "one class per item"
        raise ProtocolError(f"{metric!r} does not measure {kind}; {nearest(metric, class_metrics(several))}")


def value(scores: ClassScores, metric: str) -> float:
    """Return a measure in percent."""
    return measure(scores.predictions(), scores.truth, metric, len(scores.names))


def measure(predictions: Truth, truth: Truth, metric: str, num_classes: int) -> float:
    """Return a measure of predictions, in percent.

    Args:
        predictions: (items,) numbers, -1 for none; or (items, classes).
        truth: as the predictions.
        metric: one of `class_metrics`.
        num_classes: number of classes.
    """
    several = truth.ndim == 2
    check_metric(metric, several)
    if metric == "accuracy":
        return 100.0 * float((predictions == truth).mean())
    answers, sets = (part if several else as_sets(part, num_classes) for part in (predictions, truth))
    return 100.0 * float(count_answers(answers, sets).average("micro" if metric == "micro F1" else "macro"))


def load_class_scores(folder: str | Path, name: str) -> ClassScores:
    """Read what `ClassScores.save` wrote; nothing is unpickled.

    Raises:
        DataError: a file is missing or malformed, or the two are not of one writing.
        ProtocolError: the scores are of another version.
    """
    path = Path(folder) / f"{_stem(name)}.json"
    data = read_json(path)
    if not isinstance(data, dict) or data.get("version") != VERSION:
        found = data.get("version") if isinstance(data, dict) else None
        raise ProtocolError(f"{path}: scores have the version {VERSION}, found {found!r}; evaluate again")
    arrays = load_arrays(path.with_suffix(".npz"), _ARRAYS, "scores of classes")
    if {field: hash_array(values) for field, values in arrays.items()} != data.get("arrays"):
        raise DataError(
            "the arrays are not those that the JSON beside them was written with",
            file=path.with_suffix(".npz"),
            remedy="the two files are of different evaluations, or damaged; evaluate again",
        )
    try:
        return _assemble(data, arrays)
    except (KeyError, TypeError, AttributeError, ProtocolError) as error:
        raise DataError(f"not scores of classes ({error})", file=path, remedy="evaluate again") from error


def _assemble(data: dict[str, Any], arrays: dict[str, np.ndarray]) -> ClassScores:
    several = data["several"]
    kinds = {"items": np.int64, "truth": np.bool_ if several else np.int64, "logits": np.float32, "held": np.bool_}
    for field, kind in kinds.items():
        if arrays[field].dtype != kind:
            raise TypeError(f"{field} holds {arrays[field].dtype}, expected {np.dtype(kind)}")
    return ClassScores(data["label"], tuple(data["names"]), several, data["split"], **arrays)


def _stem(name: str) -> str:
    stem = name.replace(" ", "_")
    if not stem or stem.startswith(".") or any(sign in stem for sign in "/\\"):
        raise ProtocolError(f"scores are named in words, and their files after them; {name!r} names no file")
    return stem
