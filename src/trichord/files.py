"""Writing files so that a kill at any moment leaves the old file or the new one, and hashing what is in them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trichord.errors import DataError


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then flush it to disk and rename it into place."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write text (UTF-8) atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: str | Path, data: Any) -> None:
    """Write JSON atomically. A number that is not finite is refused: JSON has no spelling for it."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read JSON; raise `DataError` that names the file when it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError("the file does not exist", file=path, remedy="check the path") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"not valid JSON ({error})", file=path, remedy="write the file again") from error


def is_file(path: Path) -> bool:
    """Whether a file is there; under a name that is too long for a file, none is."""
    try:
        return path.is_file()
    except OSError:
        return False


def hash_bytes(parts: Iterable[bytes]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of the parts, each preceded by its length."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:16]


def hash_json(data: Any) -> str:
    """Hash plain data independent of the order of its keys."""
    return hash_bytes([json.dumps(data, sort_keys=True, ensure_ascii=False).encode()])


def hash_tensors(tensors: Mapping[str, torch.Tensor]) -> str:
    """Hash named tensors: names, dtypes, shapes and bits, independent of device and order."""
    parts: list[bytes] = []
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        parts += [f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()]
        parts += [tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""]
    return hash_bytes(parts)


def hash_array(array: np.ndarray, chunk_rows: int = 65536) -> str:
    """Hash a (memory-mapped) array by dtype, shape and bytes, a chunk at a time."""
    head = [f"{array.dtype.str} {array.shape}".encode()]
    chunks = (np.ascontiguousarray(array[i : i + chunk_rows]).tobytes() for i in range(0, len(array), chunk_rows))
    return hash_bytes([*head, *(hashlib.sha256(chunk).digest() for chunk in chunks)])
