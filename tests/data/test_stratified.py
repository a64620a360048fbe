"""Splits that show every class equally often."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trichord.data.stratified import stratified_splits
from trichord.errors import ConfigError


@given(
    classes=st.lists(st.integers(-2, 4), min_size=6, max_size=60),
    cuts=st.tuples(st.integers(1, 59), st.integers(1, 59)),
    seed=st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_sizes_are_exact_and_classes_keep_their_share(classes: list[int], cuts: tuple[int, int], seed: int) -> None:
    number = len(classes)
    first, second = sorted(1 + cut % (number - 1) for cut in cuts)
    sizes = {"x": first, "y": second - first, "z": number - second}
    sizes = {name: size for name, size in sizes.items() if size}
    splits = stratified_splits(np.array(classes), sizes, np.random.default_rng(seed))
    assert Counter(splits) == sizes
    for name, size in sizes.items():
        for kind, count in Counter(classes).items():
            found = sum(s == name and c == kind for s, c in zip(splits, classes, strict=True))
            # Cutting a merged list of evenly spread classes moves either end of a split by less than one item each.
            assert abs(found - size * count / number) < 2


def test_equal_classes_are_divided_equally() -> None:
    classes = np.repeat(np.arange(5), 8)
    splits = np.array(stratified_splits(classes, {"a": 10, "b": 10, "c": 20}, np.random.default_rng(0)))
    for kind in range(5):
        assert Counter(splits[classes == kind].tolist()) == {"a": 2, "b": 2, "c": 4}


def test_the_generator_decides_which_items() -> None:
    classes, sizes = np.repeat(np.arange(2), 50), {"a": 50, "b": 50}
    one, again, other = (stratified_splits(classes, sizes, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert one == again
    assert one != other


@pytest.mark.parametrize("sizes", [{"a": 3}, {"a": 5}, {"a": 4, "b": 0}, {}])
def test_sizes_that_do_not_fit_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="4 together"):
        stratified_splits(np.arange(4), sizes, np.random.default_rng(0))
