"""A bound on the work and memory a file can cause beyond its own size."""

from __future__ import annotations

from trichord.foreign.refusal import Refusal

# An honest file needs at most about five passes over its bytes (protocol 2 around bfloat16); one that lets thousands
# of entries unpack the same bytes again and again has no limit of its own.
PASSES, FREE_BYTES = 6, 2**26
# An honest container and what is in it take a few bytes of the file; what they take of memory is some 48 times as much
# (`instructions.py` says how much is counted).
MEMORY_PER_BYTE = 48


class Budget:
    """Counts the bytes that are copied or looked through, and refuses when they exceed `PASSES` times the file.

    The memory of containers, of which a byte of the file can make one, is counted on its own.

    Args:
        file_bytes: size of the file.
    """

    def __init__(self, file_bytes: int) -> None:
        self.left = PASSES * file_bytes + FREE_BYTES
        self.for_objects = MEMORY_PER_BYTE * file_bytes + FREE_BYTES

    def spend(self, num_bytes: int) -> None:
        """Take `num_bytes` off what is left.

        Raises:
            Refusal: nothing is left.
        """
        self.left -= num_bytes
        if self.left < 0:
            raise Refusal(
                f"the file unpacks to more than {PASSES} times its own size by using the same bytes many times over",
                "this is how a file is made to fill the memory; do not use it",
            )

    def hold(self, num_bytes: int) -> None:
        """Take the memory of a container or another object off what is left for these.

        Raises:
            Refusal: nothing is left.
        """
        self.for_objects -= num_bytes
        if self.for_objects < 0:
            raise Refusal(
                f"the file holds so many containers with next to nothing inside that they take more than "
                f"{MEMORY_PER_BYTE} times its size",
                "where you trust the file, save numbers as arrays instead of lists and tuples",
            )
