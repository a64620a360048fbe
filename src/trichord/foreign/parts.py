"""What stands on the machine's stack besides plain data: names a pickle speaks of, and values not yet complete.

A pickle is a program for a stack machine. Ours has no instruction that imports, calls or sets an attribute of anything
foreign: a name becomes a `Name`, "calling" it looks up one of our own builders, and "building" an object hands its
state to a `Part`, which refuses what it does not expect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trichord.foreign.budget import Budget
from trichord.foreign.refusal import CONVERT, Refusal, shown

Builder = Callable[[tuple[object, ...], Budget], object]


class Part:
    """Something a pickle speaks of that is not data, or not data yet."""

    what = "an unknown part"

    def build(self, state: object, budget: Budget) -> None:
        """Receive the state a pickle gives to the object."""
        raise Refusal(f"the pickle sets the state of {self.what}, which has none", CONVERT)

    def finish(self, budget: Budget) -> object:
        """Return the data this stands for."""
        raise Refusal(f"the pickle holds {self.what}, which is not data", CONVERT)


@dataclass(frozen=True)
class Name(Part):
    """An admitted name.

    Args:
        name: dotted name as the file spells it.
        builder: what a call of it builds; None where it may only be mentioned.
    """

    name: str
    builder: Builder | None = None

    @property
    def what(self) -> str:  # type: ignore[override]
        """How a message calls it."""
        return shown(self.name)


@dataclass(frozen=True, slots=True)
class OldText:
    """A `str` of Python 2: bytes, which are text only under an encoding. Arrays of that time store their data so.

    Args:
        raw: the bytes.
        encoding: how to read them as text.
    """

    raw: bytes | memoryview
    encoding: str

    def decode(self) -> str:
        """Return the text.

        Raises:
            Refusal: the bytes are not text in the encoding.
        """
        try:
            return str(self.raw, self.encoding)
        except UnicodeDecodeError as error:
            raise Refusal(
                f"text written by Python 2 is not {self.encoding} ({error.reason} at its byte {error.start})",
                "name its encoding: python2_text='latin-1' reads any, 'cp1252' is common on Windows",
            ) from error


def admit(module: str, name: str, admitted: Mapping[str, Part]) -> Part:
    """Return the admitted part of this name.

    Raises:
        Refusal: the name is not one of data.
    """
    spelled = module.replace("numpy._core.", "numpy.core.", 1) if module.startswith("numpy._core.") else module
    spelled = "builtins" if spelled == "__builtin__" else spelled
    found = admitted.get(f"{spelled}.{name}")
    if found is None:
        whole_model = module.startswith("torch.nn.")
        raise Refusal(
            f"the pickle asks for {shown(f'{module}.{name}')}, which is not data",
            "where you trust the file, load the model and save its state_dict()" if whole_model else CONVERT,
        )
    return found


def text_of(value: object) -> str | None:
    """Return the text of an argument that names something, or None where it is no text."""
    return value.decode() if isinstance(value, OldText) else value if isinstance(value, str) else None


def bytes_of(value: object) -> bytes | memoryview | None:
    """Return the bytes of an argument, or None where it has none."""
    if isinstance(value, OldText):
        return value.raw
    return value if isinstance(value, (bytes, memoryview)) else None


def sizes_of(value: object) -> tuple[int, ...] | None:
    """Return a shape, strides or axes: a tuple of whole numbers, none negative; None where it is something else."""
    if not isinstance(value, tuple) or len(value) > 32:
        return None
    sizes = tuple(size for size in value if type(size) is int and 0 <= size < 2**62)
    return sizes if len(sizes) == len(value) else None
