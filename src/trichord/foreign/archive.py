"""The zip archive of torch.save, whose members are stored as they are and are looked at in place."""

from __future__ import annotations

import struct
import zipfile
import zlib

from trichord.foreign.budget import Budget
from trichord.foreign.refusal import CUT_OFF, DAMAGED, Refusal, shown

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED, _UTF8 = 0x1, 0x800
_MISTAKES = (
    zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, struct.error, OverflowError,
)  # fmt: skip


class _Window:
    """A run of bytes as the file that `zipfile` wants; only the directory is ever read through it."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.position = data, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        position = offset + (0, self.position, len(self.data))[whence]
        if position < 0:
            raise OSError("before the beginning")
        self.position = position
        return position

    def tell(self) -> int:
        return self.position

    def seekable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        end = len(self.data) if count < 0 else self.position + count
        taken = bytes(self.data[self.position : end])
        self.position += len(taken)
        return taken


class Archive:
    """The members of one archive.

    Nothing is unpacked, so that no member is larger than it looks: torch stores its members as they are, and a packed
    one is refused. Nothing is written either, so that no name can lead out of a folder.

    Args:
        data: the whole archive.

    Raises:
        Refusal: not a zip archive, or not one that torch.save writes.
    """

    def __init__(self, data: memoryview) -> None:
        self.data = data
        try:
            with zipfile.ZipFile(_Window(data)) as archive:
                members = archive.infolist()
        except _MISTAKES as error:
            raise Refusal(f"not a readable zip archive ({shown(str(error))})", CUT_OFF) from error
        roots = {member.filename.partition("/")[0] for member in members}
        self._members = {member.filename.partition("/")[2]: member for member in members}
        if len(roots) != 1 or "data.pkl" not in self._members:
            raise Refusal("the zip archive is not one of torch.save: no <name>/data.pkl, or more than one folder")
        if len(self._members) != len(members) or any(".." in name.split("/") for name in self._members):
            raise Refusal("the zip archive has a member twice, or one whose path leads out of its folder")
        if "constants.pkl" in self._members:
            raise Refusal(
                "the archive is a TorchScript program, not data",
                "load it with torch where you trust it, and save its state_dict()",
            )
        order = bytes(self.member("byteorder", Budget(len(data)))) if "byteorder" in self._members else b"little"
        if order not in (b"little", b"big"):
            raise Refusal("the archive's byte order is neither little nor big")
        self.big_endian = order == b"big"

    def member(self, name: str, budget: Budget) -> memoryview:
        """Return the bytes of a member, in place, after comparing their checksum.

        Raises:
            Refusal: there is no such member, it is packed or encrypted, reaches beyond the file, or is damaged.
        """
        info = self._members.get(name)
        if info is None:
            raise Refusal(f"the archive has no member {shown(name)!r}", CUT_OFF)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise Refusal(
                f"the member {shown(name)!r} is packed; torch.save packs nothing, and an archive that does can fill "
                "any memory",
                "where you trust the file, unpack it and zip it again without compression (zip -0)",
            )
        if info.flag_bits & _ENCRYPTED:
            raise Refusal(f"the member {shown(name)!r} is encrypted")
        spelled = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")
        header = self.data[info.header_offset : info.header_offset + _LOCAL_HEADER.size]
        signature, name_length, extra_length = (
            _LOCAL_HEADER.unpack(header) if len(header) == _LOCAL_HEADER.size else (b"", 0, 0)
        )
        named = info.header_offset + _LOCAL_HEADER.size
        begin = named + name_length + extra_length
        content = self.data[begin : begin + info.file_size]
        local = bytes(self.data[named : named + name_length])
        if signature != b"PK\x03\x04" or local != spelled or len(content) != info.file_size:
            raise Refusal(f"the member {shown(name)!r} is not where the archive's directory says", DAMAGED)
        budget.spend(len(content))
        if zlib.crc32(content) != info.CRC:
            raise Refusal(f"the member {shown(name)!r} is damaged: its checksum differs", CUT_OFF)
        return content
