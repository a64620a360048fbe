"""The last step of reading: every part of a pickle that is not plain data yet is completed in its place."""

from __future__ import annotations

import numpy as np

from trichord.foreign.budget import Budget
from trichord.foreign.parts import OldText, Part
from trichord.foreign.refusal import CONVERT, Refusal

_DEEPEST = 64
# Sets hold plain elements from the start (`plain.plain_key`).
_PLAIN = (type(None), bool, int, float, complex, str, bytes, set, frozenset)


def settle(root: object, budget: Budget) -> object:
    """Return what a pickle holds as plain data; lists and dicts are completed in place.

    Args:
        root: what the machine left.
        budget: bound on copies.

    Returns:
        dict, list, tuple, set, frozenset, numbers, str, bytes, None and read-only `np.ndarray`; what the pickle uses
        in several places is one object there too.

    Raises:
        Refusal: a part cannot be completed, a container holds itself, or the nesting is absurd.
    """
    return _Settling(budget).settle(root, 0)


class _Settling:
    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        # By identity; the original is kept as well, because an identity is only that object's while it lives.
        self.done: dict[int, tuple[object, object]] = {}
        # How many containers a settled one holds inside each other, itself included: it may be met again further down.
        self.height: dict[int, int] = {}
        self.open: set[int] = set()

    def settle(self, value: object, depth: int) -> object:
        if type(value) in _PLAIN:
            return value
        if isinstance(value, (list, dict, tuple)) and not value:
            self._check_depth(depth + 1)
            return value
        if id(value) in self.done:
            self._check_depth(depth + self._height(value))
            return self.done[id(value)][1]
        settled = self._container(value, depth) if isinstance(value, (list, dict, tuple)) else self._single(value)
        self.done[id(value)] = (value, settled)
        return settled

    def _single(self, value: object) -> object:
        if isinstance(value, memoryview):
            self.budget.spend(len(value))
            return bytes(value)
        if isinstance(value, OldText):
            self.budget.spend(len(value.raw))
            return value.decode()
        assert isinstance(value, Part), "the machine makes nothing else"
        finished = value.finish(self.budget)
        if isinstance(finished, np.ndarray):
            finished.flags.writeable = False
        return finished

    def _container(self, value: list[object] | dict[object, object] | tuple[object, ...], depth: int) -> object:
        if id(value) in self.open:
            raise Refusal("a container holds itself", CONVERT)
        self._check_depth(depth + 1)
        self.open.add(id(value))
        settled: list[object] = []
        inside = 0
        key: object
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            try:
                settled.append(self.settle(entry, depth + 1))
            except Refusal as refusal:
                raise refusal.inside(key) from refusal.__cause__
            inside = max(inside, self._height(entry))
        self.open.remove(id(value))
        self.height[id(value)] = 1 + inside
        if isinstance(value, tuple):
            return tuple(settled)
        if isinstance(value, list):
            value[:] = settled
        else:
            value.update(zip(value, settled, strict=True))
        return value

    def _height(self, value: object) -> int:
        if isinstance(value, (list, dict, tuple)) and not value:
            return 1
        return self.height.get(id(value), 0)

    def _check_depth(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise Refusal(f"containers are nested more than {_DEEPEST} deep", CONVERT)
