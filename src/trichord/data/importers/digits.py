"""`trichord import digits`: the handwritten digits that scikit-learn brings along, as a data set of one modality."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trichord.config import Config
from trichord.data.dataset import Dataset
from trichord.data.stratified import stratified_splits
from trichord.data.writing import ModalityArrays, write_dataset
from trichord.errors import ConfigError
from trichord.optional import require
from trichord.randomness import numpy_generator

MODALITY, LETTER, LABEL = "image", "I", "digit"
NUM_IMAGES, SIDE = 1797, 8
# Values of a pixel are counts of set points in a block of 4 x 4 of the scan.
_HIGHEST = 16.0


@dataclass(frozen=True, kw_only=True)
class DigitsImport(Config):
    """Make a data set of scikit-learn's 1,797 images of handwritten digits, 8 x 8 pixels; nothing is downloaded.

    The splits are drawn image by image, as many of each digit in each as its size allows. Who wrote which image is not
    known in this copy, so the same hand may be learnt from and tested on: a result says nothing about new writers.

    Args:
        out: folder of the data set to make.
        val: images of the split "val".
        test: images of the split "test"; "train" has the others.
        seed: seed of the draw.
        overwrite: replace a data set that is already there.
    """

    out: Path
    val: int = 600
    test: int = 800
    seed: int = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.val < 1 or self.test < 1 or self.val + self.test >= NUM_IMAGES:
            raise ConfigError(
                f"val and test have at least 1 and together fewer than {NUM_IMAGES} images, got {self.val} and "
                f"{self.test}"
            )


def import_digits(config: DigitsImport) -> Dataset:
    """Write the images as pooled vectors of 64 values in [0, 1], row by row, with the label "digit" (0 to 9).

    The images are the test part of "Optical recognition of handwritten digits" (Alpaydin and Kaynak 1998, UCI Machine
    Learning Repository, CC BY 4.0), in the order of scikit-learn's copy.

    Raises:
        TrichordError: scikit-learn is not installed, or has other images than these.
        ConfigError: `out` exists.
    """
    loaded = require("sklearn.datasets", "search", "the import of the digits").load_digits()
    values, digits = np.asarray(loaded.data), np.asarray(loaded.target, dtype=np.int64)
    if values.shape != (NUM_IMAGES, SIDE * SIDE) or values.min() < 0 or values.max() > _HIGHEST:
        raise ConfigError(
            f"scikit-learn's digits are {NUM_IMAGES} images of {SIDE} x {SIDE} pixels from 0 to 16, got "
            f"{values.shape} from {values.min():g} to {values.max():g}; install scikit-learn anew"
        )
    sizes = {"train": NUM_IMAGES - config.val - config.test, "val": config.val, "test": config.test}
    splits = stratified_splits(digits, sizes, numpy_generator(config.seed, "digits/splits"))
    return write_dataset(
        config.out,
        name="digits",
        items={"id": [f"digit-{row:04d}" for row in range(NUM_IMAGES)], "split": splits, LABEL: digits},
        modalities={
            MODALITY: ModalityArrays((values / _HIGHEST).astype(np.float32), letter=LETTER, transforms=("x / 16",))
        },
        description=f"1,797 handwritten digits, {SIDE} x {SIDE} pixels, scikit-learn's copy of the UCI test part",
        notes=f"splits drawn image by image with seed {config.seed}; writers are not known in this copy",
        overwrite=config.overwrite,
    )


DigitsImport.builds = import_digits
