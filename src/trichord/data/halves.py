"""Half-precision numbers, compared and widened by their bits, for what is cut from float16 streams.

NumPy turns every float16 into a float32 one by one, to compare it too; whole arrays of integers take a fraction of the
time (a maximum a fiftieth, a copy two thirds), on the calling thread alone: a reader works beside training and must not
wait for PyTorch's threads. The numbers are the same to the bit.
"""

from __future__ import annotations

import numpy as np

from trichord.shapes import Float, Int

# The bits of infinity, and of minus infinity read without a sign; NaN lies above either.
_INFINITY, _MINUS_INFINITY = 0x7C00, 0xFC00
# A half's exponent and fraction, moved to where a float32 has its own, are those of a number 2**112 times smaller.
_FRACTION_BITS, _SIGN_AND_HALF, _SCALE = 13, np.int32(-0x70002000), np.float32(2.0**112)


def largest_of_slices(
    values: Float[np.ndarray, "steps dim"], first: Int[np.ndarray, " rows"], end: Int[np.ndarray, " rows"]
) -> Float[np.ndarray, "rows dim"]:
    """Return `values[first[i] : end[i]].max(axis=0)` for every i, in the number format given; of 0 and -0 it takes 0.

    As signed integers, the bits of halves without a sign grow with the value and lie above those with one.

    Args:
        values: what is cut; a half that is NaN makes its column NaN, as with NumPy.
        first, end: first row and end of each slice, none of which is empty.
    """
    halves = values.dtype == np.float16
    largest = np.empty((len(first), values.shape[1]), np.int16 if halves else values.dtype)
    compared = values.view(largest.dtype)
    unsigned, highest = (values.view(np.uint16), np.empty(largest.shape, np.uint16)) if halves else (None, None)
    for row, (start, stop) in enumerate(zip(first.tolist(), end.tolist(), strict=True)):
        np.maximum.reduce(compared[start:stop], axis=0, out=largest[row])
        if unsigned is not None and highest is not None:
            np.maximum.reduce(unsigned[start:stop], axis=0, out=highest[row])
    if highest is None:
        return largest
    negative = largest.min(axis=1, initial=0) < 0
    for row in np.flatnonzero(negative).tolist():  # of negative numbers alone, the smallest magnitude is the largest
        smallest = np.minimum.reduce(compared[first[row] : end[row]], axis=0)
        largest[row] = np.where(largest[row] < 0, smallest, largest[row])
    if int(highest.max(initial=0)) > _MINUS_INFINITY:  # NaN with a sign
        largest = np.where(highest > _MINUS_INFINITY, highest.view(np.int16), largest)
    return largest.view(np.float16)


def widen(values: Float[np.ndarray, "rows dim"], out: Float[np.ndarray, "rows dim"]) -> None:
    """Write values of any number format to `out`, which is float32; equals `out[...] = values`."""
    bits = values.view(np.int16) if values.dtype == np.float16 and values.size else None
    if bits is None or bits.max() >= _INFINITY or values.view(np.uint16).max() >= _MINUS_INFINITY:
        out[...] = values
        return
    wide = out.view(np.int32)
    wide[...] = bits  # all bits above the half's become its sign
    np.left_shift(wide, _FRACTION_BITS, out=wide)
    np.bitwise_and(wide, _SIGN_AND_HALF, out=wide)
    np.multiply(out, _SCALE, out=out)
