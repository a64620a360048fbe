"""What a pickle works on: a stack of values, the stacks below its marks, and a memo of values it uses again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trichord.foreign.budget import Budget
from trichord.foreign.cursor import Cursor
from trichord.foreign.parts import Name, Part, admit
from trichord.foreign.plain import put
from trichord.foreign.refusal import CONVERT, Refusal

Persistent = Callable[[object], object]

# What the first entry of a list or dict takes in memory, and an object that a name builds.
FIRST_OF_LIST, _FIRST_OF_DICT, _BUILT = 120, 200, 216


class State:
    """The state of the machine while it runs one pickle.

    Args:
        cursor: where the pickle is read.
        admitted: the parts a pickle may name, by dotted name.
        budget: bound on copies.
        encoding: how to read text of Python 2.
        persistent: what stands for an object stored outside the pickle; None where there is nothing outside.
    """

    def __init__(
        self,
        cursor: Cursor,
        admitted: Mapping[str, Part],
        budget: Budget,
        encoding: str,
        persistent: Persistent | None = None,
    ) -> None:
        self.cursor, self.admitted, self.budget, self.encoding = cursor, admitted, budget, encoding
        self.persistent = persistent
        self.stack: list[object] = []
        self.below: list[list[object]] = []
        self.memo: dict[int, object] = {}

    def push(self, value: object) -> None:
        """Put a value on the stack that is current once the value is made."""
        self.stack.append(value)

    def marked(self) -> list[object]:
        """Return the values above the last mark, and take them and the mark off."""
        values, self.stack = self.stack, self.below.pop()
        return values

    def name(self, module: str, name: str) -> Part:
        """Return the admitted part of this name."""
        return admit(module, name, self.admitted)

    def remember(self, index: int) -> None:
        """Keep the top of the stack under a number; they are given out one by one, so none exceeds the bytes read."""
        if not 0 <= index <= self.cursor.position:
            raise Refusal(f"the memo number {index} is beyond anything a pickle gives out")
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        """Put what is kept under a number on the stack."""
        if index not in self.memo:
            raise Refusal(f"the pickle refers to its value {index}, which it has not defined")
        self.stack.append(self.memo[index])

    def text(self, raw: memoryview | bytes) -> None:
        """Push text, UTF-8."""
        try:
            self.stack.append(str(raw, "utf-8"))
        except UnicodeDecodeError as error:
            raise Refusal(f"text is not valid UTF-8 ({error.reason})") from error

    def entries(self, values: list[object]) -> None:
        """Put keys and values, one after the other, into the dict on top."""
        target = self.stack[-1]
        if type(target) is not dict or len(values) % 2:
            raise Refusal("the pickle sets entries of something that is not a dict")
        if not target:
            self.budget.hold(_FIRST_OF_DICT)
        for key, value in zip(values[::2], values[1::2], strict=True):
            put(target, key, value)

    def append(self, values: list[object]) -> None:
        """Append values to the list on top."""
        target = self.stack[-1]
        if type(target) is not list:
            raise Refusal("the pickle appends to something that is not a list")
        if not target:
            self.budget.hold(FIRST_OF_LIST)
        target.extend(values)

    def reduce(self) -> None:
        """Build what a name stands for from arguments."""
        args, called = self.stack.pop(), self.stack.pop()
        if not isinstance(args, tuple) or not isinstance(called, Part):
            raise Refusal("the pickle calls something that is not a name, or without a tuple of arguments")
        if not isinstance(called, Name) or called.builder is None:
            raise Refusal(f"the pickle calls {called.what}, which builds nothing", CONVERT)
        self.budget.hold(_BUILT)
        self.stack.append(called.builder(args, self.budget))

    def build(self) -> None:
        """Give an object its state."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Part):
            target.build(state, self.budget)
        elif type(target) is not dict or type(state) is not dict or list(state) != ["_metadata"]:
            # torch keeps versions of module classes as an attribute of the OrderedDict; they are no data of the dict.
            raise Refusal(f"the pickle sets attributes of a {type(target).__name__}, which has none", CONVERT)

    def refer(self, identity: object) -> None:
        """Push what stands for an object stored outside the pickle."""
        if self.persistent is None:
            raise Refusal("the pickle refers to objects stored outside it")
        self.stack.append(self.persistent(identity))
