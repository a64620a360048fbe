"""Which setting of a method is reported: the best on validation, by the mean over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trichord.errors import ProtocolError

PLACES = 9
"""Decimals to which means are compared: equal ones must not differ by the order of summation."""


def choose(values: Sequence[Sequence[float]]) -> int:
    """Return which setting has the best mean over seeds; of equal ones the first, which is the smallest.

    Args:
        values: one entry per setting, ascending; each a value per seed, of the deciding measure on validation.

    Raises:
        ProtocolError: no setting, no seed, or settings with unlike numbers of seeds, of which one would be favoured.
    """
    if not values or not values[0] or len({len(of_setting) for of_setting in values}) != 1:
        raise ProtocolError(
            f"a setting is chosen among one or more that were run with the same seeds, got {[len(v) for v in values]}"
        )
    return int(np.argmax([round(float(np.mean(of_setting)), PLACES) for of_setting in values]))
