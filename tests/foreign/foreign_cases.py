"""What a foreign file may hold, what Python, NumPy and torch themselves make of it, and a comparison that is strict."""

from __future__ import annotations

import collections

import numpy as np
import torch

RANDOM = np.random.default_rng(0)
DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
TENSOR_TYPES = [
    torch.float16, torch.float32, torch.float64, torch.bfloat16, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool, torch.complex64, torch.complex128,
]  # fmt: skip


def arrays() -> dict[str, np.ndarray]:
    block = RANDOM.integers(0, 2, (3, 4, 5))
    named = {f"{code}": block.astype(code) for code in DTYPES}
    named |= {f"big {code}": block.astype(f">{code}") for code in DTYPES if code not in ("?", "i1", "u1")}
    base = RANDOM.standard_normal((4, 6, 5)).astype(np.float32)
    return {
        **named,
        "0-d": np.array(2.5),
        "0-d big": np.array(7, ">i8"),
        "empty": np.zeros((0, 3), np.float32),
        "Fortran": np.asfortranarray(base[0]),
        "Fortran big": np.asfortranarray(base[0].astype(">f4")),
        "turned": base.transpose(1, 0, 2),
        "turned further": base.transpose(2, 0, 1),
        "gaps": base[::2, ::3],
        "backwards": base[0, ::-1],
        "repeated": np.broadcast_to(base[0, 0], (3, 5)),
        "not a number": np.array([np.nan, np.inf, -0.0]),
        "text": np.array(["a", "größer", "\U0001f3b5"]),
        "text big": np.array(["a", "größer"]).astype(">U8"),
        "byte text": np.array([b"a", b"\xff\x00c"]),
        "large": RANDOM.standard_normal((40, 300)).astype(np.float32),
    }


def tensors() -> dict[str, torch.Tensor]:
    base = torch.arange(24.0).reshape(4, 6)
    return {
        **{str(kind): (torch.arange(6) % 2).to(kind).reshape(2, 3) for kind in TENSOR_TYPES},
        "0-d": torch.tensor(3.5),
        "empty": torch.zeros(0, 4),
        "turned": base.t(),
        "slice": base[1:3, ::2],
        "bfloat16 slice": base.bfloat16()[:, 2:],
        "expanded": torch.ones(3, 1).expand(3, 4),
        "parameter": torch.nn.Parameter(torch.ones(2, 2)),
        "large": torch.randn(40, 300),
    }


def plain_values() -> dict[str, object]:
    return {
        "id": "vidéo_\U0001f3b5",
        "numbers": [0, 1, -1, 255, 256, 70000, -(2**31), 2**31, 2**63, -(2**70), 2**2000, 1.5, -1e-300, 1 + 2j],
        "switches": (True, False, None),
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "bytes": [b"", b"\x00\xff", b"x" * 300],
        "bytearray": bytearray(b"\x00\xffq"),
        "set": {1, "a"},
        "frozen": frozenset([(1, "b")]),
        ("tuple", 1): "as key",
        7: "number as key",
        None: {"ordered": collections.OrderedDict(b=1, a=[2])},
        "scalars": [np.float32(0.1), np.int64(-3), np.bool_(True), np.float16(2), np.str_("ü"), np.complex64(1j)],
        "escapes": "a\nb\\c\x1aé\u2028",
        "long text": "ab€" * 300,
        "size": torch.Size([2, 3]),
        "device": torch.device("cuda:1"),
        "dtype": torch.float32,
        "numpy dtype": np.dtype(">f4"),
    }


def expected(value: object) -> object:
    """What reading must return, made from the original objects by NumPy and torch."""
    match value:
        case torch.Tensor():
            tensor = value.detach()
            return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        case np.ndarray():
            return value.astype(value.dtype.newbyteorder("="))
        case np.generic():
            return value.item()
        case torch.Size():
            return tuple(value)
        case torch.device():
            return str(value)
        case torch.dtype():
            return str(value).removeprefix("torch.")
        case np.dtype():
            return value.str
        case bytearray():
            return bytes(value)
        case dict():
            return {key: expected(entry) for key, entry in value.items()}
        case list():
            return [expected(entry) for entry in value]
        case tuple():
            return tuple(expected(entry) for entry in value)
    return value


def assert_same(found: object, wanted: object) -> None:
    assert type(found) is type(wanted)
    if isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype
        assert found.dtype.isnative
        assert not found.flags.writeable
        np.testing.assert_array_equal(found, wanted)
        assert found.shape == wanted.shape
    elif isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key, entry in wanted.items():
            assert_same(found[key], entry)
    elif isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_same(one, other)
    else:
        assert found == wanted
