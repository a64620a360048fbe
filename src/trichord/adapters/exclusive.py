"""Methods that one thread carries out at a time: which adapters are active is one state for all threads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, runtime_checkable

Asked = ParamSpec("Asked")
Given = TypeVar("Given")


@runtime_checkable
class Locked(Protocol):
    """What has a lock that one thread may take again while it holds it, such as `threading.RLock`."""

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """The lock."""


Owner = TypeVar("Owner", bound=Locked)


def exclusive(method: Callable[Concatenate[Owner, Asked], Given]) -> Callable[Concatenate[Owner, Asked], Given]:
    """Let a method hold the lock of its object from its first line to its last."""

    @wraps(method)
    def waiting(self: Owner, /, *args: Asked.args, **options: Asked.kwargs) -> Given:
        with self.lock:
            return method(self, *args, **options)

    return waiting
