"""Builders of plain containers, and the rule for keys."""

from __future__ import annotations

from collections.abc import Iterable

from trichord.foreign.budget import Budget
from trichord.foreign.parts import Name, OldText, bytes_of, text_of
from trichord.foreign.refusal import CONVERT, Refusal, shown

Key = None | bool | int | float | complex | str | bytes | tuple[object, ...]
_SCALARS = (type(None), bool, int, float, complex, str, bytes)
_BYTES_PER_ENTRY = 64
# Python's hash of a whole number is its remainder by 2**61 - 1: without this bound, a file could give thousands of keys
# one hash, and a dict compares every one of these with all before it.
_LARGEST_KEY = 2**61 - 2


def plain_key(value: object, inner: bool = False) -> Key:
    """Return a key of a dict or an element of a set: a scalar, or a tuple of scalars.

    Deeper keys are refused: Python computes their hash by unlimited recursion. So are larger whole numbers, which can
    share one hash.

    Raises:
        Refusal: it is something else.
    """
    if type(value) is int and abs(value) > _LARGEST_KEY:
        raise Refusal("a whole number that is a key or an element of a set lies beyond 2**61 - 2", CONVERT)
    if type(value) in _SCALARS:
        return value  # type: ignore[return-value]
    if isinstance(value, OldText):
        return value.decode()
    if isinstance(value, memoryview):
        return bytes(value)
    if type(value) is tuple and not inner:
        return tuple(plain_key(part, inner=True) for part in value)
    raise Refusal(
        f"a key or an element of a set is a number, text or a tuple of these, found {type(value).__name__}", CONVERT
    )


def put(entries: dict[Key, object], key: object, value: object) -> None:
    """Set one entry of a dict that is being filled.

    Raises:
        Refusal: the key is not plain, or is there already (no dict a program could have saved has it twice).
    """
    plain = plain_key(key)
    if plain in entries:
        spelled = repr(plain[:100] if isinstance(plain, (str, bytes)) else plain)
        raise Refusal(f"the key {shown(spelled)} occurs twice in one dict")
    entries[plain] = value


def _dict(args: tuple[object, ...], budget: Budget) -> object:
    """An OrderedDict: empty, or from a list of pairs (Python 2)."""
    entries: dict[Key, object] = {}
    match args:
        case ():
            pass
        case (list(pairs),):
            budget.spend(_BYTES_PER_ENTRY * len(pairs))
            for pair in pairs:
                match pair:
                    case [key, value]:
                        put(entries, key, value)
                    case _:
                        raise Refusal("an OrderedDict is built from something else than pairs")
        case _:
            raise Refusal("an OrderedDict is built from something else than a list of pairs")
    return entries


def _elements(args: tuple[object, ...], budget: Budget) -> Iterable[Key]:
    match args:
        case ():
            return ()
        case (list(values),):
            budget.spend(_BYTES_PER_ENTRY * len(values))
            return (plain_key(value) for value in values)
    raise Refusal("a set is built from something else than a list")


def _set(args: tuple[object, ...], budget: Budget) -> object:
    return set(_elements(args, budget))


def _frozenset(args: tuple[object, ...], budget: Budget) -> object:
    return frozenset(_elements(args, budget))


def _complex(args: tuple[object, ...], budget: Budget) -> object:
    match args:
        case (float(real), float(imaginary)):
            return complex(real, imaginary)
    raise Refusal("a complex number is built from something else than two numbers")


def _encode(args: tuple[object, ...], budget: Budget) -> object:
    """Text to bytes as Latin-1, which is how protocols 0 to 2 write bytes."""
    if len(args) == 2 and isinstance(args[0], str) and text_of(args[1]) in ("latin1", "latin-1"):
        budget.spend(len(args[0]))
        try:
            return args[0].encode("latin-1")
        except UnicodeEncodeError as error:
            raise Refusal("bytes are written as text that holds letters beyond Latin-1") from error
    raise Refusal("the pickle encodes text otherwise than as Latin-1, the way pickles write bytes")


def _bytes(args: tuple[object, ...], budget: Budget) -> object:
    if not args:
        return b""
    content = bytes_of(args[0])
    if len(args) == 1 and content is not None:
        return content
    return _encode(args, budget)


PLAIN = {
    name: Name(name, builder)
    for name, builder in {
        "collections.OrderedDict": _dict,
        "builtins.set": _set,
        "builtins.frozenset": _frozenset,
        "builtins.complex": _complex,
        "builtins.bytes": _bytes,
        "builtins.bytearray": _bytes,
        "_codecs.encode": _encode,
    }.items()
}
