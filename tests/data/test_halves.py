"""Halves compared and widened by their bits, beside NumPy, which takes them one by one."""

from __future__ import annotations

import numpy as np
import pytest

from trichord.data.halves import largest_of_slices, widen

EVERY_HALF = np.arange(2**16, dtype=np.uint32).astype(np.uint16).view(np.float16)


def test_every_half_is_widened_to_the_same_number() -> None:
    finite = EVERY_HALF[np.isfinite(EVERY_HALF)]
    found = np.full((len(finite) // 8, 8), np.nan, np.float32)
    widen(finite.reshape(-1, 8), found)
    assert found.tobytes() == finite.reshape(-1, 8).astype(np.float32).tobytes()


@pytest.mark.parametrize("strange", [np.inf, -np.inf, np.nan, -np.nan])
def test_what_is_no_number_is_widened_too(strange: float) -> None:
    values = np.array([[1.5, -2.0], [strange, 0.25]], np.float16)
    found = np.empty((2, 2), np.float32)
    widen(values, found)
    np.testing.assert_array_equal(found, values.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_formats_are_copied_into_a_part_of_an_array(dtype: type) -> None:
    values = np.random.default_rng(0).standard_normal((3, 2)).astype(dtype)
    for given in (values, values.astype(np.float16), values[:0]):
        whole = np.full((3, 5), 7, np.float32)
        part = whole[: len(given), 1:3]
        widen(given, part)
        np.testing.assert_array_equal(part, given.astype(np.float32))
        part[...] = 7
        assert (whole == 7).all(), "nothing else was written"


def slices(number: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    first = random.integers(0, steps, number)
    return first, np.minimum(first + random.integers(1, 9, number), steps)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shift", [0.0, 1e3, -2.0, -1e3])
def test_the_maximum_of_slices_is_that_of_numpy(dtype: type, shift: float) -> None:
    values = (np.random.default_rng(0).standard_normal((60, 7)) + shift).astype(dtype)
    first, end = slices(200, len(values))
    found = largest_of_slices(values, first, end)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, [values[a:b].max(axis=0) for a, b in zip(first, end, strict=True)])


def test_the_maximum_of_any_halves_is_that_of_numpy() -> None:
    values = np.random.default_rng(2).permutation(EVERY_HALF).reshape(-1, 64)
    first, end = slices(500, len(values))
    found = largest_of_slices(values, first, end)
    with np.errstate(invalid="ignore"):
        expected = np.array([values[a:b].max(axis=0) for a, b in zip(first, end, strict=True)])
    assert np.isnan(expected).any()
    assert (expected < 0).any()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("strange", [np.nan, -np.nan])
def test_nan_of_either_sign_is_not_hidden(strange: float) -> None:
    values = np.array([[1.0, 2.0], [3.0, strange], [5.0, 6.0]], np.float16)
    values[1, 1] = np.copysign(np.float16(np.nan), np.float16(strange))
    found = largest_of_slices(values, np.array([0, 2]), np.array([3, 3]))
    np.testing.assert_array_equal(found, np.array([[5, np.nan], [5, 6]], np.float16))


def test_no_slice() -> None:
    assert largest_of_slices(np.ones((4, 3), np.float16), np.zeros(0, int), np.zeros(0, int)).shape == (0, 3)
