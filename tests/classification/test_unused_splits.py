"""What items of unused splits are labelled changes nothing that is learnt, chosen, probed or reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from classifier_cases import CLASSES, QUIET, assert_same_classifier, classifier

from trichord.classification.directory import ClassifierDirectory
from trichord.classification.run import run_classifier
from trichord.data import ModalityArrays, write_dataset


@pytest.mark.parametrize("several", [False, True])
def test_labels_of_unused_splits_change_nothing(tmp_path: Path, several: bool) -> None:
    """The unused items stand between the others, so that a number read for the wrong row would show."""
    splits = [("train", "later", "val", "test")[row // 3 % 4] for row in range(72)]
    known = [CLASSES[row % 3] for row in range(72)]

    def trained(name: str, others: list[str | None]) -> ClassifierDirectory:
        kinds = [others[row % 3] if splits[row] == "later" else known[row] for row in range(72)]
        column: list[Any] = [None if kind is None else [kind] for kind in kinds] if several else list(kinds)
        random = np.random.default_rng(1)
        values = {m: random.normal(size=(72, width)).astype(np.float32) for m, width in (("video", 6), ("audio", 9))}
        dataset = write_dataset(
            tmp_path / f"{name} data",
            name="moods",
            items=pa.table({"id": [f"item {row}" for row in range(72)], "split": splits, "mood": column}),
            modalities={m: ModalityArrays(array) for m, array in values.items()},
        )
        config = classifier("joint", several=several, learning__label_smoothing=0.0)
        return run_classifier(config, dataset, tmp_path / name, options=QUIET, probes=True)

    assert_same_classifier(trained("known", list(CLASSES)), trained("unknown", [None, " ", "a class of their own"]))
