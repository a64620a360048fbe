"""torch's part of a pickle: storages, and tensors as strided views on them, as NumPy arrays; torch is not called."""

from __future__ import annotations

import math

import numpy as np

from trichord.foreign.arrays import check_values
from trichord.foreign.budget import Budget
from trichord.foreign.element_types import ELEMENT_TYPES, ElementType
from trichord.foreign.parts import Name, Part, sizes_of, text_of
from trichord.foreign.refusal import CONVERT, Refusal, shown

# A tensor with strides of 0 may be any number of times larger than its storage.
_LARGEST_STRETCHED = 2**26
_LARGEST = 2**62


class Storage(Part):
    """A run of bytes that tensors look into.

    Args:
        key: its name in the file.
        type: type of its elements.
        numel: number of its elements.
        big_endian: byte order in which the file stores it.
    """

    what = "a torch storage"

    def __init__(self, key: str, type: ElementType, numel: int, big_endian: bool = False) -> None:
        self.key, self.type, self.numel, self.big_endian = key, type, numel, big_endian
        self.data: memoryview | None = None
        self._elements: dict[ElementType, np.ndarray] = {}

    @property
    def num_bytes(self) -> int:
        """Number of bytes it must have."""
        return self.numel * self.type.stored.itemsize

    def attach(self, data: memoryview) -> None:
        """Give it its bytes.

        Raises:
            Refusal: too few or too many.
        """
        if len(data) != self.num_bytes:
            raise Refusal(
                f"the storage {shown(self.key)!r} has {len(data)} bytes, where its tensors' pickle makes "
                f"{self.num_bytes}"
            )
        self.data = data

    def elements(self, type: ElementType, budget: Budget) -> np.ndarray:
        """Return all elements, read as `type`; made once, so that tensors that share a storage share it still."""
        if type not in self._elements:
            self._elements[type] = self._read(type, budget)
        return self._elements[type]

    def _read(self, type: ElementType, budget: Budget) -> np.ndarray:
        assert self.data is not None, "every storage has its bytes before tensors are made"
        size = type.stored.itemsize
        whole = len(self.data) - len(self.data) % size
        dtype = type.stored.newbyteorder(">" if self.big_endian else "<")
        stored = np.frombuffer(self.data[:whole], dtype) if whole else np.empty(0, dtype)
        check_values(stored, budget)
        if type.bfloat16:
            budget.spend(2 * whole)
            return (stored.astype(np.uint32) << 16).view(np.float32)
        if dtype.isnative:
            return stored
        budget.spend(whole)
        return stored.astype(dtype.newbyteorder("="))

    def finish(self, budget: Budget) -> object:
        """A storage that is data itself is returned as an array of one axis."""
        return self.elements(self.type, budget)


class TensorPart(Part):
    """A tensor: a view on a storage, made when every storage has its bytes.

    Args:
        storage: what it looks into.
        type: type of its elements.
        offset: first element.
        size: length of each axis.
        stride: elements from one index to the next on each axis.
    """

    what = "a torch tensor"

    def __init__(
        self, storage: Storage, type: ElementType, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
    ) -> None:
        self.storage, self.type, self.offset, self.size, self.stride = storage, type, offset, size, stride
        self._array: np.ndarray | None = None

    def finish(self, budget: Budget) -> object:
        """Return the tensor as an array that looks into its storage; bfloat16 as float32.

        Raises:
            Refusal: the view reaches beyond the storage, or repeats it too often.
        """
        if self._array is None:
            self._array = self._view(self.storage.elements(self.type, budget), budget)
        return self._array

    def _view(self, elements: np.ndarray, budget: Budget) -> np.ndarray:
        width = elements.itemsize
        if math.prod(max(size, 1) for size in self.size) * width >= _LARGEST:
            raise Refusal(f"a tensor of shape {self.size} is larger than any memory")
        if 0 in self.size:
            return np.empty(self.size, elements.dtype)
        steps = zip(self.size, self.stride, strict=True)
        needed = self.offset + 1 + sum((size - 1) * stride for size, stride in steps)
        if needed > len(elements):
            raise Refusal(
                f"a tensor of shape {self.size}, strides {self.stride} and offset {self.offset} reaches element "
                f"{needed} of a storage of {len(elements)}"
            )
        count = math.prod(self.size)
        if count > len(elements) and count * width > _LARGEST_STRETCHED:
            raise Refusal(
                f"a tensor of shape {self.size} repeats a storage of {len(elements)} elements to "
                f"{count * width:,} bytes; at most {_LARGEST_STRETCHED:,} are read",
                CONVERT,
            )
        if count > len(elements):
            # Whoever reads it sees this many bytes, and a file holds thousands of such tensors in a few kilobytes.
            budget.spend(count * width)
        strides = tuple(
            stride * width if size > 1 else width for size, stride in zip(self.size, self.stride, strict=True)
        )
        return np.ndarray(self.size, elements.dtype, elements, self.offset * width, strides)


def _tensor(storage: object, type: object, offset: object, size: object, stride: object) -> TensorPart:
    sizes, strides = sizes_of(size), sizes_of(stride)
    if not isinstance(storage, Storage) or not isinstance(type, ElementType):
        raise Refusal("a torch tensor is made from something else than a storage")
    if sizes is None or strides is None or len(sizes) != len(strides) or sizes_of((offset,)) is None:
        raise Refusal(
            "a torch tensor's shape and strides are equally many whole numbers (at most 32), its offset is one, and "
            "none is negative"
        )
    assert isinstance(offset, int)
    return TensorPart(storage, type, offset, sizes, strides)


def _check_extras(hooks: object, metadata: object = None) -> None:
    if (hooks is not None and hooks != {}) or (metadata is not None and metadata != {}):
        raise Refusal("a torch tensor carries hooks, or a conjugation or negation still to be carried out", CONVERT)


def _rebuild_v1(args: tuple[object, ...], budget: Budget) -> object:
    match args:
        case (Storage() as storage, offset, size, stride):
            return _tensor(storage, storage.type, offset, size, stride)
    raise Refusal("a torch tensor is made otherwise than torch writes it")


def _rebuild_v2(args: tuple[object, ...], budget: Budget) -> object:
    match args:
        case (Storage() as storage, offset, size, stride, bool(), hooks, *metadata) if len(metadata) <= 1:
            _check_extras(hooks, *metadata)
            return _tensor(storage, storage.type, offset, size, stride)
    raise Refusal("a torch tensor is made otherwise than torch writes it")


def _rebuild_v3(args: tuple[object, ...], budget: Budget) -> object:
    match args:
        case (Storage() as storage, offset, size, stride, bool(), hooks, dtype, *metadata) if len(metadata) <= 1:
            _check_extras(hooks, *metadata)
            return _tensor(storage, dtype, offset, size, stride)
    raise Refusal("a torch tensor is made otherwise than torch writes it")


def _rebuild_parameter(args: tuple[object, ...], budget: Budget) -> object:
    match args:
        case (TensorPart() as tensor, bool(), hooks):
            _check_extras(hooks)
            return tensor
    raise Refusal("a torch parameter is made otherwise than torch writes it")


def _size(args: tuple[object, ...], budget: Budget) -> object:
    if len(args) == 1 and (sizes := sizes_of(args[0])) is not None:
        return sizes
    raise Refusal("a torch.Size is made from something else than whole numbers")


def _device(args: tuple[object, ...], budget: Budget) -> object:
    match args:
        case (kind,) if (name := text_of(kind)) is not None:
            return name
        case (kind, int(index)) if (name := text_of(kind)) is not None:
            return f"{name}:{index}"
    raise Refusal("a torch.device is made from something else than its name")


TENSORS: dict[str, Name | ElementType] = {
    **ELEMENT_TYPES,
    **{
        name: Name(name, builder)
        for name, builder in {
            "torch._utils._rebuild_tensor": _rebuild_v1,
            "torch._utils._rebuild_tensor_v2": _rebuild_v2,
            "torch._utils._rebuild_tensor_v3": _rebuild_v3,
            "torch._utils._rebuild_parameter": _rebuild_parameter,
            "torch.Size": _size,
            "torch.device": _device,
        }.items()
    },
}
