"""What each instruction of a pickle does to the state of the machine. None imports, calls or sets anything foreign.

Left out because no data need it: objects of classes (INST, OBJ, NEWOBJ), extension codes, buffers outside the file.
"""

from __future__ import annotations

import pickle
import struct
from codecs import escape_decode
from collections.abc import Callable

from trichord.foreign.parts import OldText
from trichord.foreign.plain import plain_key
from trichord.foreign.refusal import CONVERT, CUT_OFF, Refusal
from trichord.foreign.state import FIRST_OF_LIST, State

_U2, _U4, _U8 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")
_I4, _F8 = struct.Struct("<i"), struct.Struct(">d")
_LONGEST_NUMBER = 512
# What containers take in memory, in CPython: empty, and more once something is in them; `settle` remembers each.
_LIST, _DICT, _SET, _TUPLE, _TUPLE_ENTRY = 80, 64, 216, 198, 8
# Containers are nested 64 deep at most, and a mark is open for each.
_MOST_MARKS = 256


def _whole(line: bytes) -> int:
    try:
        return int(line)
    except ValueError as error:
        raise Refusal("a number is not spelled as one") from error


def _proto(m: State) -> None:
    if (protocol := m.cursor.byte()) > 5:
        raise Refusal(f"the pickle is of protocol {protocol}; protocols 0 to 5 are read")


def _frame(m: State) -> None:
    size = m.cursor.number(_U8)
    if size > m.cursor.end - m.cursor.position:
        raise Refusal("the pickle is cut off inside a frame", CUT_OFF)


def _int(m: State) -> None:
    line = m.cursor.line()
    m.push(line == b"01" if line in (b"00", b"01") else _whole(line))


def _long_from(m: State, raw: memoryview) -> None:
    if len(raw) > _LONGEST_NUMBER:
        raise Refusal(f"a whole number of {len(raw)} bytes; at most {_LONGEST_NUMBER} are read")
    m.push(int.from_bytes(raw, "little", signed=True))


def _float(m: State) -> None:
    try:
        m.push(float(m.cursor.line()))
    except ValueError as error:
        raise Refusal("a number is not spelled as one") from error


def _string(m: State) -> None:
    line = m.cursor.line(limit=None)
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise Refusal("text of Python 2 is not in quotes")
    try:
        raw = escape_decode(line[1:-1])[0]
    except ValueError as error:
        raise Refusal("text of Python 2 has a broken escape") from error
    assert isinstance(raw, bytes)
    m.push(OldText(raw, m.encoding))


def _old_text(m: State, raw: memoryview) -> None:
    m.push(OldText(_content(raw), m.encoding))


def _unicode(m: State) -> None:
    try:
        text = m.cursor.line(limit=None).decode("raw-unicode-escape")
        text.encode()
    except UnicodeError as error:
        raise Refusal("text has a broken escape or half a letter") from error
    m.push(text)


def _global(m: State) -> None:
    try:
        module, name = str(m.cursor.line(), "utf-8"), str(m.cursor.line(), "utf-8")
    except UnicodeDecodeError as error:
        raise Refusal("a name is not valid UTF-8") from error
    m.push(m.name(module, name))


def _stack_global(m: State) -> None:
    name, module = m.stack.pop(), m.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise Refusal("a name is made of something else than text")
    m.push(m.name(module, name))


def _inst(m: State) -> None:
    _global(m)
    raise Refusal("the pickle builds an object of a class, which is not data", CONVERT)


def _object(m: State) -> None:
    raise Refusal("the pickle builds an object of a class, which is not data", CONVERT)


def _pop(m: State) -> None:
    if m.stack:
        m.stack.pop()
    else:
        m.marked()


def _mark(m: State) -> None:
    if len(m.below) == _MOST_MARKS:
        raise Refusal(f"more than {_MOST_MARKS} marks are open at once; containers are nested less deep")
    m.below.append(m.stack)
    m.stack = []


def _additems(m: State) -> None:
    values, target = m.marked(), m.stack[-1]
    if type(target) is not set:
        raise Refusal("the pickle adds to something that is not a set")
    target.update(plain_key(value) for value in values)


def _dict(m: State) -> None:
    values = m.marked()
    m.budget.hold(_DICT)
    m.push({})
    m.entries(values)


def _setitem(m: State) -> None:
    value, key = m.stack.pop(), m.stack.pop()
    m.entries([key, value])


def _append(m: State) -> None:
    value = m.stack.pop()
    m.append([value])


def _tuple_of(m: State, count: int) -> None:
    values = [m.stack.pop() for _ in range(count)]
    _tuple(m, values[::-1])


def _tuple(m: State, values: list[object]) -> None:
    if values:
        m.budget.hold(_TUPLE + _TUPLE_ENTRY * len(values))
    m.push(tuple(values))


def _held(num_bytes: int, make: Callable[[State], object]) -> Callable[[State], None]:
    """An instruction that makes a container, whose memory is counted first."""

    def perform(m: State) -> None:
        m.budget.hold(num_bytes)
        m.push(make(m))

    return perform


def _push(make: Callable[[State], object]) -> Callable[[State], None]:
    return lambda m: m.push(make(m))


def _content(raw: memoryview) -> bytes | memoryview:
    """Short byte strings are copied, so that thousands of them need no view each."""
    return bytes(raw) if len(raw) < 256 else raw


NEVER = {
    **{op[0]: "uses extension codes, which stand for classes" for op in (pickle.EXT1, pickle.EXT2, pickle.EXT4)},
    **{op[0]: "leaves its buffers in another place" for op in (pickle.NEXT_BUFFER, pickle.READONLY_BUFFER)},
}
INSTRUCTIONS: dict[int, Callable[[State], None]] = {
    op[0]: perform
    for op, perform in {
        pickle.PROTO: _proto,
        pickle.FRAME: _frame,
        # numbers
        pickle.NONE: _push(lambda m: None),
        pickle.NEWTRUE: _push(lambda m: True),
        pickle.NEWFALSE: _push(lambda m: False),
        pickle.INT: _int,
        pickle.LONG: _push(lambda m: _whole(m.cursor.line().removesuffix(b"L"))),
        pickle.BININT: _push(lambda m: m.cursor.number(_I4)),
        pickle.BININT1: _push(lambda m: m.cursor.byte()),
        pickle.BININT2: _push(lambda m: m.cursor.number(_U2)),
        pickle.LONG1: lambda m: _long_from(m, m.cursor.take(m.cursor.byte())),
        pickle.LONG4: lambda m: _long_from(m, m.cursor.sized(_I4)),
        pickle.FLOAT: _float,
        pickle.BINFLOAT: _push(lambda m: _F8.unpack(m.cursor.take(8))[0]),
        # text and bytes
        pickle.STRING: _string,
        pickle.BINSTRING: lambda m: _old_text(m, m.cursor.sized(_I4)),
        pickle.SHORT_BINSTRING: lambda m: _old_text(m, m.cursor.take(m.cursor.byte())),
        pickle.UNICODE: _unicode,
        pickle.BINUNICODE: lambda m: m.text(m.cursor.sized(_U4)),
        pickle.SHORT_BINUNICODE: lambda m: m.text(m.cursor.take(m.cursor.byte())),
        pickle.BINUNICODE8: lambda m: m.text(m.cursor.sized(_U8)),
        pickle.BINBYTES: _push(lambda m: _content(m.cursor.sized(_U4))),
        pickle.SHORT_BINBYTES: _push(lambda m: _content(m.cursor.take(m.cursor.byte()))),
        pickle.BINBYTES8: _push(lambda m: _content(m.cursor.sized(_U8))),
        pickle.BYTEARRAY8: _push(lambda m: _content(m.cursor.sized(_U8))),
        # containers
        pickle.MARK: _mark,
        pickle.EMPTY_LIST: _held(_LIST, lambda m: []),
        pickle.EMPTY_DICT: _held(_DICT, lambda m: {}),
        pickle.EMPTY_SET: _held(_SET, lambda m: set()),
        pickle.EMPTY_TUPLE: _push(lambda m: ()),
        pickle.TUPLE1: lambda m: _tuple_of(m, 1),
        pickle.TUPLE2: lambda m: _tuple_of(m, 2),
        pickle.TUPLE3: lambda m: _tuple_of(m, 3),
        pickle.TUPLE: lambda m: _tuple(m, m.marked()),
        pickle.LIST: _held(_LIST + FIRST_OF_LIST, lambda m: m.marked()),
        pickle.DICT: _dict,
        pickle.FROZENSET: _held(_SET, lambda m: frozenset(map(plain_key, m.marked()))),
        pickle.APPEND: _append,
        pickle.APPENDS: lambda m: m.append(m.marked()),
        pickle.SETITEM: _setitem,
        pickle.SETITEMS: lambda m: m.entries(m.marked()),
        pickle.ADDITEMS: _additems,
        # the stack and the memo
        pickle.POP: _pop,
        pickle.POP_MARK: lambda m: (m.marked(), None)[1],
        pickle.DUP: lambda m: m.push(m.stack[-1]),
        pickle.PUT: lambda m: m.remember(_whole(m.cursor.line())),
        pickle.BINPUT: lambda m: m.remember(m.cursor.byte()),
        pickle.LONG_BINPUT: lambda m: m.remember(m.cursor.number(_U4)),
        pickle.MEMOIZE: lambda m: m.remember(len(m.memo)),
        pickle.GET: lambda m: m.recall(_whole(m.cursor.line())),
        pickle.BINGET: lambda m: m.recall(m.cursor.byte()),
        pickle.LONG_BINGET: lambda m: m.recall(m.cursor.number(_U4)),
        # names, and what is built from them
        pickle.GLOBAL: _global,
        pickle.STACK_GLOBAL: _stack_global,
        pickle.REDUCE: State.reduce,
        pickle.BUILD: State.build,
        pickle.INST: _inst,
        pickle.OBJ: _object,
        pickle.NEWOBJ: _object,
        pickle.NEWOBJ_EX: _object,
        pickle.PERSID: lambda m: m.refer(m.cursor.line()),
        pickle.BINPERSID: lambda m: m.refer(m.stack.pop()),
    }.items()
}
