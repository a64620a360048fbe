"""What may be done to features on import, each recorded in dataset.json."""

from __future__ import annotations

import numpy as np

from trichord.errors import ConfigError, DataError, nearest

TRANSFORMS = ("log", "l2")
LOG_OFFSET = 1e-4


def check_transform(name: str) -> str:
    """Return the name of a transform; raise `ConfigError` for one that does not exist."""
    if name not in TRANSFORMS:
        raise ConfigError(f"there is no transform {name!r}; {nearest(name, TRANSFORMS)}")
    return name


def describe_transform(name: str) -> str:
    """Return the formula, for the record."""
    return f"log(x + {LOG_OFFSET:g})" if name == "log" else "x / |x|"


def transform(values: np.ndarray, name: str, file: str) -> np.ndarray:
    """Transform features, (rows, dim), in float32.

    "log" is log(x + 1e-4), for probabilities and other values that are not negative; "l2" makes every row one long.

    Raises:
        DataError: a negative value under "log", a zero row under "l2"; the message names file and row.
    """
    values = values.astype(np.float32)
    if name == "log":
        wrong = np.flatnonzero((values < 0).any(axis=1))
        if len(wrong):
            raise DataError(
                "the transform 'log' takes values that are not negative, and this row holds one",
                file=file,
                row=int(wrong[0]),
                remedy="import the features without it",
            )
        return np.log(values + np.float32(LOG_OFFSET), dtype=np.float32)
    assert name == "l2", name
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    wrong = np.flatnonzero(norms[:, 0] == 0)
    if len(wrong):
        raise DataError(
            "the transform 'l2' divides by the length, and this row is zero",
            file=file,
            row=int(wrong[0]),
            remedy="leave the row out, or import the features without it",
        )
    normalised: np.ndarray = values / norms
    return normalised
