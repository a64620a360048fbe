"""The two formats of torch.save, zip archive and sequence of pickles, and tensors hidden in a plain pickle.

Facts: `torch/serialization.py`. An archive holds `data.pkl`, in which storages are referred to by key, and one member
`data/<key>` for each. The older format is five pickles (a magic number, a version, a description of the machine, the
object, the list of keys) followed by each storage: the number of its elements (int64) and its bytes, little-endian on
every machine. A tensor pickled without torch.save carries its storage as bytes in the older format.
"""

from __future__ import annotations

import struct

from trichord.foreign.archive import Archive
from trichord.foreign.arrays import ARRAYS
from trichord.foreign.budget import Budget
from trichord.foreign.cursor import Cursor
from trichord.foreign.element_types import ElementType
from trichord.foreign.machine import run_pickle
from trichord.foreign.parts import Name, Part, bytes_of, sizes_of, text_of
from trichord.foreign.plain import PLAIN
from trichord.foreign.refusal import CONVERT, Refusal, shown
from trichord.foreign.tensors import TENSORS, Storage

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
ZIP_MAGIC = b"PK\x03\x04"
_VERSION = 1001
_COUNT = struct.Struct("<q")
_IN_TORCH_FILES: dict[str, Part] = {**PLAIN, **ARRAYS, **TENSORS}


class _Storages:
    """The storages one file refers to, by key."""

    def __init__(self, archive: Archive | None, budget: Budget) -> None:
        self.archive, self.budget = archive, budget
        self.found: dict[str, Storage] = {}

    def refer(self, identity: object) -> object:
        """Return the storage of ("storage", type, key, place, number of elements[, None])."""
        match identity:
            case (kind, ElementType() as type, key, _, numel) | (kind, ElementType() as type, key, _, numel, None):
                name = text_of(key)
                if text_of(kind) == "storage" and name is not None and sizes_of((numel,)) is not None:
                    assert isinstance(numel, int)
                    return self._storage(name, type, numel)
        raise Refusal("the pickle refers to something else than a storage of the file", CONVERT)

    def _storage(self, key: str, type: ElementType, numel: int) -> Storage:
        known = self.found.get(key)
        if known is None:
            known = self.found[key] = Storage(key, type, numel, self.archive is not None and self.archive.big_endian)
            if self.archive is not None:
                known.attach(self.archive.member(f"data/{key}", self.budget))
        if (known.type, known.numel) != (type, numel):
            raise Refusal(f"the storage {shown(key)!r} is described in two ways")
        return known


def read_torch(data: memoryview, budget: Budget, encoding: str) -> object:
    """Run the pickle of a torch file and give its storages their bytes.

    Returns:
        What the machine left, to be settled.

    Raises:
        Refusal: it is not a torch file, is damaged, or asks for what is not data.
    """
    if bytes(data[:4]) == ZIP_MAGIC:
        archive = Archive(data)
        storages = _Storages(archive, budget)
        cursor = Cursor(archive.member("data.pkl", budget))
        root = run_pickle(cursor, _IN_TORCH_FILES, budget, encoding, storages.refer)
        if cursor.position != cursor.end:
            raise Refusal(f"{cursor.end - cursor.position} bytes follow the end of data.pkl")
        return root
    return _read_sequence(Cursor(data), budget, encoding)


def _read_sequence(cursor: Cursor, budget: Budget, encoding: str) -> object:
    if run_pickle(cursor, {}, budget, encoding) != MAGIC_NUMBER:
        raise Refusal("the file is not a torch file", "read a plain pickle with read_pickle")
    if run_pickle(cursor, {}, budget, encoding) != _VERSION:
        raise Refusal(f"the torch file is not of version {_VERSION}", "save it again with a newer torch")
    match run_pickle(cursor, {}, budget, encoding):
        case {"little_endian": True}:
            pass
        case _:
            raise Refusal("the torch file was written on a big-endian machine", "save it again in the zip format")
    storages = _Storages(None, budget)
    root = run_pickle(cursor, _IN_TORCH_FILES, budget, encoding, storages.refer)
    listed = run_pickle(cursor, {}, budget, encoding)
    keys = [text_of(key) for key in listed] if isinstance(listed, list) else []
    if sorted(map(str, keys)) != sorted(storages.found) or None in keys:
        raise Refusal("the storages the torch file lists are not those its tensors use")
    for key in keys:
        storage = storages.found[str(key)]
        if cursor.number(_COUNT) != storage.numel:
            raise Refusal(f"the storage {shown(storage.key)!r} is not of the size its tensors' pickle makes it")
        storage.attach(cursor.take(storage.num_bytes))
    if cursor.position != cursor.end:
        raise Refusal(f"{cursor.end - cursor.position} bytes follow the end of the torch file")
    return root


def _load_from_bytes(args: tuple[object, ...], budget: Budget) -> object:
    """The storage of a tensor that was pickled without torch.save; a file in a file, with nothing further inside."""
    content = bytes_of(args[0]) if len(args) == 1 else None
    if content is None:
        raise Refusal("a torch storage is made from something else than bytes")
    budget.spend(len(content))
    try:
        storage = read_torch(memoryview(content), budget, "ascii")
    except Refusal as refusal:
        raise Refusal(f"in the bytes of a tensor: {refusal.rule}", refusal.remedy) from refusal
    if not isinstance(storage, Storage):
        raise Refusal("the bytes of a tensor hold something else than a storage", CONVERT)
    return storage


IN_PICKLES: dict[str, Part] = {
    **_IN_TORCH_FILES,
    "torch.storage._load_from_bytes": Name("torch.storage._load_from_bytes", _load_from_bytes),
}
