"""Dividing items into splits that show every class equally often."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trichord.errors import ConfigError
from trichord.shapes import Int


def stratified_splits(
    classes: Int[np.ndarray, " items"], sizes: Mapping[str, int], generator: np.random.Generator
) -> list[str]:
    """Draw the split of every item.

    The items of each class are shuffled and spread evenly over the unit interval, and the splits are cut from the items
    in the order of their places there. So the sizes are exact, and a split has of each class what its share of all
    items comes to, give or take one or two items.

    Args:
        classes: (items,) class of each item; any integers.
        sizes: split -> number of its items; together all items there are.
        generator: what is shuffled with.

    Returns:
        The split of each item, in the order of `classes`.

    Raises:
        ConfigError: the sizes do not add up to the number of items, or one is below 1.
    """
    if sum(sizes.values()) != len(classes) or min(sizes.values(), default=0) < 1:
        raise ConfigError(f"splits have at least one item and {len(classes)} together, got {dict(sizes)}")
    place = np.empty(len(classes))
    for name in np.unique(classes):
        members = np.flatnonzero(classes == name)
        place[members] = (generator.permutation(len(members)) + 0.5) / len(members)
    ordered = np.lexsort((classes, place))
    names = np.repeat(np.array(list(sizes), dtype=object), list(sizes.values()))
    found = np.empty(len(classes), dtype=object)
    found[ordered] = names
    return [str(name) for name in found]
