"""Headers of .npy made to do harm: each is one `DataError`, in a file of its own and inside an archive."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from trichord.data.npy import open_npy
from trichord.data.readers import read_array, read_column
from trichord.errors import DataError


def npy(header: bytes, data: bytes = b"") -> bytes:
    padded = header.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + data


def described(descr: str, shape: str, data: bytes = b"") -> bytes:
    return npy(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode(), data)


HEADERS = {
    "negative shape": described("'<f4'", "(-2048, -1)", bytes(8192)),
    "one negative size": described("'<f4'", "(-1, 0)"),
    "empty and huge": described("'<f4'", f"(0, 1000, {10**30})"),
    "huge": described("'<f4'", f"({2**61}, 8)"),
    "70 axes": described("'<f4'", f"({'1,' * 70})", bytes(4)),
    "text of no letters": described("'|S0'", "(3,)"),
    "letters of no text": described("'<U0'", "(3,)"),
    "bytes of no size": described("'|V0'", "(3,)"),
    "bytes without a meaning": described("'|V4'", "(3,)", bytes(12)),
    "an array in an array": described("('<f4', (3,))", "(2,)", bytes(24)),
    "a dtype of nothing": described("()", "(2,)"),
    "a dtype that is a number": described("7", "(2,)"),
    "fields without names": described("[()]", "(2,)"),
    "open brackets": npy(b"(" * 9000),
    "cut off": npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,"),
    "open quotes": npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': '''"),
    "deep signs": npy(b"-" * 9000 + b"1"),
    "indented": npy(b" x\n  y\n z"),
    "a zero byte": npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (\0)}"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_headers(tmp_path: Path, name: str) -> None:
    file, archive = tmp_path / "a.npy", tmp_path / "a.npz"
    file.write_bytes(HEADERS[name])
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("features.npy", HEADERS[name])
    with pytest.raises(DataError, match=r"a\.npy: ") as caught:
        open_npy(file)
    assert len(str(caught.value)) < 1000
    with pytest.raises(DataError, match=r"a\.npz, row 'features': "):
        read_array(archive, "features", 2**31)


def test_an_empty_array_of_an_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", features=np.empty((0, 3), np.float32))
    read = read_array(tmp_path / "a.npz", "features", 2**31)
    assert (read.shape, read.dtype) == ((0, 3), np.float32)


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_a_name_that_is_too_long_for_a_file(tmp_path: Path, ending: str) -> None:
    with pytest.raises(DataError, match="the file does not exist"):
        read_array(tmp_path / ("x" * 300 + ending), "features", 2**31)


def test_a_line_of_endless_brackets(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("[" * 100_000)
    with pytest.raises(DataError, match="line 1 is not JSON"):
        read_column(tmp_path / "a.jsonl", "id", 2**31)
