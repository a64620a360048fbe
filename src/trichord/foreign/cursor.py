"""A place in a run of bytes, from which nothing beyond the end is ever read."""

from __future__ import annotations

import struct

from trichord.foreign.refusal import CUT_OFF, Refusal

_SHORT_LINE = 1000
_FIRST_LOOK = 256


class Cursor:
    """Reads forward.

    Args:
        data: the bytes.
        position: where to begin.
    """

    def __init__(self, data: memoryview, position: int = 0) -> None:
        self.data, self.position, self.end = data, position, len(data)

    def byte(self) -> int:
        """Return the next byte as a number."""
        if self.position >= self.end:
            raise Refusal(f"the pickle is cut off after {self.end} bytes", CUT_OFF)
        self.position += 1
        return self.data[self.position - 1]

    def take(self, count: int) -> memoryview:
        """Return the next `count` bytes without copying them."""
        end = self.position + count
        if count < 0 or end > self.end:
            raise Refusal(
                f"the pickle is cut off: {count} bytes are to follow byte {self.position} of {self.end}",
                CUT_OFF,
            )
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, form: struct.Struct) -> int:
        """Return the next number of this form."""
        value = form.unpack(self.take(form.size))[0]
        assert isinstance(value, int)
        return value

    def sized(self, form: struct.Struct) -> memoryview:
        """Return the bytes that follow a number of this form, which says how many."""
        return self.take(self.number(form))

    def line(self, limit: int | None = _SHORT_LINE) -> bytes:
        """Return the bytes up to the next line feed, which is passed over; `limit` bounds their number."""
        length, looked = -1, _FIRST_LOOK
        while length < 0:
            window = bytes(self.data[self.position : self.position + looked])
            length = window.find(b"\n")
            if length < 0 and len(window) < looked:
                raise Refusal("the pickle is cut off inside a line", CUT_OFF)
            if limit is not None and (length > limit or (length < 0 and looked > limit)):
                raise Refusal(f"a line of more than {limit} letters stands where a number or name belongs")
            looked *= 4
        self.position += length + 1
        return window[:length]
