"""The types of a storage's elements, by the names under which torch files speak of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trichord.foreign.budget import Budget
from trichord.foreign.parts import Part


@dataclass(frozen=True)
class ElementType(Part):
    """The type of a storage's elements.

    Args:
        name: dotted name as torch spells it.
        stored: dtype of the stored bytes, little-endian.
        bfloat16: whether each two bytes are the upper half of a float32.
    """

    name: str
    stored: np.dtype
    bfloat16: bool = False

    def finish(self, budget: Budget) -> object:
        """A dtype that is data itself is returned as its name, for instance "float32"."""
        return self.name.removeprefix("torch.")


_OF_STORAGES = {
    "Double": "f8", "Float": "f4", "Half": "f2", "Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1",
    "Byte": "u1", "Bool": "b1", "ComplexFloat": "c8", "ComplexDouble": "c16",
}  # fmt: skip
_OF_TENSORS = {
    "float64": "f8", "float32": "f4", "float16": "f2", "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1",
    "uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8", "bool": "b1", "complex64": "c8", "complex128": "c16",
}  # fmt: skip
_CODES = {
    **{f"torch.{name}Storage": code for name, code in _OF_STORAGES.items()},
    **{f"torch.{name}": code for name, code in _OF_TENSORS.items()},
    "torch.storage.UntypedStorage": "u1",
}

ELEMENT_TYPES = {
    **{name: ElementType(name, np.dtype(f"<{code}")) for name, code in _CODES.items()},
    **{name: ElementType(name, np.dtype("<u2"), bfloat16=True) for name in ("torch.BFloat16Storage", "torch.bfloat16")},
}
