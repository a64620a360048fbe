"""Options of commands, read from typed dataclasses by tyro; the only file that imports it."""

from __future__ import annotations

import dataclasses
import io
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, suppress
from difflib import get_close_matches
from inspect import cleandoc
from typing import Any, TypeVar

import tyro
from tyro.conf import Positional

from trichord.config import Config, leaves

__all__ = ["Positional", "parse_command", "parse_with_configuration", "peek"]

HELP = ("-h", "--help")
SETTINGS = "set."
C = TypeVar("C")
T = TypeVar("T")


def parse_command(command: type[C], arguments: Sequence[str], program: str) -> C:
    """Parse a command's options; an unknown or ill-typed one ends the program with the nearest valid name."""

    def parse() -> C:
        return tyro.cli(command, args=list(arguments), prog=program, description=_summary(command))

    return _explaining(parse, arguments, list(_option_names(command)), program)


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

    def parse() -> Any:
        return tyro.cli(
            both,
            args=list(arguments),
            prog=program,
            description=_summary(command),
            config=(tyro.conf.AvoidSubcommands,),  # a part of the configuration may be None, which is no other command
        )

    settings = [f"set.{path}" for path, _ in leaves(configuration.to_dict()) if not path.endswith("config")]
    parsed = _explaining(parse, arguments, [*_option_names(command), *settings], program)
    plain = command(**{f.name: getattr(parsed, f.name) for f in dataclasses.fields(command)})  # type: ignore[arg-type]
    return plain, parsed.set


def peek(command: type[C], arguments: Sequence[str], program: str) -> C:
    """Parse a command's own options and leave others for `parse_with_configuration`.

    Where a required option is missing, the program ends as usual. Where help is asked for beside all that are required,
    it is left for `parse_with_configuration` as well, which lists the fields of the configuration; beside fewer of them
    the command's own options are all that can be listed.
    """

    def parse(given: Sequence[str] = arguments) -> C:
        known, _ = tyro.cli(
            command, args=list(given), prog=program, description=_summary(command), return_unknown_args=True
        )
        return known

    asked = [argument for argument in arguments if argument not in HELP]
    if len(asked) < len(arguments):
        with suppress(SystemExit), redirect_stderr(io.StringIO()):
            return parse(asked)
    settings = [f"set.{_name(argument)[4:]}" for argument in arguments if _name(argument).startswith("set.")]
    return _explaining(parse, arguments, [*_option_names(command), *settings], program)


def _summary(command: type) -> str:
    """Return the docstring up to its arguments, which the help lists anyway."""
    return cleandoc(command.__doc__ or "").partition("\nArgs:")[0].strip()


def _option_names(command: Any, prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of the options that a dataclass's fields make."""
    for field in dataclasses.fields(command):
        if dataclasses.is_dataclass(field.default):
            yield from _option_names(field.default, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"


def _name(argument: str) -> str:
    """Return the name in "--some.option-name=value", spelled with underscores; "" for what is no option."""
    return argument.removeprefix("--").partition("=")[0].replace("-", "_") if argument.startswith("--") else ""


def _positive(name: str) -> str:
    """Return the name of the option that "options.no_progress" switches off."""
    parents, dot, last = name.rpartition(".")
    return f"{parents}{dot}{last.removeprefix('no_')}"


def _explaining(parse: Callable[[], T], arguments: Sequence[str], known: Sequence[str], program: str) -> T:
    """Parse; where that fails, say why in one line, with the nearest name where an option does not exist."""
    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            return parse()
    except SystemExit as stop:
        given = [name for name in map(_name, arguments) if name not in ("", "help")]
        unknown = [name for name in given if name not in known and _positive(name) not in known]
        if stop.code in (0, None):
            raise
        found = _unknown(unknown[0], known) if unknown else _in_one_line(printed.getvalue())
        is_setting = bool(unknown) and unknown[0].startswith(SETTINGS)
        more = "Add --help to this command for all of them" if is_setting else f"See {program} --help"
        print(f"error: {found} {more}", file=sys.stderr)
        raise SystemExit(2) from None


def _unknown(name: str, known: Sequence[str]) -> str:
    settings = [path for path in known if path.startswith(SETTINGS)]
    close = _nearest_path(name, settings) if name.startswith(SETTINGS) else []
    close = close or get_close_matches(name, known, n=1, cutoff=0.5)
    return f"there is no option {_spelled(name)}{f'; did you mean {_spelled(close[0])}?' if close else '.'}"


def _nearest_path(name: str, paths: Sequence[str]) -> list[str]:
    """Return the path that was most likely meant, if there is one with that last word or one much like it.

    Long paths look alike letter by letter, so the last word, which says what is set, decides before the way to it.
    """
    last = name.rpartition(".")[2]
    words = get_close_matches(last, {path.rpartition(".")[2] for path in paths}, n=1, cutoff=0.75)
    ending = [path for path in paths if path.rpartition(".")[2] in words]
    return get_close_matches(name, ending, n=1, cutoff=0.0)


def _in_one_line(box: str) -> str:
    """Return what a box of tyro's says above its first rule."""
    inside = [line.strip("│ ").strip() for line in box.splitlines() if line.startswith("│")]
    said = list(itertools.takewhile(lambda line: not line.startswith("──"), inside))
    return f"{' '.join(said or box.split()).rstrip('.')}."


def _spelled(name: str) -> str:
    return f"--{name.replace('_', '-')}"
