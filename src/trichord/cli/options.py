"""Options of commands, read from typed dataclasses by tyro; the only file that imports it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from inspect import cleandoc
from typing import Any, TypeVar

import tyro
from tyro.conf import Positional

from trichord.config import Config

__all__ = ["Positional", "parse_command", "parse_with_configuration", "peek"]

C = TypeVar("C")


def parse_command(command: type[C], arguments: Sequence[str], program: str) -> C:
    """Parse a command's options; an unknown or ill-typed one ends the program with the nearest valid name."""
    return tyro.cli(command, args=list(arguments), prog=program, description=_summary(command))


def _summary(command: type) -> str:
    """Return the docstring up to its arguments, which the help lists anyway."""
    return cleandoc(command.__doc__ or "").partition("\nArgs:")[0].strip()


def parse_with_configuration(
    command: type[C], configuration: Config, arguments: Sequence[str], program: str
) -> tuple[C, Any]:
    """Parse a command's options together with those of a configuration, which are called --set.PATH.

    Returns:
        The command, and the configuration with the fields that were given replaced.
    """
    field = ("set", type(configuration), dataclasses.field(default=configuration, kw_only=True))
    both = dataclasses.make_dataclass(command.__name__, [field], bases=(command,), frozen=True, kw_only=True)
    both.__doc__ = command.__doc__
    parsed: Any = tyro.cli(both, args=list(arguments), prog=program, description=_summary(command))
    plain = command(**{f.name: getattr(parsed, f.name) for f in dataclasses.fields(command)})  # type: ignore[arg-type]
    return plain, parsed.set


def peek(command: type[C], arguments: Sequence[str], program: str) -> C:
    """Parse a command's own options and leave others for `parse_with_configuration`.

    Where that is impossible because help was asked for or a required option is missing, the program ends as usual.
    """
    known, _ = tyro.cli(
        command, args=list(arguments), prog=program, description=_summary(command), return_unknown_args=True
    )
    return known
