"""NumPy's part of a pickle: dtypes, arrays and scalars, built from their bytes without calling what the file names."""

from __future__ import annotations

import math
import re

import numpy as np

from trichord.foreign.budget import Budget
from trichord.foreign.parts import Name, Part, bytes_of, sizes_of, text_of
from trichord.foreign.refusal import CONVERT, Refusal, shown

_NUMBERS = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[SU][1-9]\d{0,6}")
_LARGEST = 2**62


class DtypePart(Part):
    """A dtype: its code at once ("f4", "U12"), its byte order with its state."""

    what = "a NumPy dtype"

    def __init__(self, code: str) -> None:
        self.code = code
        self.dtype: np.dtype | None = None

    def build(self, state: object, budget: Budget) -> None:
        """Receive (version, byte order, None, None, None, item size, alignment, flags)."""
        if self.dtype is not None:
            raise Refusal("a NumPy dtype receives its state twice")
        match state:
            case (3, order, None, None, None, int(size), int(), int()) if text_of(order) in ("<", ">", "|"):
                dtype = np.dtype(f"{text_of(order)}{self.code}")
                if size in (-1, dtype.itemsize) and (text_of(order) == "|") == (dtype.byteorder == "|"):
                    self.dtype = dtype
                    return
        raise Refusal(f"a NumPy dtype {self.code} has a state that no plain dtype has", CONVERT)

    def finish(self, budget: Budget) -> object:
        """A dtype that is data itself is returned as its code, for instance "<f4"."""
        return complete(self).str


def complete(part: DtypePart) -> np.dtype:
    """Return the dtype.

    Raises:
        Refusal: its byte order was never given.
    """
    if part.dtype is None:
        raise Refusal("a NumPy dtype is used before its byte order is known")
    return part.dtype


class ArrayPart(Part):
    """An array between its making and the state that gives it shape and bytes."""

    what = "a NumPy array"

    def __init__(self, array: np.ndarray | None = None) -> None:
        self.array = array

    def build(self, state: object, budget: Budget) -> None:
        """Receive (version, shape, dtype, whether in Fortran order, bytes)."""
        if self.array is not None:
            raise Refusal("a NumPy array receives its state twice")
        match state:
            case (1, shape, DtypePart() as part, bool() | 0 | 1 as fortran, raw):
                self.array = array_from_bytes(complete(part), shape, raw, "F" if fortran else "C", budget)
            case _:
                raise Refusal("a NumPy array has a state that is not (1, shape, dtype, order, bytes)")

    def finish(self, budget: Budget) -> object:
        """Return the array."""
        if self.array is None:
            raise Refusal("a NumPy array never receives its bytes, or is used before it does")
        return self.array


def array_from_bytes(dtype: np.dtype, shape: object, raw: object, order: str, budget: Budget) -> np.ndarray:
    """Return an array on the bytes it is stored in; of other byte order than this machine's, a converted copy.

    Raises:
        Refusal: the shape is not one, or the bytes do not fill it exactly.
    """
    sizes, content = sizes_of(shape), bytes_of(raw)
    if sizes is None:
        raise Refusal("an array's shape is at most 32 whole numbers that are not negative")
    if content is None:
        raise Refusal(f"an array of dtype {dtype} is stored as {type(raw).__name__}, not as bytes", CONVERT)
    if math.prod(max(size, 1) for size in sizes) * dtype.itemsize >= _LARGEST:
        raise Refusal(f"an array of shape {sizes} is larger than any memory")
    num_bytes = math.prod(sizes) * dtype.itemsize
    if len(content) != num_bytes:
        raise Refusal(f"an array has {len(content)} bytes, where {dtype} of shape {sizes} makes {num_bytes}")
    if not num_bytes:
        return np.empty(sizes, dtype.newbyteorder("="))
    array = check_values(np.frombuffer(content, dtype), budget).reshape(sizes, order="F" if order == "F" else "C")
    if dtype.isnative:
        return array
    budget.spend(num_bytes)
    return array.astype(dtype.newbyteorder("="))


def check_values(array: np.ndarray, budget: Budget) -> np.ndarray:
    """Return the array if its bytes are values of its dtype: not every byte is a truth value or a letter.

    Raises:
        Refusal: they are not.
    """
    if array.dtype.kind not in "bU":
        return array
    budget.spend(array.nbytes)
    if array.dtype.kind == "b":
        if (array.view(np.uint8) > 1).any():
            raise Refusal("an array of truth values holds bytes other than 0 and 1")
        return array
    letters = array.view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
    if ((letters > 0x10FFFF) | ((letters >= 0xD800) & (letters < 0xE000))).any():
        raise Refusal("an array of text holds numbers that are no letters")
    return array


def _dtype(args: tuple[object, ...], budget: Budget) -> object:
    code = text_of(args[0]) if len(args) == 3 else None
    if code is None:
        raise Refusal("a NumPy dtype is made from something else than a code and two switches")
    if code.startswith("O"):
        raise Refusal(
            "the array holds pickled Python objects, which are never loaded because loading them can run code", CONVERT
        )
    if not _NUMBERS.fullmatch(code):
        raise Refusal(f"the dtype {shown(code)!r} is not one of plain numbers or text", CONVERT)
    return DtypePart(code)


def _reconstruct(args: tuple[object, ...], budget: Budget) -> object:
    match args:
        case (Name(name="numpy.ndarray"), (0,), _):
            return ArrayPart()
    raise Refusal("a NumPy array is made otherwise than NumPy writes it")


def _scalar(args: tuple[object, ...], budget: Budget) -> object:
    match args:
        case (DtypePart() as part, raw):
            return array_from_bytes(complete(part), (), raw, "C", budget).item()
    raise Refusal("a NumPy scalar is made otherwise than NumPy writes it")


def _from_buffer(args: tuple[object, ...], budget: Budget) -> object:
    """(bytes, dtype, shape, "C" or "F"), or "K" with the order of axes to which a C-ordered array is turned."""
    match args:
        case (raw, DtypePart() as part, shape, order):
            if text_of(order) in ("C", "F"):
                return ArrayPart(array_from_bytes(complete(part), shape, raw, str(text_of(order)), budget))
        case (raw, DtypePart() as part, shape, order, axes):
            turned, sizes = sizes_of(axes), sizes_of(shape)
            if text_of(order) == "K" and turned and sizes and sorted(turned) == list(range(len(sizes))):
                return ArrayPart(array_from_bytes(complete(part), sizes, raw, "C", budget).transpose(turned))
    raise Refusal("a NumPy array is made from a buffer otherwise than NumPy writes it")


ARRAYS = {
    "numpy.ndarray": Name("numpy.ndarray"),
    "numpy.dtype": Name("numpy.dtype", _dtype),
    "numpy.core.multiarray._reconstruct": Name("numpy.core.multiarray._reconstruct", _reconstruct),
    "numpy.core.multiarray.scalar": Name("numpy.core.multiarray.scalar", _scalar),
    "numpy.core.numeric._frombuffer": Name("numpy.core.numeric._frombuffer", _from_buffer),
}
